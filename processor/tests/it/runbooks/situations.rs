//! What has gone wrong when a page is opened.

use shared::clock::{Clock as _, SystemClock};
use testbed::services::Service;
use testbed::stripe::{Fake, FakeConfig, FakeHandle, Order, When};

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
