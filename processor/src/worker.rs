//! A worker: takes a batch, applies it, and does what `failure` says until it is done.
//!
//! Invariant: a batch leaves this file applied, taken over by somebody else, or (at the end of
//! the process) untouched. Dead letters in it are acknowledged before it is applied.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use diesel::pg::PgConnection;
use shared::backoff;
use shared::clock::Clock;
use shared::db::Limits;
use shared::error::chain;

use crate::apply::{Applied, Place, Rules, apply_batch};
use crate::consumer::{Batch, Lost, Queues};
use crate::dead_letters::DeadLetters;
use crate::decode::{Scope, decode, give_up};
use crate::failure::{Failure, Step, next_step};
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
    /// Pause between attempts.
    pub backoff: backoff::Policy,
    /// Wall clock.
    pub clock: Arc<dyn Clock + Send + Sync>,
    /// Counters.
    pub metrics: Metrics,
}

/// How far back `applied_at` is stamped beyond the batch.
const STAMP_BACK: i64 = 1_000;

enum Fate {
    Applied(Applied),
    Gone(Lost),
    Stopped,
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
        } = batch;
        let mut next = next_offset;
        let items: Vec<Item> = records
            .into_iter()
            .map(|record| decode(record, &self.scope))
            .collect();
        let mut sets = VecDeque::from([items]);
        while let Some(items) = sets.pop_front() {
            let place = Place {
                topic: &self.topic,
                partition,
                epoch,
                next_offset: next,
            };
            match self.settle(connection, place, items, &mut sets) {
                Fate::Applied(applied) => {
                    self.applied(connection, place, &applied);
                    next = applied.next_offset;
                }
                Fate::Gone(lost) => {
                    tracing::warn!("kafka.partition" = partition, epoch, ?lost, "progress lost");
                    self.queues.lost(partition, epoch, lost);
                    return true;
                }
                Fate::Stopped => return false,
            }
        }
        self.queues.applied(partition, epoch, next);
        true
    }

    /// One set of neighbours, until it is applied, split or lost. Halves go to the front of
    /// `sets`, so that offsets stay in order.
    fn settle(
        &self,
        connection: &mut Option<PgConnection>,
        place: Place<'_>,
        mut items: Vec<Item>,
        sets: &mut VecDeque<Vec<Item>>,
    ) -> Fate {
        let mut attempt = 0_u32;
        loop {
            if !self.queues.owns(place.partition, place.epoch) {
                return Fate::Stopped;
            }
            if !self.bury(place, &mut items) {
                return Fate::Stopped;
            }
            attempt = attempt.saturating_add(1);
            let failure = match self.attempt(connection, place, &items) {
                Ok(applied) => return Fate::Applied(applied),
                Err(failure) => failure,
            };
            let works = self.database_works(connection, place);
            let step = next_step(&failure, attempt, items.len(), works);
            self.report(&failure, attempt, items.len(), place, &step);
            match step {
                Step::StartOver => {}
                Step::Retry => self.pause(place, attempt),
                Step::ReadProgress => return self.read_progress(connection, place),
                Step::Split => {
                    let tail = items.split_off(items.len() / 2);
                    sets.push_front(tail);
                    sets.push_front(items);
                    return Fate::Applied(Applied {
                        next_offset: place.next_offset,
                        outcomes: Vec::new(),
                    });
                }
                Step::DeadLetter { class, kind } => {
                    let error = describe(&failure);
                    items = items
                        .into_iter()
                        .map(|item| match item {
                            Item::Readable(item) => {
                                give_up(*item, class, kind, error.clone(), attempt)
                            }
                            Item::Dead(dead) => Item::Dead(dead),
                        })
                        .collect();
                }
            }
        }
    }

    /// One attempt. A panic while folding leaves the connection in an unknown state: it is
    /// dropped, which ends its transaction.
    fn attempt(
        &self,
        slot: &mut Option<PgConnection>,
        place: Place<'_>,
        items: &[Item],
    ) -> Result<Applied, Failure> {
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => shared::db::connect(&self.database_url, "bookend-processor", self.limits)
                .map_err(Failure::Unreachable)?,
        };
        let items: Vec<&Item> = items.iter().collect();
        let now = self.clock.now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            apply_batch(&mut connection, place, &items, self.rules, now)
        }));
        match outcome {
            Err(_panic) => Err(Failure::Panicked),
            Ok(Ok(applied)) => {
                *slot = Some(connection);
                Ok(applied)
            }
            Ok(Err(error)) => {
                // Kept only if it still answers (see `database_works`).
                *slot = Some(connection);
                Err(Failure::Refused(error))
            }
        }
    }

    /// Whether the database takes a write of another kind: tells a record that cannot be
    /// applied from a database that applies nothing.
    fn database_works(&self, slot: &mut Option<PgConnection>, place: Place<'_>) -> bool {
        let Some(mut connection) = slot.take() else {
            return false;
        };
        match store::progress::probe(&mut connection, place.topic, place.partition) {
            Ok(()) => {
                *slot = Some(connection);
                true
            }
            Err(_) => false,
        }
    }

    fn read_progress(&self, slot: &mut Option<PgConnection>, place: Place<'_>) -> Fate {
        let Some(connection) = slot.as_mut() else {
            return Fate::Gone(Lost::Moved(place.next_offset));
        };
        match store::progress::read(connection, place.topic, place.partition) {
            Ok(Some((next, epoch))) if epoch == place.epoch => Fate::Gone(Lost::Moved(next)),
            Ok(Some(_) | None) => Fate::Gone(Lost::Evicted),
            // Unknown: ask for the same offset again; the next compare-and-set will tell.
            Err(_) => Fate::Gone(Lost::Moved(place.next_offset)),
        }
    }

    /// Publishes the set's dead letters and waits for their acknowledgement, for as long as
    /// the partition is ours.
    fn bury(&self, place: Place<'_>, items: &mut [Item]) -> bool {
        for item in items {
            let Item::Dead(dead) = item else { continue };
            if dead.buried {
                continue;
            }
            let mut attempt = 0_u32;
            while let Err(error) = self.dead_letters.publish(dead, self.clock.now()) {
                attempt = attempt.saturating_add(1);
                tracing::warn!(
                    "kafka.partition" = place.partition,
                    "kafka.offset" = dead.record.offset,
                    attempt,
                    error = chain(&error),
                    "dead letter not acknowledged yet; the partition waits"
                );
                self.pause(place, attempt);
                if !self.queues.owns(place.partition, place.epoch) {
                    return false;
                }
            }
            dead.buried = true;
        }
        true
    }

    fn applied(&self, connection: &mut Option<PgConnection>, place: Place<'_>, applied: &Applied) {
        if applied.outcomes.is_empty() {
            return;
        }
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

    fn report(&self, failure: &Failure, attempt: u32, size: usize, place: Place<'_>, step: &Step) {
        self.metrics.retried(step);
        tracing::warn!(
            "kafka.partition" = place.partition,
            "kafka.offset" = place.next_offset,
            attempt,
            size,
            ?step,
            error = describe(failure),
            "batch not applied"
        );
    }
}

fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Refused(error) => chain(error),
        Failure::Unreachable(error) => chain(error),
        Failure::Panicked => "folding panicked".to_owned(),
    }
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
