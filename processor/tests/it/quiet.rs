//! Idle services write next to nothing: what the Kafka client reports of itself is a metric.
//!
//! Fails if what the three services write while nothing happens would come to a megabyte a day, or if
//! a metric of the Kafka client is not there.

use std::time::{Duration, Instant};

use testbed::services::{Service, ServiceBuilder};
use testbed::stripe::{Fake, FakeConfig};
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE};

/// Long enough for several reports of the Kafka client (5 s), and many rounds of everything else.
const SPAN: Duration = Duration::from_secs(20);
const MAX_BYTES_A_DAY: u64 = 1_000_000;

fn with_topics(harness: &Harness, name: &str) -> ServiceBuilder {
    ServiceBuilder::new(name)
        .env("KAFKA_BROKERS", &harness.topics.brokers)
        .env("EVENTS_TOPIC", &harness.topics.events)
        .env("DEAD_TOPIC", &harness.topics.dead)
        .env("BOOKINGS_TOPIC", &harness.topics.bookings)
        .env("STATS_TOPIC", &harness.topics.stats)
}

fn started(harness: &Harness, builder: ServiceBuilder) -> Service {
    let mut service = builder.spawn(harness.dir()).unwrap();
    service.wait_ready(PATIENCE).unwrap();
    service
}

/// The value of a sample whose line begins so.
fn sample(service: &Service, series: &str) -> Option<f64> {
    let (_, metrics) = service.get("/metrics")?;
    let line = metrics.lines().find(|line| line.starts_with(series))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn eventually_reported(service: &Service, client: &str) {
    eventually(PATIENCE, &format!("the {client} reports"), || {
        let of = |name: &str, label: &str| {
            sample(service, &format!("{name}{{client=\"{client}\"{label}"))
        };
        of("bookend_kafka_brokers", ",state=\"up\"").is_some_and(|up| up >= 1.0)
            && of("bookend_kafka_round_trip_seconds", ",part=\"p99\"").is_some_and(|s| s > 0.0)
            && of("bookend_kafka_queued_records", "").is_some()
            && of("bookend_kafka_pending_requests", "").is_some()
    });
}

#[test]
fn idle_services_write_less_than_a_megabyte_of_log_a_day() {
    let harness = Harness::new();
    let stripe = Fake::start(FakeConfig::default()).unwrap();
    let processor = harness.builder().env("RUST_LOG", "info");
    let processor = started(&harness, processor);
    let ingestor = with_topics(&harness, "ingestor")
        .env(
            "STRIPE_WEBHOOK_SECRETS",
            "whsec_0123456789abcdef0123456789abcdef",
        )
        .env("STATS_INTERVAL", "1s");
    let ingestor = started(&harness, ingestor);
    let reconciler = with_topics(&harness, "reconciler")
        .env(
            "DATABASE_URL",
            harness.database.url_as("bookend_reconciler"),
        )
        .env("STRIPE_API_BASE", stripe.url())
        .env("STRIPE_API_KEY", stripe.api_key())
        .env("SWEEP_INTERVAL", "1s")
        .env("SWEEP_LAG", "2s");
    let reconciler = started(&harness, reconciler);
    eventually_reported(&processor, "consumer");
    for client in ["producer", "producer_short", "producer_long"] {
        eventually_reported(&ingestor, client);
    }
    harness.eventually_number(
        1,
        "SELECT least(count(*), 1) FROM sweeps WHERE outcome = 'complete'",
    );

    let services = [processor, ingestor, reconciler];
    let written = |service: &Service| std::fs::read_to_string(service.log()).unwrap();
    let before: Vec<usize> = services
        .iter()
        .map(|service| written(service).len())
        .collect();
    let start = Instant::now();
    eventually(PATIENCE, "a span in which nothing happens", || {
        start.elapsed() >= SPAN
    });
    for (service, before) in services.iter().zip(before) {
        let text = written(service);
        let added = &text[before..];
        let bytes = u64::try_from(added.len()).unwrap();
        let a_day = bytes * 86_400 / SPAN.as_secs();
        assert!(a_day < MAX_BYTES_A_DAY, "{a_day} bytes a day:\n{added}");
    }
}
