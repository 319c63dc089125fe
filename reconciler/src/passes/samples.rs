//! What nobody doubts is doubted, a little all day long.

use std::time::Instant;

use opentelemetry::KeyValue;
use shared::kafka::producer::EventLog;
use tracing::Instrument;

use super::go_on;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::sweeps::Kind;
use crate::sweep::quota::Quota;
use crate::sweep::{Engine, SweepError};

/// Settled bookings against Stripe.
pub(super) async fn samples<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let (mut quota, mut since) = (Quota::new(config.samples.sample_size), Instant::now());
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let due = quota.due(std::mem::replace(&mut since, Instant::now()).elapsed());
        if due == 0 {
            continue;
        }
        let span = tracing::info_span!("sample_sweep");
        let outcome = engine.sample(due).instrument(span).await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        let Some(looked) = go_on(metrics, "sample", outcome) else {
            continue;
        };
        count(Kind::Sample, looked.retrieved, looked.differing);
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
    let (mut quota, mut since) = (Quota::new(config.samples.sample_size), Instant::now());
    loop {
        tokio::time::sleep(config.sweep_interval).await;
        let due = quota.due(std::mem::replace(&mut since, Instant::now()).elapsed());
        if due == 0 {
            continue;
        }
        let span = tracing::info_span!("ledger_sweep");
        let outcome = engine
            .check_ledger(due, config.samples.require_registration)
            .instrument(span)
            .await;
        if outcome.as_ref().is_err_and(SweepError::is_lost) {
            return;
        }
        let Some(checked) = go_on(metrics, "ledger", outcome) else {
            continue;
        };
        count(Kind::Ledger, checked.bookings, checked.differing);
        if checked.differing > 0 {
            tracing::error!(
                differing = checked.differing,
                "stored bookings are not what the ledger says; see the findings"
            );
        }
    }
}

/// One counter for both, by what was done.
fn count(kind: Kind, checked: usize, differing: usize) {
    let counter = opentelemetry::global::meter("reconciler")
        .u64_counter("reconciler_sampled")
        .with_description("Objects (sample) or bookings (ledger) that a sample compared, and those that differed.")
        .build();
    for (done, number) in [("compared", checked), ("differing", differing)] {
        let labels = [
            KeyValue::new("kind", kind.as_str()),
            KeyValue::new("done", done),
        ];
        counter.add(u64::try_from(number).unwrap_or(u64::MAX), &labels);
    }
}
