//! Every instrument of the reconciler.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};
use shared::folding::money::KINDS;

use shared::clock::{Clock, SystemClock};

use crate::evidence::Gap;
use crate::retention::Job;
use crate::sender;
use crate::store::certificates::CompleteUpTo;
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
    sampled: Counter<u64>,
    errors: Counter<u64>,
    barrier_lag: Gauge<i64>,
    cursor_lag: Gauge<i64>,
    leading: Gauge<i64>,
    lag: Gauge<i64>,
    complete_up_to: Gauge<i64>,
    last_done: Gauge<i64>,
    open_plans: Gauge<i64>,
    open_findings: Gauge<i64>,
    alarms: Gauge<i64>,
    calls: Gauge<i64>,
    allowance: Gauge<i64>,
    removed: Counter<u64>,
}

/// What is kept in Postgres and alerts watch.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Over all accounts.
    pub complete_up_to: Option<CompleteUpTo>,
    pub open_plans: i64,
    pub open_findings: Vec<(String, i64)>,
    /// The kinds of the sender's alarms that stand.
    pub alarms: Vec<String>,
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
            sampled: meter
                .u64_counter("reconciler_sampled")
                .with_description("Objects (sample) or bookings (ledger) that a sample compared, and those that differed.")
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
            lag: gauge(
                &meter,
                "reconciler_sweep_lag_seconds",
                "How far in the past windows end, by how late events appear.",
            ),
            complete_up_to: gauge(
                &meter,
                "reconciler_complete_up_to_timestamp_seconds",
                "Nothing is missing before this second, in any account; 0: of one account nothing is proven. The log and `bookend doctor` name the account that holds it back.",
            ),
            last_done: gauge(
                &meter,
                "reconciler_last_done_timestamp_seconds",
                "When a window of this kind of sweep was last done.",
            ),
            open_plans: gauge(
                &meter,
                "reconciler_open_plans",
                "Repairs that wait for a person.",
            ),
            open_findings: gauge(
                &meter,
                "reconciler_open_findings",
                "Open findings of sweeps and of folding, by kind, each counted up to 10,000.",
            ),
            alarms: gauge(
                &meter,
                "reconciler_sender_alarms",
                "1: this alarm about the sender stands.",
            ),
            calls: gauge(
                &meter,
                "reconciler_stripe_calls_30d",
                "Calls to Stripe in 30 days, all processes.",
            ),
            allowance: gauge(
                &meter,
                "reconciler_stripe_calls_allowed_30d",
                "Reads that Stripe allows for the transactions of 30 days.",
            ),
            removed: meter
                .u64_counter("bookend_retention_removed_total")
                .with_description("Rows or payloads that outlived their life and are gone, by job.")
                .build(),
        }
    }
}

/// Every kind of finding that a metric shows.
pub fn finding_kinds() -> Vec<&'static str> {
    let gaps = Gap::ALL.iter().map(|gap| gap.as_str());
    gaps.chain(KINDS.iter().copied()).collect()
}

fn gauge(meter: &Meter, name: &'static str, description: &'static str) -> Gauge<i64> {
    meter.i64_gauge(name).with_description(description).build()
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
        if report.is_done() {
            let kind = [KeyValue::new("kind", kind.as_str())];
            self.last_done.record(SystemClock.now().timestamp(), &kind);
        }
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

    /// One sample is over.
    pub fn sampled(&self, kind: Kind, compared: usize, differing: usize) {
        for (done, number) in [("compared", compared), ("differing", differing)] {
            let labels = [
                KeyValue::new("kind", kind.as_str()),
                KeyValue::new("done", done),
            ];
            self.sampled.add(count(number), &labels);
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

    /// How far in the past windows end.
    pub fn lag(&self, seconds: i64) {
        self.lag.record(seconds, &[]);
    }

    /// What is kept in Postgres. Kinds that are not there are 0.
    pub fn figures(&self, figures: &Figures) {
        let complete = figures.complete_up_to.as_ref().and_then(|all| all.at);
        self.complete_up_to.record(complete.unwrap_or(0), &[]);
        self.open_plans.record(figures.open_plans, &[]);
        for kind in finding_kinds() {
            let open = figures.open_findings.iter().find(|(of, _)| of == kind);
            let label = [KeyValue::new("kind", kind)];
            self.open_findings
                .record(open.map_or(0, |(_, n)| *n), &label);
        }
        for kind in sender::Kind::ALL {
            let stands = figures.alarms.iter().any(|alarm| alarm == kind.as_str());
            let label = [KeyValue::new("alarm", kind.as_str())];
            self.alarms.record(i64::from(stands), &label);
        }
    }

    /// Calls of 30 days, and how many Stripe allows.
    pub fn calls(&self, calls: i64, allowed: i64) {
        self.calls.record(calls, &[]);
        self.allowance.record(allowed, &[]);
    }

    /// A step of a retention job is over.
    pub fn removed(&self, job: Job, removed: i64) {
        let removed = u64::try_from(removed).unwrap_or(0);
        self.removed
            .add(removed, &[KeyValue::new("job", job.name())]);
    }

    /// Whether this instance holds the lock.
    pub fn leading(&self, leading: bool) {
        self.leading.record(i64::from(leading), &[]);
    }
}
