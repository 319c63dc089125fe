//! Drains what is parked: looks for queues whose head is due, tries the head, and goes on in
//! order until the queue is empty or its head fails again.
//!
//! Invariant: the order of a queue is never changed; a head is given up on only after the
//! configured attempts by a named rule, and its dead letter is acknowledged before it is marked;
//! its booking stays held until somebody decides.
//!
//! Each processor runs one such thread. Two may try the same head: locks let one win, and an
//! attempt is counted once.

mod letter;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::pg::PgConnection;
use shared::clock::Clock;
use shared::db::Limits;
use shared::error::{Class, chain};

use crate::apply::Rules;
use crate::apply::drain::{Drained, drain, give_up};
use crate::apply::upgrade::upgrading;
use crate::brake::Brake;
use crate::consumer::Queues;
use crate::dead_letters::DeadLetters;
use crate::decode::Scope;
use crate::failure::{Failure, HeadPolicy, HeadStep, head_step};
use crate::item::{Item, Reason};
use crate::metrics::Metrics;
use crate::store;
use crate::store::parked::{Due, Waiting};

pub use letter::dead_letter;

/// Queues looked at in one round.
const QUEUES: i64 = 50;
/// Events applied in one transaction.
const EVENTS: i64 = 100;
/// Pause between rounds in which nothing was due, or the database was away.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a server that ended a connection may take to come back before that is an outage.
const RECOVERY: Duration = Duration::from_secs(30);
/// How often the gauges are set.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Everything the draining thread needs.
pub struct Drainer {
    /// Where the queues are.
    pub database_url: String,
    /// Limits of its connection.
    pub limits: Limits,
    /// What is ours to fold.
    pub scope: Scope,
    /// Rules that are settings.
    pub rules: Rules,
    /// The dead-letter topic.
    pub dead_letters: Arc<DeadLetters>,
    /// When a head is tried again, and when no more.
    pub policy: HeadPolicy,
    /// Told how many bookings are parked.
    pub brake: Arc<Brake>,
    /// Tells whether an operator paused consumption: then nothing is drained either.
    pub queues: Arc<Queues>,
    /// Wall clock.
    pub clock: Arc<dyn Clock + Send + Sync>,
    /// Counters.
    pub metrics: Metrics,
}

impl Drainer {
    /// Runs until `stopping`. Blocks its thread.
    pub fn run(&self, stopping: &AtomicBool) {
        let mut slot: Option<PgConnection> = None;
        let mut told: Option<Instant> = None;
        while !stopping.load(Ordering::Relaxed) {
            let drained = if self.queues.is_paused() {
                0
            } else {
                self.round(&mut slot, stopping)
            };
            if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                told = Some(Instant::now());
                self.tell(&mut slot);
            }
            if drained == 0 {
                std::thread::park_timeout(LOOK_EVERY);
            }
        }
    }

    /// Looks once; how many events left their queues.
    fn round(&self, slot: &mut Option<PgConnection>, stopping: &AtomicBool) -> usize {
        let due = match self
            .connect(slot)
            .map(|conn| store::parked::due(conn, QUEUES))
        {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => return self.lost(slot, &error),
            Err(error) => return self.lost(slot, &error),
        };
        let mut drained = 0_usize;
        for queue in due {
            while !stopping.load(Ordering::Relaxed) && !self.queues.is_paused() {
                match self.drain_some(slot, &queue) {
                    0 => break,
                    events => drained = drained.saturating_add(events),
                }
            }
        }
        drained
    }

    fn lost(&self, slot: &mut Option<PgConnection>, error: &dyn std::error::Error) -> usize {
        tracing::warn!(error = chain(error), "queues not looked at; trying again");
        *slot = None;
        0
    }

    fn connect<'a>(
        &self,
        slot: &'a mut Option<PgConnection>,
    ) -> Result<&'a mut PgConnection, shared::db::ConnectError> {
        match slot {
            Some(connection) => Ok(connection),
            None => Ok(slot.insert(shared::db::connect(
                &self.database_url,
                "bookend-processor-drain",
                self.limits,
            )?)),
        }
    }

    /// Applies some of a queue's events; 0: its head is not to be tried now.
    fn drain_some(&self, slot: &mut Option<PgConnection>, queue: &Due) -> usize {
        let Ok(connection) = self.connect(slot) else {
            return 0;
        };
        let waiting = match store::parked::first(connection, &queue.booking_id, EVENTS) {
            Ok(waiting) => waiting,
            Err(error) => return self.lost(slot, &error),
        };
        if waiting.first().is_none_or(|head| !head.is_due) {
            return 0;
        }
        // One behind the head that failed before keeps its own pause.
        let items: Vec<Item> = waiting
            .iter()
            .take_while(|waiting| waiting.is_due)
            .map(|waiting| letter::item(waiting, &self.scope))
            .take_while(|item| matches!(item, Item::Readable(_)))
            .collect();
        match self.attempt(slot, &queue.booking_id, &items) {
            Ok(drained) => self.drained(slot, queue, &drained),
            // Some of those behind the head may be what fails: the head alone decides.
            Err(_) if items.len() > 1 => {
                let head = items.get(..1).unwrap_or_default();
                match self.attempt(slot, &queue.booking_id, head) {
                    Ok(drained) => self.drained(slot, queue, &drained),
                    Err(failure) => self.failed(slot, queue, waiting.first(), &failure),
                }
            }
            Err(failure) => self.failed(slot, queue, waiting.first(), &failure),
        }
    }

    fn attempt(
        &self,
        slot: &mut Option<PgConnection>,
        name: &str,
        items: &[Item],
    ) -> Result<Drained, Failure> {
        if items.is_empty() {
            return Err(Failure::Unreadable);
        }
        let connection = self.connect(slot).map_err(Failure::Unreachable)?;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            upgrading(connection, self.rules, |conn| {
                drain(conn, name, items, self.rules)
            })
        }));
        let failure = match outcome {
            Ok(Ok(drained)) => return Ok(drained),
            Ok(Err(error)) => Failure::Refused(error),
            Err(_panic) => Failure::Panicked,
        };
        // In an unknown state, or ended: dropped, so that nobody else is blamed for it.
        if failure.may_be_the_databases() || matches!(failure, Failure::Panicked) {
            *slot = None;
        }
        Err(failure)
    }

    fn drained(&self, slot: &mut Option<PgConnection>, queue: &Due, drained: &Drained) -> usize {
        let ids: Vec<&str> = drained.settled.iter().map(|(id, _)| id.as_str()).collect();
        if let Some(connection) = slot.as_mut()
            && let Err(error) = store::events::stamp_these(connection, &ids)
        {
            tracing::debug!(%error, "applied_at not stamped");
        }
        self.metrics.settled(&drained.settled);
        tracing::info!(
            "booking.id" = queue.booking_id,
            events = ids.len(),
            lifted = drained.lifted,
            "parked events applied"
        );
        ids.len()
    }

    /// The head failed alone.
    fn failed(
        &self,
        slot: &mut Option<PgConnection>,
        queue: &Due,
        head: Option<&Waiting>,
        failure: &Failure,
    ) -> usize {
        let Some(head) = head.filter(|head| head.gave_up_at.is_none()) else {
            return 0;
        };
        let works = match failure {
            Failure::Unreachable(_) => false,
            Failure::Refused(_) | Failure::Panicked | Failure::Unreadable => {
                !failure.may_be_the_databases() || self.database_works(slot, head)
            }
        };
        let earlier = letter::class(head.error_class.as_deref());
        let before = (earlier, u32::try_from(head.attempts).unwrap_or(0));
        let step = head_step(failure, before, works, &self.policy, jitter(&head.event_id));
        tracing::warn!(
            "booking.id" = queue.booking_id,
            "event.id" = head.event_id,
            ?step,
            error = failure.describe(),
            "parked event not applied"
        );
        match step {
            HeadStep::TryAgain => {}
            HeadStep::Later {
                class,
                kind,
                attempts,
                after,
            } => {
                let reason = self.reason(class, kind, failure);
                self.postpone(slot, head, &reason, (attempts, after));
            }
            HeadStep::GiveUp { kind, attempts } => {
                let reason = self.reason(Class::Business, kind, failure);
                self.bury(slot, (queue, head), &reason, attempts);
            }
        }
        0
    }

    /// Whether the database takes a write on a fresh connection. It is asked for a while: a server that
    /// a record made restart would be made to restart again by the next attempt, without a pause.
    fn database_works(&self, slot: &mut Option<PgConnection>, head: &Waiting) -> bool {
        let until = Instant::now() + RECOVERY;
        loop {
            *slot = None;
            let answer = self
                .connect(slot)
                .map(|fresh| store::progress::probe(fresh, &head.topic, head.partition));
            if matches!(answer, Ok(Ok(()))) {
                return true;
            }
            if Instant::now() >= until || self.queues.is_stopping() {
                *slot = None;
                return false;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    fn reason(&self, class: Class, kind: &'static str, failure: &Failure) -> Reason {
        Reason {
            class,
            kind,
            error: failure.describe(),
            at: self.clock.now(),
        }
    }

    fn postpone(
        &self,
        slot: &mut Option<PgConnection>,
        head: &Waiting,
        reason: &Reason,
        (attempts, after): (u32, Duration),
    ) {
        let Ok(connection) = self.connect(slot) else {
            return;
        };
        let written = store::parked::failed(
            connection,
            &head.event_id,
            head.attempts,
            reason,
            attempts,
            after,
        );
        if let Err(error) = written {
            self.lost(slot, &error);
        }
    }

    /// Acknowledged by the topic first; tried again with the next round if that fails.
    fn bury(
        &self,
        slot: &mut Option<PgConnection>,
        (queue, head): (&Due, &Waiting),
        reason: &Reason,
        attempts: u32,
    ) {
        let dead = dead_letter(head, &queue.booking_id, reason, attempts);
        if let Err(error) = self.dead_letters.publish(&dead, reason.at) {
            tracing::warn!(
                "event.id" = head.event_id,
                error = chain(&error),
                "dead letter not acknowledged yet; its booking waits"
            );
            return;
        }
        let Ok(connection) = self.connect(slot) else {
            return;
        };
        match give_up(connection, &dead, head.attempts, reason.at) {
            Ok(_) => self.metrics.dead_lettered(&dead),
            Err(error) => drop(self.lost(slot, &error)),
        }
    }

    fn tell(&self, slot: &mut Option<PgConnection>) {
        let Ok(connection) = self.connect(slot) else {
            return;
        };
        let standing = store::parked::standing(connection).and_then(|standing| {
            let open = store::dead_letters::open(connection)?;
            Ok((standing, open, store::progress::holes(connection)?))
        });
        match standing {
            Ok((standing, open, holes)) => {
                let queues = standing.iter().map(|row| row.queues).sum::<i64>();
                self.brake
                    .count_parked(usize::try_from(queues).unwrap_or(0));
                self.metrics.standing(&standing, open, holes);
            }
            Err(error) => drop(self.lost(slot, &error)),
        }
    }
}

/// Spread without a random source: heads that failed together do not come back together.
fn jitter(event: &str) -> f64 {
    let sum: u32 = event.bytes().map(u32::from).sum();
    f64::from(sum % 100) / 100.0
}
