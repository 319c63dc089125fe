//! The recovery path alone: not one webhook arrives, and every booking is right all the same.

use std::time::Duration;

use testbed::services::{Service, ServiceBuilder};
use testbed::stripe::{Order, When};

use crate::commands::{eventually, one_shot, start};
use crate::support::believed::register;
use crate::support::{Rig, topic};

const BOOKINGS: u64 = 60;

pub(crate) async fn processor(rig: &Rig, dir: &std::path::Path) -> Service {
    let builder = ServiceBuilder::new("processor")
        .env("KAFKA_BROKERS", &rig.topic.all.brokers)
        .env("EVENTS_TOPIC", &rig.topic.all.events)
        .env("DEAD_TOPIC", &rig.topic.all.dead)
        .env("BOOKINGS_TOPIC", &rig.topic.all.bookings)
        .env("CONSUMER_GROUP", &rig.topic.all.group)
        .env("EVENTS_PARTITIONS", topic::PARTITIONS.to_string())
        .env("DATABASE_URL", rig.database.url_as("bookend_processor"));
    let dir = dir.to_owned();
    let spawn = move || {
        let mut service = builder.spawn(&dir).unwrap();
        service.wait_ready(Duration::from_secs(30)).unwrap();
        service
    };
    tokio::task::spawn_blocking(spawn).await.unwrap()
}

/// Bookings that are not as Stripe has them, each with what it is and what it should be. A release
/// whose moment of capture no event proves counts as refunded, and a person is told (docs/money.md):
/// such a booking is left out, if it is told.
pub(crate) fn wrong(rig: &Rig) -> Vec<String> {
    let truth = rig.stripe.truth();
    let look = |(id, right): (&String, &testbed::stripe::BookingTruth)| {
        let sql = format!(
            "SELECT max(concat_ws(' ', status, amount_paid, amount_refunded, hold)) AS t \
             FROM bookings WHERE id = '{id}'"
        );
        let is = rig.database.text(&sql).unwrap_or_default();
        let should = format!(
            "{} {} {}",
            right.status, right.amount_paid, right.amount_refunded
        );
        let told = format!(
            "SELECT count(*) AS n FROM findings f JOIN objects o ON o.account = f.account \
             AND o.id = f.object_id WHERE o.booking_id = '{id}' \
             AND f.kind = 'release_unproven' AND f.closed_at IS NULL"
        );
        let is_told = || rig.database.number(&told) > 0;
        (is != should && !is_told())
            .then(|| format!("{id} ({:?}): {is}, not {should}", right.story))
    };
    truth.bookings.iter().filter_map(look).collect()
}

#[tokio::test]
async fn bookings_whose_webhooks_never_arrive_end_as_stripe_has_them() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let bookings = rig.stripe.create_bookings(&Order {
        count: BOOKINGS,
        when: When::JustNow,
        ..Order::default()
    });
    register(&rig, &bookings);
    let _processor = processor(&rig, dir.path()).await;
    let _reconciler = start(&rig);
    let mut last = Vec::new();
    let right = eventually("every booking is right", async || {
        last = wrong(&rig);
        last.is_empty()
    });
    if tokio::time::timeout(Duration::from_secs(50), right)
        .await
        .is_err()
    {
        panic!("{} of {BOOKINGS} are wrong: {last:#?}", last.len());
    }
    eventually("the ledger is complete", async || {
        one_shot(&rig, &["verify"]).await.0 == Some(0)
    })
    .await;
    let events = i64::try_from(rig.stripe.events().len()).unwrap();
    let rows = "SELECT count(*) AS n FROM events WHERE record_kind = 'event'";
    assert_eq!(rig.database.number(rows), events);
    let others = "SELECT count(*) AS n FROM events WHERE source NOT IN ('reconciler', 'refetch')";
    assert_eq!(rig.database.number(others), 0);
}
