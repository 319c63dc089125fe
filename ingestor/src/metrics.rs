//! The ingestor's counters. Labels are closed sets: never an id, a type or an address. The names of
//! the secrets come from the configuration.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, UpDownCounter};

use crate::admission::Admission;
use crate::budget::Budget;
use crate::outcome::Outcome;
use crate::secrets::CurrentSecrets;
use crate::tally::Tally;

/// Every instrument of this service.
#[derive(Debug, Clone)]
pub struct Metrics {
    received: Counter<u64>,
    ack: Histogram<f64>,
    connections: UpDownCounter<i64>,
    reload_failures: Counter<u64>,
    in_flight: Gauge<i64>,
    linger: Gauge<f64>,
    tally: Arc<Tally>,
}

impl Metrics {
    /// Declares the instruments at the process's meter provider.
    #[must_use]
    pub fn new() -> Self {
        let meter = opentelemetry::global::meter("bookend");
        Self {
            received: meter
                .u64_counter("bookend_webhook_received")
                .with_description("Requests by how they ended.")
                .build(),
            ack: meter
                .f64_histogram("bookend_webhook_ack_duration")
                .with_unit("s")
                .with_description("From the request's head to the answer.")
                .with_boundaries(vec![
                    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
                ])
                .build(),
            connections: meter
                .i64_up_down_counter("bookend_webhook_connections_open")
                .with_description("Open connections of the public listener.")
                .build(),
            reload_failures: meter
                .u64_counter("bookend_secret_reload_failures")
                .with_description(
                    "Times the signing secrets could not be read again; the old ones stay.",
                )
                .build(),
            in_flight: meter
                .i64_gauge("bookend_producer_records_in_flight")
                .with_description("Records handed to the producer and not yet reported on.")
                .build(),
            linger: meter
                .f64_gauge("bookend_producer_linger")
                .with_unit("s")
                .with_description("How long a record waits for company before it is sent, at most.")
                .build(),
            tally: Arc::new(Tally::default()),
        }
    }

    /// The same counts, for those who tell them.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// A request was answered.
    pub fn answered(&self, outcome: &Outcome, after: Duration) {
        self.tally.count(outcome.label());
        let labels = [KeyValue::new("outcome", outcome.label())];
        self.received.add(1, &labels);
        self.ack.record(after.as_secs_f64(), &labels);
    }

    /// A connection was opened (1) or closed (−1).
    pub fn connection(&self, change: i64) {
        self.connections.add(change, &[]);
    }

    /// The secrets could not be read again.
    pub fn reload_failed(&self) {
        self.reload_failures.add(1, &[]);
    }

    /// State of the producer.
    pub fn producing(&self, in_flight: i32, linger: Duration) {
        self.linger.record(linger.as_secs_f64(), &[]);
        self.in_flight.record(i64::from(in_flight), &[]);
    }
}

/// Declares what each secret in force verified. A name that has none yet shows 0, so that its presence
/// tells that the secret is loaded; the series of a removed one end.
pub fn observe_secrets(secrets: &Arc<CurrentSecrets>) {
    let meter = opentelemetry::global::meter("bookend");
    let label = |name: String| [KeyValue::new("secret", name)];
    let counted = Arc::clone(secrets);
    meter
        .u64_observable_counter("bookend_webhook_verified")
        .with_description("Requests whose signature held, by the secret that made it.")
        .with_callback(move |seen| {
            for one in counted.used() {
                seen.observe(one.verified, &label(one.name));
            }
        })
        .build();
    let counted = Arc::clone(secrets);
    meter
        .i64_observable_gauge("bookend_secret_last_seen_timestamp")
        .with_unit("s")
        .with_description(
            "When a secret last verified a request, seconds since 1970; 0: not since the start.",
        )
        .with_callback(move |seen| {
            for one in counted.used() {
                seen.observe(one.last_seen, &label(one.name));
            }
        })
        .build();
}

/// Declares how much room there is for events on their way.
pub fn observe_room(budget: &Budget, admission: &Arc<Admission>) {
    let meter = opentelemetry::global::meter("bookend");
    let budget = budget.clone();
    meter
        .u64_observable_gauge("bookend_ingestor_held_bytes")
        .with_description("Bytes held by bodies being read and by records of the producer.")
        .with_callback(move |seen| {
            seen.observe(u64::try_from(budget.held()).unwrap_or(u64::MAX), &[]);
        })
        .build();
    let admission = Arc::clone(admission);
    meter
        .u64_observable_gauge("bookend_ingestor_places")
        .with_description("Verified events that may wait for Kafka at once, as of now.")
        .with_callback(move |seen| {
            seen.observe(u64::try_from(admission.limit()).unwrap_or(u64::MAX), &[]);
        })
        .build();
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
