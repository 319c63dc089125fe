//! The processor's counters. Labels are closed sets: never an id.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};

use crate::apply::Applied;
use crate::failure::Step;
use crate::item::Dead;
use crate::store::parked::Standing;

/// Every kind that a head may have failed by: a gauge that was set must be set back.
const REASONS: [&str; 8] = [
    "constraint",
    "fold",
    "too_many_objects",
    "panic",
    "object_state",
    "statement",
    "unclassified",
    "unreadable",
];

/// Every instrument of this service.
#[derive(Debug, Clone)]
pub struct Metrics {
    events: Counter<u64>,
    retries: Counter<u64>,
    claimed: Gauge<u64>,
    waiting: Gauge<u64>,
    facts: Counter<u64>,
    outbox_pending: Gauge<i64>,
    outbox_oldest: Gauge<i64>,
    dead_lettered: Counter<u64>,
    dead_open: Gauge<i64>,
    parked: Gauge<i64>,
    parked_oldest: Gauge<i64>,
    holes: Gauge<i64>,
    held: Gauge<u64>,
    paused: Gauge<u64>,
    stalled: Gauge<u64>,
    stalls: Counter<u64>,
}

impl Metrics {
    /// Declares the instruments at the process's meter provider.
    #[must_use]
    pub fn new() -> Self {
        let meter = opentelemetry::global::meter("bookend");
        Self {
            events: meter
                .u64_counter("bookend_events")
                .with_description(
                    "Records by what became of them: applied, no_change, ignored, parked, dead, copy; \
                     command or failed for commands.",
                )
                .build(),
            retries: meter
                .u64_counter("bookend_retries")
                .with_description("Batches that were not applied, by what was done next.")
                .build(),
            claimed: meter
                .u64_gauge("bookend_partitions_claimed")
                .with_description("Partitions this process reads.")
                .build(),
            waiting: meter
                .u64_gauge("bookend_records_waiting")
                .with_description("Records fetched but not yet applied.")
                .build(),
            facts: meter
                .u64_counter("bookend_outbox_published")
                .with_description("Facts published to booking.events, acknowledged and marked.")
                .build(),
            outbox_pending: meter
                .i64_gauge("bookend_outbox_pending")
                .with_description("Facts not yet published, counted up to 100,000.")
                .build(),
            outbox_oldest: meter
                .i64_gauge("bookend_outbox_oldest_timestamp_seconds")
                .with_description("When the oldest unpublished fact was written; 0: none waits.")
                .build(),
            dead_lettered: meter
                .u64_counter("bookend_dead_lettered")
                .with_description("Dead letters that the topic acknowledged, by stage and class.")
                .build(),
            dead_open: meter
                .i64_gauge("bookend_dead_letters_open")
                .with_description("Dead letters that nobody has looked at, counted up to 100,000.")
                .build(),
            parked: meter
                .i64_gauge("bookend_parked_bookings")
                .with_description("Bookings that events wait for, by why the first of them failed.")
                .build(),
            parked_oldest: meter
                .i64_gauge("bookend_parked_oldest_timestamp_seconds")
                .with_description("When the event that waits longest as first was parked; 0: none.")
                .build(),
            holes: meter
                .i64_gauge("bookend_log_holes")
                .with_description("Ranges of the log that were gone before they were applied, ever.")
                .build(),
            held: meter
                .u64_gauge("bookend_brake_held_partitions")
                .with_description("Partitions that the brake holds, because too much failed.")
                .build(),
            paused: meter
                .u64_gauge("bookend_consumer_paused")
                .with_description("1: an operator paused consumption.")
                .build(),
            stalled: meter
                .u64_gauge("bookend_stalled_partitions")
                .with_description(
                    "Partitions that have made no progress for STALLED_AFTER although they have records.",
                )
                .build(),
            stalls: meter
                .u64_counter("bookend_partition_stalls_total")
                .with_description("How often a partition became one of them.")
                .build(),
        }
    }

    /// A batch was applied.
    pub fn applied(&self, applied: &Applied) {
        self.settled(&applied.outcomes);
    }

    /// What became of records, or of events that waited in a queue.
    pub fn settled(&self, outcomes: &[(String, &'static str)]) {
        for (_, outcome) in outcomes {
            self.events
                .add(1, &[KeyValue::new("disposition", *outcome)]);
        }
    }

    /// The dead-letter topic acknowledged one.
    pub fn dead_lettered(&self, dead: &Dead) {
        let labels = [
            KeyValue::new("stage", dead.stage.as_str()),
            KeyValue::new("error_class", dead.class.as_str()),
        ];
        self.dead_lettered.add(1, &labels);
    }

    /// What is parked, by reason; how many dead letters are open; what the log has lost.
    pub fn standing(&self, standing: &[Standing], open: i64, holes: i64) {
        self.holes.record(holes, &[]);
        let of = |reason: &str| standing.iter().find(|row| row.reason == reason);
        for reason in REASONS {
            let queues = of(reason).map_or(0, |row| row.queues);
            self.parked
                .record(queues, &[KeyValue::new("reason", reason)]);
        }
        let other = standing
            .iter()
            .filter(|row| !REASONS.contains(&row.reason.as_str()));
        let queues = other.fold(0_i64, |sum, row| sum.saturating_add(row.queues));
        self.parked
            .record(queues, &[KeyValue::new("reason", "waiting")]);
        let oldest = standing.iter().map(|row| row.oldest).min().unwrap_or(0);
        self.parked_oldest.record(oldest, &[]);
        self.dead_open.record(open, &[]);
    }

    /// The brake, and what operators want.
    pub fn consumption(&self, held: usize, paused: bool) {
        self.held
            .record(u64::try_from(held).unwrap_or(u64::MAX), &[]);
        self.paused.record(u64::from(paused), &[]);
    }

    /// Partitions without progress: how many, and how many of them were not before.
    pub fn stalled(&self, partitions: usize, begun: usize) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.stalled.record(number(partitions), &[]);
        self.stalls.add(number(begun), &[]);
    }

    /// A batch was not applied.
    pub fn retried(&self, step: &Step) {
        let next = match step {
            Step::Retry => "retry",
            Step::StartOver => "start_over",
            Step::Split => "split",
            Step::Park { .. } => "park",
            Step::ReadProgress => "read_progress",
        };
        self.retries.add(1, &[KeyValue::new("next", next)]);
    }

    /// State of the queues.
    pub fn queues(&self, claimed: usize, waiting: usize) {
        self.claimed
            .record(u64::try_from(claimed).unwrap_or(u64::MAX), &[]);
        self.waiting
            .record(u64::try_from(waiting).unwrap_or(u64::MAX), &[]);
    }
}

impl crate::relay::Gauge for Metrics {
    fn backlog(&self, facts: i64, oldest: i64) {
        self.outbox_pending.record(facts, &[]);
        self.outbox_oldest.record(oldest, &[]);
    }

    fn published(&self, facts: usize) {
        self.facts
            .add(u64::try_from(facts).unwrap_or(u64::MAX), &[]);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
