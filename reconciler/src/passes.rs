//! What the leading reconciler does by the clock, each thing in a loop of its own.
//!
//! Invariants: all loops end when one of them sees that the connection, and with it the lock, is lost;
//! anything else that fails is done again. No account waits for another's backlog: each gets one
//! window in turn. Where the list of accounts can't be read, the last one is swept again.
//!
//! Deliberately absent: the sweeps themselves.

mod accounts;
mod background;
mod live;
mod retention;
mod samples;

use std::time::Duration;

use shared::kafka::producer::EventLog;

use crate::budget::Purpose;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::sweep::{Engine, SweepError};

/// Pause between two looks whether the connection, and with it the lock, still stands.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Runs until the lock is lost.
pub async fn all<L: EventLog>(config: &Config, engine: &Engine<L>, metrics: &Metrics) {
    let quiet = engine.for_purpose(Purpose::Background);
    tokio::select! {
        () = live::tails(config, engine, metrics) => {}
        () = live::pendings(config, engine, metrics) => {}
        () = live::refetches(config, engine, metrics) => {}
        () = live::holes(config, engine, metrics) => {}
        () = live::plans(config, engine, metrics) => {}
        () = background::deeps(config, &quiet, metrics) => {}
        () = background::senders(config, &quiet, metrics) => {}
        () = background::classes(config, &quiet, metrics) => {}
        () = background::figures(config, &quiet, metrics) => {}
        () = samples::samples(config, &quiet, metrics) => {}
        () = samples::ledgers(config, &quiet, metrics) => {}
        () = retention::retentions(config, &quiet, metrics) => {}
        () = watch(engine) => {}
    }
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
