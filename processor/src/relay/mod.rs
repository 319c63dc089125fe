//! The relay: publishes the outbox's facts to `booking.events`.
//!
//! Invariants: a fact is marked as published only after the broker acknowledged it, so it is
//! published at least once; a booking's facts are published in the order of writing, with at
//! most one of them in flight, whatever number of relays runs: a slot's advisory lock belongs
//! to one session. No transaction is open while Kafka is waited for.
//!
//! A relay that dies or freezes between sending and marking leaves a fact that is sent again,
//! with the same id. A frozen one loses its session, and with it its slot, to
//! `idle_session_timeout`; a record that such a relay still had in its socket may arrive late:
//! the `version` in each fact tells a reader what is older than what it knows.
//!
//! After a restore from a backup no fact leaves before the log is applied again as far as it ever was:
//! operators' decisions are in it. What leaves afterwards bears a greater `generation`.
//!
//! Not here: which facts there are (`apply::facts`).

mod record;
mod restore;
mod round;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::pg::PgConnection;
use shared::backoff::{Policy, delay};
use shared::db::{Limits, connect};
use shared::error::chain;
use shared::kafka::producer::EventLog;

use crate::store::{outbox, restores};

pub use restore::Witness;
pub use round::RelayError;
pub use settings::RelaySettings;

/// How often it looks for facts when none waits.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the backlog is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// After trouble, in place of [`LOOK_EVERY`].
const BACKOFF: Policy = Policy {
    base: Duration::from_millis(200),
    cap: Duration::from_secs(5),
};

/// Told what waits, so that it can be shown.
pub trait Gauge {
    /// `facts` wait; the oldest was written at `oldest` (seconds since 1970, 0: none waits).
    fn backlog(&self, facts: i64, oldest: i64);
    /// So many facts were published and marked.
    fn published(&self, facts: usize);
}

/// Runs until `stopping`. Blocks its thread.
pub fn run(
    settings: &RelaySettings,
    log: &Arc<impl EventLog>,
    gauge: &impl Gauge,
    stopping: &AtomicBool,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = chain(&error), "the relay cannot start");
            return;
        }
    };
    let mut connection: Option<PgConnection> = None;
    let mut measured: Option<Instant> = None;
    let mut failures = 0_u32;
    while !stopping.load(Ordering::Relaxed) {
        let outcome = ready(&mut connection, settings).and_then(|conn| {
            if measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
                measured = Some(Instant::now());
                let backlog = outbox::backlog(conn)?;
                gauge.backlog(backlog.facts, backlog.oldest);
            }
            match generation(conn)? {
                Some(now) => round::publish(conn, settings, now, &runtime, log, gauge, stopping),
                None => Ok(()),
            }
        });
        match outcome {
            Ok(()) => {
                failures = 0;
                std::thread::park_timeout(LOOK_EVERY);
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(error = chain(&error), failures, "facts wait in the outbox");
                if error.is_of_the_session() {
                    connection = None;
                }
                std::thread::park_timeout(delay(failures, &BACKOFF, 1.0));
            }
        }
    }
}

fn ready<'c>(
    connection: &'c mut Option<PgConnection>,
    settings: &RelaySettings,
) -> Result<&'c mut PgConnection, RelayError> {
    let fresh = match connection.take() {
        Some(open) => open,
        None => open(settings)?,
    };
    Ok(connection.insert(fresh))
}

/// The generation of the facts that leave now; none: the log is not applied again yet.
fn generation(conn: &mut PgConnection) -> Result<Option<i64>, RelayError> {
    let standing = restores::standing(conn)?;
    if standing.behind > 0 {
        tracing::debug!(records = standing.behind, "catching up after a restore");
        return Ok(None);
    }
    if standing.open > 0 && restores::close(conn)? > 0 {
        tracing::warn!(
            generation = standing.generation,
            "the log is applied again as far as it was: booking events leave again"
        );
    }
    Ok(Some(standing.generation))
}

/// A session that the server ends when its owner is frozen, which frees the slots it held.
fn open(settings: &RelaySettings) -> Result<PgConnection, RelayError> {
    let mut fresh = connect(
        &settings.database_url,
        "bookend-processor-relay",
        Limits::default(),
    )?;
    let millis = i64::try_from(settings.frozen_after.as_millis()).unwrap_or(i64::MAX);
    diesel::sql_query(format!("SET idle_session_timeout = {millis}")).execute(&mut fresh)?;
    settings.witness.notice(&mut fresh)?;
    Ok(fresh)
}
