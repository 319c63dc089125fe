//! What has gone wrong when a page is opened.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shared::clock::{Clock as _, SystemClock};
use testbed::services::{Service, ServiceBuilder};
use testbed::stripe::{Fake, FakeConfig, FakeHandle, NewObjectEvent, Order, When};

use super::page::Situation;
use crate::harness::{Harness, PATIENCE, paid};

fn started(harness: &Harness, settings: &[(&str, &str)]) -> Service {
    let builder = settings
        .iter()
        .fold(harness.builder(), |builder, (name, value)| {
            builder.env(name, *value)
        });
    let mut service = builder.spawn(harness.dir()).unwrap();
    service.wait_ready(PATIENCE).unwrap();
    service
}

/// Nothing is tried again before somebody says so.
pub(super) fn slow_to_retry(harness: &Harness) -> Service {
    started(
        harness,
        &[("PARK_RETRY_BASE", "1h"), ("PARK_RETRY_CAP", "1h")],
    )
}

pub(super) fn quick_to_hold(harness: &Harness) -> Service {
    started(harness, &[("BRAKE_IN_ROW", "5")])
}

pub(super) fn pay(harness: &Harness, bookings: std::ops::Range<i64>) {
    let all = bookings.end - bookings.start;
    for n in bookings {
        harness.publish(&paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("b-{n}"),
            500,
        ));
    }
    harness.eventually_number(
        all,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
}

/// A Stripe that has delivered nothing of what happened.
pub(super) fn stripe_with_lost_events() -> FakeHandle {
    let stripe = Fake::start(FakeConfig::default()).unwrap();
    stripe.create_bookings(&Order {
        count: 5,
        when: When::At(SystemClock.now().timestamp() - 3 * 86_400),
        ..Order::default()
    });
    stripe
}

/// A sweep stopped before a window of which three events are missing, more than it may publish; the
/// one before it was complete.
pub(super) fn too_much_is_missing(harness: &Harness, plan: &str) {
    let statements = [
        "INSERT INTO sweeps (kind, window_from, window_to, finished_at, listed, missing, outcome)
         VALUES ('deep', now() - interval '1 day', now() - interval '1 hour', now(), 9, 3, 'planned')"
            .to_owned(),
        "INSERT INTO certificates (window_from, window_to, stripe_count, ledger_count, ids_hash,
             ledger_hash, complete, issued_by)
         VALUES (now() - interval '2 days', now() - interval '1 day', 4, 4, 'aa', 'aa', true, 'test')"
            .to_owned(),
        format!(
            "INSERT INTO repair_plans (id, sweep_id, window_from, window_to, missing, cap)
             SELECT '{plan}', id, window_from, window_to, 3, 2 FROM sweeps"
        ),
        format!(
            "INSERT INTO findings (sweep_id, plan_id, kind, confidence, evidence, event_id)
             SELECT id, '{plan}', 'never_delivered', 0.6,
                 json_build_object('what', 'listed_not_in_ledger'), 'evt_' || n
             FROM sweeps, generate_series(1, 3) AS n"
        ),
    ];
    statements.iter().for_each(|sql| harness.execute(sql));
}

/// As Stripe does to an endpoint that failed for days.
pub(super) fn disabled(stripe: &FakeHandle, id: &str) {
    let url = stripe.url();
    let host = url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    let form = "disabled=true";
    write!(
        connection,
        "POST /v1/webhook_endpoints/{id} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        stripe.api_key(),
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Where the reconciler's commands are run.
pub(super) fn reconciling(harness: &Harness, stripe: &FakeHandle) -> Situation {
    let times: Vec<i64> = stripe
        .events()
        .iter()
        .map(|event| event["created"].as_i64().unwrap())
        .collect();
    let text = |at: i64| {
        chrono::DateTime::from_timestamp(at, 0)
            .unwrap()
            .to_rfc3339()
    };
    Situation::new(harness)
        .with(
            "DATABASE_URL",
            &harness.database.url_as("bookend_reconciler"),
        )
        .with("STRIPE_LIVEMODE", "false")
        .with("STRIPE_API_BASE", &stripe.url())
        .with("STRIPE_API_KEY", stripe.api_key())
        .with("FROM", &text(times.iter().min().unwrap() - 1))
        .with("TO", &text(times.iter().max().unwrap() + 1))
}

/// An ingestor that watches `file`, and a Stripe that delivers to it.
pub(super) fn delivering(harness: &Harness, file: &Path) -> (Service, FakeHandle) {
    let config = FakeConfig::default();
    std::fs::write(file, format!("main={}\n", config.secret)).unwrap();
    let mut ingestor = ServiceBuilder::new("ingestor")
        .env("KAFKA_BROKERS", &harness.topics.brokers)
        .env("EVENTS_TOPIC", &harness.topics.events)
        .env("STATS_TOPIC", &harness.topics.stats)
        .env("STRIPE_WEBHOOK_SECRETS_FILE", file.display().to_string())
        .spawn(harness.dir())
        .unwrap();
    ingestor.wait_ready(PATIENCE).unwrap();
    let stripe = Fake::start(FakeConfig {
        target: Some(format!("{}/webhooks/stripe", ingestor.url())),
        ..config
    });
    (ingestor, stripe.unwrap())
}

/// Something happens at Stripe, all the while.
pub(super) fn while_it_happens(stripe: &FakeHandle, work: impl FnOnce()) {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                stripe.add_event(&NewObjectEvent {
                    kind: "customer.created".to_owned(),
                    object: serde_json::json!({"id": format!("cus_{number}"), "object": "customer"}),
                    deliver: true,
                    ..NewObjectEvent::default()
                });
                // A pace, not a wait for anything.
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let _over = Over(&over);
        work();
    });
}
