//! Every instrument of the reconciler.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};

use crate::store::sweeps::Kind;
use crate::sweep::pending::Looked;
use crate::sweep::refetch::Refetched;
use crate::sweep::window::Report;

/// The instruments; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    sweeps: Counter<u64>,
    listed: Counter<u64>,
    missing: Counter<u64>,
    repaired: Counter<u64>,
    waiting: Counter<u64>,
    refetches: Counter<u64>,
    errors: Counter<u64>,
    barrier_lag: Gauge<i64>,
    cursor_lag: Gauge<i64>,
    leading: Gauge<i64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let meter = opentelemetry::global::meter("reconciler");
        Self {
            sweeps: meter
                .u64_counter("reconciler_sweeps")
                .with_description("Windows swept, by kind and outcome.")
                .build(),
            listed: meter
                .u64_counter("reconciler_listed_events")
                .with_description("Events that Stripe listed; overlapping windows count again.")
                .build(),
            missing: meter
                .u64_counter("reconciler_missing_events")
                .with_description("Listed events that the ledger lacked after the barrier.")
                .build(),
            repaired: meter
                .u64_counter("reconciler_repaired_events")
                .with_description("Missing events published and acknowledged.")
                .build(),
            waiting: meter
                .u64_counter("reconciler_waiting_objects")
                .with_description("Objects of waiting bookings, by what was done.")
                .build(),
            refetches: meter
                .u64_counter("reconciler_refetches")
                .with_description("Refetches carried out, by outcome.")
                .build(),
            errors: meter
                .u64_counter("reconciler_errors")
                .with_description("Passes that broke off, by pass.")
                .build(),
            barrier_lag: meter
                .i64_gauge("reconciler_barrier_lag_records")
                .with_description("Records that the processor had not applied when patience ended.")
                .build(),
            cursor_lag: meter
                .i64_gauge("reconciler_cursor_lag_seconds")
                .with_description("How far the tail's cursor is behind Stripe's clock.")
                .build(),
            leading: meter
                .i64_gauge("reconciler_leading")
                .with_description("1: this instance sweeps; 0: it stands by.")
                .build(),
        }
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Metrics {
    /// One window is over.
    pub fn swept(&self, kind: Kind, report: &Report) {
        let labels = [
            KeyValue::new("kind", kind.as_str()),
            KeyValue::new("outcome", report.outcome.as_str()),
        ];
        self.sweeps.add(1, &labels);
        self.listed.add(count(report.counts.listed), &[]);
        self.missing.add(count(report.counts.missing), &[]);
        self.repaired.add(count(report.counts.repaired), &[]);
        self.barrier_lag
            .record(report.lag.map_or(0, |lag| lag.records), &[]);
    }

    /// One look at waiting bookings is over.
    pub fn looked(&self, looked: Looked) {
        for (what, number) in [
            ("retrieved", looked.retrieved),
            ("differing", looked.differing),
            ("events", looked.events),
            ("observations", looked.observations),
        ] {
            self.waiting
                .add(count(number), &[KeyValue::new("done", what)]);
        }
    }

    /// One pass over the refetches is over.
    pub fn refetched(&self, figures: Refetched) {
        for (outcome, number) in [
            ("done", figures.done),
            ("later", figures.later),
            ("failed", figures.failed),
        ] {
            self.refetches
                .add(count(number), &[KeyValue::new("outcome", outcome)]);
        }
    }

    /// A pass broke off.
    pub fn broke_off(&self, pass: &'static str) {
        self.errors.add(1, &[KeyValue::new("pass", pass)]);
    }

    /// Where the tail's cursor stands, in seconds behind Stripe's clock.
    pub fn cursor(&self, behind_s: i64) {
        self.cursor_lag.record(behind_s, &[]);
    }

    /// Whether this instance holds the lock.
    pub fn leading(&self, leading: bool) {
        self.leading.record(i64::from(leading), &[]);
    }
}
