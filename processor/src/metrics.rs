//! The processor's counters. Labels are closed sets: never an id.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};

use crate::apply::Applied;
use crate::failure::Step;

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
                    "Records by what became of them: applied, no_change, ignored, dead, copy.",
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
        }
    }

    /// A batch was applied.
    pub fn applied(&self, applied: &Applied) {
        for (_, outcome) in &applied.outcomes {
            self.events
                .add(1, &[KeyValue::new("disposition", *outcome)]);
        }
    }

    /// A batch was not applied.
    pub fn retried(&self, step: &Step) {
        let next = match step {
            Step::Retry => "retry",
            Step::StartOver => "start_over",
            Step::Split => "split",
            Step::DeadLetter { .. } => "dead_letter",
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
