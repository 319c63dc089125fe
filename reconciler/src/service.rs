//! The long-running reconciler: one leads and sweeps by the clock, others stand by.
//!
//! Invariants: whoever sweeps by the clock holds the reconciler's lock, on the same connection that
//! everything is written by: a leader that lost its lock can write nothing any more. A pass that
//! breaks off is done again; only a lost lock ends leading.
//!
//! Deliberately absent: the sweeps themselves.

use std::sync::Arc;
use std::time::Duration;

use shared::kafka::producer::{EventLog, Producer};
use shared::runtime::{Health, Stop};
use tracing::Instrument;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::parts::{self, PartsError};
use crate::store::{Lock, sweeps};
use crate::sweep::holes::Swept;
use crate::sweep::pending::Looks;
use crate::sweep::window::Report;
use crate::sweep::{Engine, SweepError};

/// Pause before Postgres is tried again, and between two tries for the lock.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Pause between two looks whether the connection, and with it the lock, still stands.
const WATCH_EVERY: Duration = Duration::from_secs(5);
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
    tokio::select! {
        () = tails(config, &engine, metrics) => {}
        () = pendings(config, &engine, metrics) => {}
        () = refetches(config, &engine, metrics) => {}
        () = holes(config, &engine, metrics) => {}
        () = watch(&engine) => {}
    }
    tracing::warn!("the lock is lost");
    Ok(())
}

/// Ends when the connection is lost.
async fn watch<L: EventLog>(engine: &Engine<L>) {
    while engine.reader.store.ping().await.is_ok() {
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// Whether to go on after a pass.
fn go_on<T>(metrics: &Metrics, pass: &'static str, outcome: Result<T, SweepError>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(error) => {
            metrics.broke_off(pass);
            tracing::error!(pass, error = %shared::error::chain(&error), "pass broke off; it is done again");
            None
        }
    }
}

async fn tails<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    loop {
        let accounts = match parts::accounts(config, &engine.reader.store).await {
            Ok(accounts) => accounts,
            Err(error) => {
                let lost = go_on::<()>(metrics, "accounts", Err(error.into()));
                debug_assert!(lost.is_none());
                return;
            }
        };
        for account in &accounts {
            let span = tracing::info_span!(
                "tail_sweep",
                account = account.as_ref().map(tracing::field::display)
            );
            let outcome = engine.tail(account.as_ref()).instrument(span).await;
            if outcome.as_ref().is_err_and(SweepError::is_lost) {
                return;
            }
            for report in go_on(metrics, "tail", outcome).unwrap_or_default() {
                metrics.swept(sweeps::Kind::Tail, &report);
                report.log();
            }
            if account.is_none() {
                tell_cursor(engine, metrics).await;
            }
        }
        tokio::time::sleep(config.sweep_interval).await;
    }
}

async fn tell_cursor<L: EventLog>(engine: &Engine<L>, metrics: &Metrics) {
    let cursor = engine
        .reader
        .store
        .run("cursor", |connection| sweeps::cursor(connection, None))
        .await;
    if let (Ok(Some(cursor)), Ok(now)) = (cursor, engine.reader.client.now().await) {
        metrics.cursor(now.saturating_sub(cursor));
    }
}

async fn pendings<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let mut looks = Looks::default();
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let span = tracing::info_span!("pending_sweep");
        let outcome = engine.pending(&mut looks).instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        if let Some(looked) = go_on(metrics, "pending", outcome) {
            metrics.looked(looked);
            if looked.differing > 0 {
                tracing::info!(
                    differing = looked.differing,
                    events = looked.events,
                    observations = looked.observations,
                    "waiting bookings put right"
                );
            }
        }
    }
}

/// What the log lost before it was applied is asked of Stripe, once for each hole.
async fn holes<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let Ok(accounts) = parts::accounts(config, &engine.reader.store).await else {
            // The other passes say so.
            continue;
        };
        let topic = &config.topic;
        let span = tracing::info_span!("hole_sweep");
        let outcome = engine.hole(topic, &accounts).instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        match go_on(metrics, "hole", outcome) {
            None | Some(Swept::None) => {}
            Some(Swept::Later(reports)) => reports.iter().for_each(Report::log),
            Some(Swept::Done(hole, reports)) => {
                for report in &reports {
                    metrics.swept(sweeps::Kind::Window, report);
                    report.log();
                }
                tracing::warn!(
                    hole = hole.id,
                    from = hole.from,
                    to = hole.to,
                    "what the log had lost was swept"
                );
            }
        }
    }
}

async fn refetches<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    loop {
        let span = tracing::info_span!("refetch");
        let outcome = engine.refetch().instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        if let Some(figures) = go_on(metrics, "refetch", outcome) {
            metrics.refetched(figures);
        }
        tokio::time::sleep(config.refetch_interval).await;
    }
}
