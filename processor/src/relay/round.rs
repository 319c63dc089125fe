//! One round: every slot that is free and has something, to its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::pg::PgConnection;
use futures_util::future::join_all;
use shared::kafka::producer::{AppendError, EventLog};
use tokio::runtime::Runtime;

use super::record::record;
use super::{Gauge, RelaySettings};
use crate::store::outbox::{self, Waiting};

/// Facts read at once; as many bookings may be in flight.
const WINDOW: i64 = 200;
/// Windows of one slot before the others have their turn.
const WINDOWS: usize = 10;

/// Why a round ended early. All are infrastructure: the facts wait.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No session.
    #[error("the relay cannot reach the database")]
    Connect(#[from] shared::db::ConnectError),
    /// The session failed; its slots are free again when the server has noticed.
    #[error("the relay cannot read or mark the outbox")]
    Database(#[from] diesel::result::Error),
    /// Kafka did not say how far the group was.
    #[error("the relay cannot ask Kafka how far the group was")]
    Witness(#[source] rdkafka::error::KafkaError),
    /// Some facts were not acknowledged; those that were are marked.
    #[error("{failed} fact(s) not acknowledged by Kafka")]
    Append {
        /// How many.
        failed: usize,
        /// The first's reason.
        #[source]
        cause: AppendError,
    },
}

impl RelayError {
    /// Whether the session cannot be used any more.
    pub(super) const fn is_of_the_session(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Database(_) => true,
            Self::Witness(_) | Self::Append { .. } => false,
        }
    }
}

/// Each booking's oldest fact of the window: what may be in flight together.
fn heads(window: &[Waiting]) -> Vec<&Waiting> {
    let mut seen = BTreeSet::new();
    window
        .iter()
        .filter(|fact| seen.insert(fact.key.as_str()))
        .collect()
}

/// Publishes what waits in the slots that no other relay holds.
///
/// # Errors
/// [`RelayError`]; the slot it was in is given back.
pub(super) fn publish(
    conn: &mut PgConnection,
    settings: &RelaySettings,
    generation: i64,
    runtime: &Runtime,
    log: &Arc<impl EventLog>,
    gauge: &impl Gauge,
    stopping: &AtomicBool,
) -> Result<(), RelayError> {
    for slot in outbox::slots(conn)? {
        if !outbox::take_slot(conn, slot)? {
            continue;
        }
        let outcome = (0..WINDOWS).try_fold(true, |more, _| {
            if !more || stopping.load(Ordering::Relaxed) {
                return Ok(false);
            }
            publish_window(conn, settings, (slot, generation), runtime, log, gauge)
        });
        if outcome.as_ref().is_err_and(RelayError::is_of_the_session) {
            return outcome.map(drop);
        }
        outbox::free_slot(conn, slot)?;
        outcome?;
    }
    Ok(())
}

/// Publishes one window's heads and marks those that were acknowledged; `false`: nothing waits.
fn publish_window(
    conn: &mut PgConnection,
    settings: &RelaySettings,
    (slot, generation): (i32, i64),
    runtime: &Runtime,
    log: &Arc<impl EventLog>,
    gauge: &impl Gauge,
) -> Result<bool, RelayError> {
    let window = outbox::waiting(conn, slot, WINDOW)?;
    let heads = heads(&window);
    if heads.is_empty() {
        return Ok(false);
    }
    let appends = heads
        .iter()
        .map(|fact| log.append(record(&settings.topic, fact, generation)));
    let outcomes = runtime.block_on(join_all(appends));
    let mut acknowledged = Vec::with_capacity(heads.len());
    let mut failures = Vec::new();
    for (fact, outcome) in heads.iter().zip(outcomes) {
        match outcome {
            Ok(_ack) => acknowledged.push(fact.seq),
            Err(cause) => failures.push(cause),
        }
    }
    outbox::mark_published(conn, &acknowledged)?;
    gauge.published(acknowledged.len());
    let failed = failures.len();
    match failures.into_iter().next() {
        None => Ok(true),
        Some(cause) => Err(RelayError::Append { failed, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(seq: i64, booking: &str) -> Waiting {
        Waiting {
            seq,
            id: format!("fact_{seq}"),
            key: booking.to_owned(),
            kind: "booking.changed".to_owned(),
            payload: "{}".to_owned(),
            created_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_the_oldest_fact_of_each_booking_may_be_in_flight() {
        let window = [
            fact(1, "a"),
            fact(2, "b"),
            fact(3, "a"),
            fact(4, "c"),
            fact(5, "b"),
        ];
        let seqs: Vec<i64> = heads(&window).iter().map(|fact| fact.seq).collect();
        assert_eq!(seqs, [1, 2, 4]);
    }

    #[test]
    fn an_empty_window_has_no_heads() {
        assert!(heads(&[]).is_empty());
    }

    #[test]
    fn kafkas_trouble_does_not_cost_the_session() {
        let append = RelayError::Append {
            failed: 1,
            cause: AppendError::Overloaded,
        };
        assert!(!append.is_of_the_session());
        assert!(RelayError::Database(diesel::result::Error::NotFound).is_of_the_session());
    }
}
