//! A worker: takes a batch, applies it, and does what `failure` says until it is done.
//!
//! Invariant: a batch leaves this folder applied, taken over by somebody else, held by the brake
//! at a record that nothing was done with, or (at the end of the process) untouched. Dead letters
//! in it are acknowledged before it is applied.

mod attempt;
mod settle;
mod skip;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use diesel::pg::PgConnection;
use shared::backoff;
use shared::clock::Clock;
use shared::db::Limits;
use shared::error::chain;

use crate::apply::{Applied, Place, Rules};
use crate::brake::Brake;
use crate::consumer::{Batch, Lost, Probe, Queues};
use crate::dead_letters::DeadLetters;
use crate::decode::{Scope, decode};
use crate::item::Item;
use crate::metrics::Metrics;
use crate::store;

/// Everything a worker needs.
pub struct Worker {
    /// Where batches come from.
    pub queues: Arc<Queues>,
    /// Topic that is read.
    pub topic: String,
    /// Where they go.
    pub database_url: String,
    /// Limits of its connection.
    pub limits: Limits,
    /// What is ours to fold.
    pub scope: Scope,
    /// Rules that are settings.
    pub rules: Rules,
    /// The dead-letter topic.
    pub dead_letters: Arc<DeadLetters>,
    /// Stops it when too much fails; shared by the process's workers.
    pub brake: Arc<Brake>,
    /// Pause between attempts.
    pub backoff: backoff::Policy,
    /// How long what is parked waits for its first try.
    pub park_for: Duration,
    /// Wall clock.
    pub clock: Arc<dyn Clock + Send + Sync>,
    /// Counters.
    pub metrics: Metrics,
}

/// How far back `applied_at` is stamped beyond the batch.
const STAMP_BACK: i64 = 1_000;

/// Neighbours that share a transaction.
struct Neighbours {
    items: Vec<Item>,
    /// They are a part of a set that kept failing.
    suspected: bool,
}

impl Neighbours {
    fn of(items: Vec<Item>) -> Self {
        Self {
            items,
            suspected: false,
        }
    }
}

/// What became of one set of neighbours.
enum Fate {
    Applied(Applied),
    Gone(Lost),
    Stopped,
    /// The brake: its first record stays where it is.
    Held(String),
}

impl Worker {
    /// Works until the queues are stopped. Blocks its thread.
    pub fn run(&self) {
        let mut connection = None;
        while let Some(batch) = self.queues.take() {
            let (partition, epoch) = (batch.partition, batch.epoch);
            if !self.work(&mut connection, batch) {
                // Stopped in the middle: nothing was claimed as done.
                self.queues.lost(partition, epoch, Lost::Evicted);
            }
        }
    }

    /// Applies one batch; `false`: stopped before it was done.
    fn work(&self, connection: &mut Option<PgConnection>, batch: Batch) -> bool {
        let Batch {
            partition,
            epoch,
            next_offset,
            records,
            probe,
        } = batch;
        let mut next = next_offset;
        let decoded = records
            .into_iter()
            .map(|record| decode(record, &self.scope));
        let mut sets = in_sets(decoded);
        while let Some(set) = sets.pop_front() {
            let place = Place {
                topic: &self.topic,
                partition,
                epoch,
                next_offset: next,
            };
            match self.settle(connection, place, set, &mut sets, probe) {
                Fate::Applied(applied) => {
                    self.applied(connection, place, &applied);
                    if applied.next_offset > next {
                        next = applied.next_offset;
                        self.queues.progressed(partition, epoch, next);
                    }
                }
                Fate::Gone(lost) => {
                    tracing::warn!("kafka.partition" = partition, epoch, ?lost, "progress lost");
                    self.queues.lost(partition, epoch, lost);
                    return true;
                }
                Fate::Held(reason) => {
                    self.hold(connection, place, &reason, probe);
                    return true;
                }
                Fate::Stopped => return false,
            }
        }
        self.queues.applied(partition, epoch, next);
        if probe.is_probe() {
            tracing::warn!(
                "kafka.partition" = partition,
                "the head could be applied: the brake lets this partition go"
            );
            self.mark(connection, (partition, epoch), None);
        }
        true
    }

    /// The brake: nothing more of this partition until its head can be applied, or a person says so.
    fn hold(
        &self,
        connection: &mut Option<PgConnection>,
        place: Place<'_>,
        reason: &str,
        probe: Probe,
    ) {
        if probe.is_probe() {
            tracing::debug!(
                "kafka.partition" = place.partition,
                "kafka.offset" = place.next_offset,
                reason,
                "the head still fails"
            );
        } else {
            tracing::error!(
                "kafka.partition" = place.partition,
                "kafka.offset" = place.next_offset,
                reason,
                "the brake holds this partition: its head is tried again now and then, and \
                 `bookend consumer resume` lets it go"
            );
            self.mark(connection, (place.partition, place.epoch), Some(reason));
        }
        let held = Lost::Held {
            next_offset: place.next_offset,
            probe: probe.is_probe(),
        };
        self.queues.lost(place.partition, place.epoch, held);
    }

    /// For people, and for whoever owns the partition next.
    fn mark(
        &self,
        connection: &mut Option<PgConnection>,
        (partition, epoch): (i32, i64),
        reason: Option<&str>,
    ) {
        let Some(conn) = connection.as_mut() else {
            return;
        };
        let place = (self.topic.as_str(), partition);
        if let Err(error) = store::control::hold(conn, place, epoch, reason) {
            tracing::warn!(
                error = chain(&error),
                "the brake's mark could not be written"
            );
        }
    }

    fn applied(&self, connection: &mut Option<PgConnection>, place: Place<'_>, applied: &Applied) {
        if applied.outcomes.is_empty() {
            return;
        }
        let fine = |(_, outcome): &&(String, &'static str)| !matches!(*outcome, "dead" | "parked");
        let fine = applied.outcomes.iter().filter(fine).count();
        self.brake.succeed(place.partition, fine);
        self.metrics.applied(applied);
        for (id, outcome) in &applied.outcomes {
            tracing::debug!(
                "event.id" = id,
                outcome,
                "kafka.partition" = place.partition,
                "record applied"
            );
        }
        let Some(connection) = connection.as_mut() else {
            return;
        };
        let from = place.next_offset.saturating_sub(STAMP_BACK);
        if let Err(error) = store::events::stamp(
            connection,
            (place.topic, place.partition),
            from,
            applied.next_offset,
        ) {
            tracing::debug!(%error, "applied_at not stamped; the next batch does it");
        }
    }

    /// Waits, in small steps, so that a revocation or the end is seen.
    fn pause(&self, place: Place<'_>, attempt: u32) {
        let delay = backoff::delay(attempt, &self.backoff, jitter(place, attempt));
        let until = std::time::Instant::now() + delay;
        while std::time::Instant::now() < until && self.queues.owns(place.partition, place.epoch) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// Those that may share a transaction; a command stands alone.
fn in_sets(items: impl IntoIterator<Item = Item>) -> VecDeque<Neighbours> {
    let mut sets: VecDeque<Neighbours> = VecDeque::new();
    let mut open = false;
    for item in items {
        let alone = item.is_alone();
        match sets.back_mut() {
            Some(set) if open && !alone => set.items.push(item),
            Some(_) | None => sets.push_back(Neighbours::of(vec![item])),
        }
        open = !alone;
    }
    sets
}

/// Spread without a random source: partitions that failed together do not come back together.
fn jitter(place: Place<'_>, attempt: u32) -> f64 {
    let mixed = place
        .partition
        .unsigned_abs()
        .wrapping_mul(37)
        .wrapping_add(attempt.wrapping_mul(61));
    f64::from(mixed % 100) / 100.0
}
