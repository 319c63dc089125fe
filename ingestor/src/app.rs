//! The ingestor put together: checks, the public listener, an end in order.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use actix_web::web;
use anyhow::Context;
use shared::clock::SystemClock;
use shared::error::chain;
use shared::kafka::producer::Producer;
use shared::kafka::topics::{TopicError, Wanted, check};
use shared::runtime::{Ops, start_ops};

use crate::admission::Admission;
use crate::budget::Budget;
use crate::config::Config;
use crate::line::Lines;
use crate::listener::{Limits, bind, build};
use crate::metrics::Metrics;
use crate::secrets::CurrentSecrets;
use crate::stats::{Reporter, Telling, instance};
use crate::watch::{self, Watched};
use crate::webhook::Parts;

/// Topics that no service should run with.
#[derive(Debug, thiserror::Error)]
#[error("refusing to run: {0}")]
pub struct UnfitTopics(String);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What could not be started; [`UnfitTopics`]; or a producer that failed for good.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let telemetry = shared::telemetry::init("ingestor", &config.common)?;
    let ops = start_ops(config.common.ops_addr, telemetry.registry())?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), secrets = ?config.secrets.names(), "ingestor starting");
    ops.health.set_unready("kafka", "warming up");
    // The address is ours from the first moment; nobody is answered before the producer is warm.
    let listener = bind(config.listen_addr)
        .with_context(|| format!("cannot listen on LISTEN_ADDR {}", config.listen_addr))?;
    actix_web::rt::System::new().block_on(serve(config, &ops, listener))
}

async fn serve(config: &Config, ops: &Ops, listener: TcpListener) -> anyhow::Result<()> {
    let producer = Arc::new(Producer::adaptive(&config.kafka, config.append_deadline)?);
    let warm = tokio::select! {
        outcome = warm_up(config, ops, &producer) => outcome.map(|()| true)?,
        () = ops.stop.wait() => false,
    };
    if !warm {
        return Ok(());
    }
    let metrics = Metrics::new();
    let secrets = Arc::new(CurrentSecrets::new(config.secrets.clone()));
    crate::metrics::observe_secrets(&secrets);
    let budget = Budget::new(config.inflight_bytes);
    let admission = Arc::new(Admission::new(config.max_in_flight));
    crate::metrics::observe_room(&budget, &admission);
    let parts = Arc::new(Parts {
        log: Arc::clone(&producer),
        topic: config.topics.events_topic.clone(),
        secrets: Arc::clone(&secrets),
        clock: Arc::new(SystemClock),
        limits: config.body,
        budget,
        admission,
        lines: Lines::new(config.rates, config.origins.clone()),
        metrics: metrics.clone(),
    });
    let mut reporter = Reporter::new(telling(config, &producer, &metrics), instance());
    let server = build(listener, parts, limits(config), metrics.clone())?;
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    ops.health.set_ready("kafka");
    let watched = Watched {
        source: config.source.clone(),
        secrets,
        producer: Arc::clone(&producer),
        topic: config.topics.events_topic.clone(),
        partitions: config.topics.events_partitions,
        known_partitions: AtomicUsize::new(config.topics.events_partitions),
        health: Arc::clone(&ops.health),
        metrics,
    };
    let ended = tokio::select! {
        () = ops.stop.wait() => Ok(()),
        failed = watch::until_fatal(watched) => Err(failed),
        () = reporter.tell_every(config.stats_interval) => Ok(()),
    };
    // A part of its own: who looks for the brokers may still say that they are there.
    ops.health.set_unready("listener", "stopping");
    // Graceful: no new connections, requests in flight are answered.
    handle.stop(true).await;
    running
        .await
        .context("the listener's task failed")?
        .context("the listener failed")?;
    // Nobody is answered any more: what is counted now is all.
    reporter.tell_last().await;
    let flushed = web::block(move || producer.flush(Duration::from_secs(5))).await?;
    if let Err(error) = flushed {
        tracing::warn!(
            error = chain(&error),
            "records still unacknowledged at the end; none was answered 200"
        );
    }
    tracing::info!("ingestor stopped");
    Ok(ended?)
}

fn telling(config: &Config, producer: &Arc<Producer>, metrics: &Metrics) -> Telling<Producer> {
    Telling {
        log: Arc::clone(producer),
        topic: config.topics.stats_topic.clone(),
        clock: Arc::new(SystemClock),
        tally: metrics.tally(),
    }
}

/// Waits until the brokers know the topic and it is fit; refuses an unfit one at once.
async fn warm_up(config: &Config, ops: &Ops, producer: &Arc<Producer>) -> anyhow::Result<()> {
    let wanted = [Wanted {
        topic: config.topics.events_topic.clone(),
        partitions: Some(config.topics.events_partitions),
        development: config.common.is_development(),
    }];
    loop {
        match check(&config.kafka, &wanted, Duration::from_secs(5)).await {
            Ok(()) => {
                let (producer, topic) = (Arc::clone(producer), config.topics.events_topic.clone());
                let warmed =
                    web::block(move || producer.partitions(&topic, Duration::from_secs(5))).await?;
                match warmed {
                    Ok(_partitions) => return Ok(()),
                    Err(error) => ops.health.set_unready("kafka", chain(&error)),
                }
            }
            Err(error @ TopicError::Unfit(_)) => return Err(UnfitTopics(chain(&error)).into()),
            Err(error @ (TopicError::Unreachable { .. } | TopicError::Missing(_))) => {
                ops.health.set_unready("kafka", chain(&error))
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        head: config.head_deadline,
        keep_alive: config.keep_alive,
        connections: config.max_connections,
        drain: config.drain_timeout,
    }
}
