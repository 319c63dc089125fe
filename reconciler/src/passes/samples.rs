//! What nobody doubts is doubted, a little all day long.

use std::time::{Duration, Instant};

use shared::kafka::producer::EventLog;
use tracing::Instrument;

use super::go_on;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::sweeps::Kind;
use crate::sweep::quota::Quota;
use crate::sweep::{Engine, SweepError};

/// A daily number, waited for bit by bit.
struct Due {
    quota: Quota,
    since: Instant,
    pause: Duration,
}

impl Due {
    fn new(config: &Config) -> Self {
        Self {
            quota: Quota::new(config.samples.sample_size),
            since: Instant::now(),
            pause: config.sweep_interval,
        }
    }

    /// Waits until some are due; for ever where none is wanted.
    async fn next(&mut self) -> i64 {
        loop {
            tokio::time::sleep(self.pause).await;
            let passed = std::mem::replace(&mut self.since, Instant::now()).elapsed();
            match self.quota.due(passed) {
                0 => {}
                due => return due,
            }
        }
    }
}

/// Settled bookings against Stripe.
pub(super) async fn samples<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let mut due = Due::new(config);
    loop {
        let count = due.next().await;
        let span = tracing::info_span!("sample_sweep");
        let outcome = engine.sample(count).instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        let Some(looked) = go_on(metrics, "sample", outcome) else {
            continue;
        };
        metrics.sampled(Kind::Sample, looked.retrieved, looked.differing);
        if looked.differing > 0 {
            tracing::warn!(
                differing = looked.differing,
                events = looked.events,
                observations = looked.observations,
                "settled bookings were not as Stripe has them; put right"
            );
        }
    }
}

/// Bookings against the ledger.
pub(super) async fn ledgers<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let mut due = Due::new(config);
    loop {
        let count = due.next().await;
        let span = tracing::info_span!("ledger_sweep");
        let outcome = engine
            .check_ledger(count, config.samples.policy())
            .instrument(span)
            .await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        let Some(checked) = go_on(metrics, "ledger", outcome) else {
            continue;
        };
        metrics.sampled(Kind::Ledger, checked.bookings, checked.differing);
        if checked.differing > 0 {
            tracing::error!(
                differing = checked.differing,
                "stored bookings are not what the ledger says; see the findings"
            );
        }
    }
}
