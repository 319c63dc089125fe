//! The long-running reconciler: one leads and sweeps by the clock, others stand by.
//!
//! Invariants: whoever sweeps by the clock holds the reconciler's lock, on the same connection that
//! everything is written by: a leader that lost its lock can write nothing any more. A pass that
//! breaks off is done again; only a lost lock ends leading.
//!
//! Deliberately absent: what runs while it leads ([`crate::passes`]).

use std::sync::Arc;
use std::time::Duration;

use shared::kafka::producer::Producer;
use shared::runtime::{Health, Stop};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::parts::{self, PartsError};
use crate::passes;
use crate::store::Lock;

/// Pause before Postgres is tried again, and between two tries for the lock.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Longest wait for what is on its way when it stops.
const FLUSH: Duration = Duration::from_secs(5);
/// The component, as `/readyz` names it.
const COMPONENT: &str = "reconciler";

/// Runs until `stop` is set. Ready while it leads or stands by, that is while Postgres answers.
///
/// # Errors
/// [`PartsError`]: it can't start, or must not.
pub async fn run(config: Config, health: Arc<Health>, stop: Arc<Stop>) -> Result<(), PartsError> {
    health.set_unready(COMPONENT, "starting");
    let Some(producer) = start(&config, &health, &stop).await? else {
        return Ok(());
    };
    let metrics = Metrics::default();
    while !stop.is_set() {
        let term = term(&config, &producer, &health, &metrics);
        let ended = tokio::select! {
            () = stop.wait() => break,
            ended = term => ended,
        };
        metrics.leading(false);
        if let Err(error) = ended {
            if error.is_refusal() {
                return Err(error);
            }
            let told = shared::error::chain(&error);
            tracing::warn!(error = told, "not sweeping");
            health.set_unready(COMPONENT, told);
        }
        tokio::select! {
            () = stop.wait() => {}
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
    }
    health.set_unready(COMPONENT, "stopping");
    let flushed = tokio::task::spawn_blocking(move || producer.flush(FLUSH)).await;
    if !matches!(flushed, Ok(Ok(()))) {
        // They are in no finding yet: the next sweep's barrier finds them in the log, or them missing.
        tracing::warn!("some repairs were not acknowledged before the end");
    }
    Ok(())
}

/// Waits for a fit topic and a warm producer; `None` when it was stopped before.
///
/// # Errors
/// [`PartsError`] when the ground is unfit.
async fn start(
    config: &Config,
    health: &Health,
    stop: &Stop,
) -> Result<Option<Arc<Producer>>, PartsError> {
    while !stop.is_set() {
        let started = async {
            parts::check_topic(config).await?;
            parts::producer(config).await
        };
        match started.await {
            Ok(producer) => return Ok(Some(producer)),
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => health.set_unready(COMPONENT, shared::error::chain(&error)),
        }
        tokio::select! {
            () = stop.wait() => {}
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
    }
    Ok(None)
}

/// One term of office: stand by until the lock is ours, then sweep until it is lost.
async fn term(
    config: &Config,
    producer: &Arc<Producer>,
    health: &Health,
    metrics: &Metrics,
) -> Result<(), PartsError> {
    let engine = parts::engine(config, producer).await?;
    health.set_ready(COMPONENT);
    metrics.leading(false);
    let mut told = false;
    while !engine.reader.store.try_lock(Lock::Reconciler).await? {
        if !std::mem::replace(&mut told, true) {
            tracing::info!("another reconciler sweeps; standing by");
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
    tracing::info!("sweeping");
    metrics.leading(true);
    Box::pin(passes::all(config, &engine, metrics)).await;
    tracing::warn!("the lock is lost");
    Ok(())
}
