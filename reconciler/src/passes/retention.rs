//! What has outlived its life goes, a step at a time.

use std::time::Duration;

use chrono::TimeDelta;
use shared::clock::{Clock, SystemClock};
use shared::kafka::producer::EventLog;
use tracing::Instrument;

use super::go_on;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::retention::{Job, jobs};
use crate::store::retention;
use crate::sweep::{Engine, SweepError};

/// Steps of one job before the others have their turn again: a backlog of years is no hurry.
const STEPS: u32 = 200;
/// Pause between two steps, so that the database has time for what is urgent.
const PAUSE: Duration = Duration::from_millis(20);
/// Shortest and longest stretch of the ledger in which a step looks for payloads.
const SPANS: (i64, i64) = (60, 30 * 86_400);

pub(super) async fn retentions<L: EventLog>(
    config: &Config,
    engine: &Engine<L>,
    metrics: &Metrics,
) {
    loop {
        let mut more = false;
        for (job, before) in jobs(&config.retention, SystemClock.now()) {
            let span = tracing::info_span!("retention", job = job.name());
            match run(engine, metrics, job, before).instrument(span).await {
                Ok(is_done) => more |= !is_done,
                Err(error) if error.is_lost() => return,
                Err(error) => {
                    let _told = go_on::<()>(metrics, "retention", Err(error));
                }
            }
        }
        if !more {
            tokio::time::sleep(config.retention.retention_interval).await;
        }
    }
}

/// Steps of one job; whether it is done for now.
async fn run<L: EventLog>(
    engine: &Engine<L>,
    metrics: &Metrics,
    job: Job,
    before: chrono::DateTime<chrono::Utc>,
) -> Result<bool, SweepError> {
    let (mut removed, mut span, mut is_done) = (0, SPANS.0, false);
    for _step in 0..STEPS {
        let stretch = TimeDelta::seconds(span);
        let step = engine
            .reader
            .store
            .run("retention", move |connection| {
                retention::step(connection, job, before, stretch)
            })
            .await?;
        metrics.removed(job, step.removed);
        removed += step.removed;
        if step.is_last {
            is_done = true;
            break;
        }
        // Where nothing is, the search goes on in longer stretches.
        span = match step.removed {
            0 => (span * 2).min(SPANS.1),
            _ => (span / 2).max(SPANS.0),
        };
        tokio::time::sleep(PAUSE).await;
    }
    if removed > 0 {
        tracing::info!(
            job = job.name(),
            removed,
            "what had outlived its life is gone"
        );
    }
    Ok(is_done)
}
