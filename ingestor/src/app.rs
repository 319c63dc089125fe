//! The ingestor put together: checks, the public listener, an end in order.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use shared::clock::SystemClock;
use shared::error::chain;
use shared::kafka::producer::{EventLog, Producer};
use shared::kafka::topics::{TopicError, Wanted, check};
use shared::runtime::{Ops, start_ops};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::secrets::CurrentSecrets;
use crate::stats::{Reporter, Telling, instance};
use crate::watch::{self, Watched};
use crate::webhook::{Parts, receive};

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
    let listener = TcpListener::bind(config.listen_addr)
        .with_context(|| format!("cannot listen on LISTEN_ADDR {}", config.listen_addr))?;
    actix_web::rt::System::new().block_on(serve(config, &ops, listener))
}

async fn serve(config: &Config, ops: &Ops, listener: TcpListener) -> anyhow::Result<()> {
    let producer = Arc::new(Producer::create(&config.kafka, config.append_deadline)?);
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
    let parts = web::Data::new(Parts {
        log: Arc::clone(&producer),
        topic: config.topics.events_topic.clone(),
        secrets: Arc::clone(&secrets),
        clock: Arc::new(SystemClock),
        limits: config.body,
        in_flight: Arc::new(Semaphore::new(config.max_in_flight)),
        metrics: metrics.clone(),
    });
    let mut reporter = Reporter::new(telling(config, &producer, &metrics), instance());
    let server = build(listener, parts, Limits::of(config), metrics.clone())?;
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    ops.health.set_ready("kafka");
    let watched = Watched {
        source: config.source.clone(),
        secrets,
        producer: Arc::clone(&producer),
        topic: config.topics.events_topic.clone(),
        health: Arc::clone(&ops.health),
        metrics,
    };
    let ended = tokio::select! {
        () = ops.stop.wait() => Ok(()),
        failed = watch::until_fatal(watched) => Err(failed),
        () = reporter.tell_every(config.stats_interval) => Ok(()),
    };
    ops.health.set_unready("kafka", "stopping");
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
                    web::block(move || producer.warm(&topic, Duration::from_secs(5))).await?;
                match warmed {
                    Ok(()) => return Ok(()),
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

/// Bounds of the public listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A connection's first head.
    pub head: Duration,
    /// An idle connection; zero: closed after each answer.
    pub keep_alive: Duration,
    /// Open connections.
    pub connections: usize,
    /// Requests in flight when stopping.
    pub drain: Duration,
}

impl Limits {
    fn of(config: &Config) -> Self {
        Self {
            head: config.head_deadline,
            keep_alive: config.keep_alive,
            connections: config.max_connections,
            drain: config.drain_timeout,
        }
    }
}

/// Counts an open connection for as long as it lives.
struct OpenConnection(Metrics);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connection(-1);
    }
}

/// The public listener: one route, and nothing else there.
///
/// # Errors
/// The socket's.
pub fn build<L: EventLog>(
    listener: TcpListener,
    parts: web::Data<Parts<L>>,
    limits: Limits,
    metrics: Metrics,
) -> std::io::Result<Server> {
    let keep_alive = if limits.keep_alive.is_zero() {
        KeepAlive::Disabled
    } else {
        KeepAlive::Timeout(limits.keep_alive)
    };
    // The framework counts connections for each of its workers.
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(parts.clone())
            .service(
                web::resource("/webhooks/stripe")
                    .route(web::post().to(receive::<L>))
                    .default_service(web::to(method_not_allowed)),
            )
            .default_service(web::to(not_found))
    })
    .on_connect(move |_connection, extensions| {
        metrics.connection(1);
        extensions.insert(OpenConnection(metrics.clone()));
    })
    .client_request_timeout(limits.head)
    .client_disconnect_timeout(Duration::from_secs(2))
    .keep_alive(keep_alive)
    .workers(workers)
    .max_connections(limits.connections.div_ceil(workers))
    .shutdown_timeout(limits.drain.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

async fn method_not_allowed() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header(("allow", "POST"))
        .force_close()
        .content_type("text/plain")
        .body("POST only\n")
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound()
        .force_close()
        .content_type("text/plain")
        .body("nothing here\n")
}
