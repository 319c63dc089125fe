//! Whatever share of the deliveries is lost, for hours or days: every event that Stripe lists ends in
//! the ledger, every booking is as Stripe has it, and the next sweep finds nothing.

use std::time::Duration;

use testbed::services::{Service, ServiceBuilder};
use testbed::stripe::{Fake, FakeConfig, Faults, Order, When};

use crate::commands::{eventually, one_shot};
use crate::end_to_end::{processor, wrong};
use crate::support::believed::register;
use crate::support::{Rig, topic};

const SECRET: &str = "whsec_closure_5WYLQUyrb3vtCcPWxPqGSwHn";

async fn ingestor(rig: &Rig, dir: &std::path::Path) -> Service {
    let builder = ServiceBuilder::new("ingestor")
        .env("KAFKA_BROKERS", &rig.topic.all.brokers)
        .env("EVENTS_TOPIC", &rig.topic.all.events)
        .env("STATS_TOPIC", &rig.topic.all.stats)
        .env("EVENTS_PARTITIONS", topic::PARTITIONS.to_string())
        .env("STRIPE_WEBHOOK_SECRETS", SECRET);
    let dir = dir.to_owned();
    let spawn = move || {
        let mut service = builder.spawn(&dir).unwrap();
        service.wait_ready(Duration::from_secs(30)).unwrap();
        service
    };
    tokio::task::spawn_blocking(spawn).await.unwrap()
}

/// Bookings over `days` of which `lost` of the deliveries never come, and Stripe's clock moved on.
async fn lived(rig: &mut Rig, lost: f64, days: u64, target: String) -> usize {
    rig.stripe = Fake::start(FakeConfig {
        target: Some(target),
        secret: SECRET.to_owned(),
        faults: Faults {
            lost,
            visible_late: 0.05,
            visible_late_ms: 20_000,
            ..Faults::default()
        },
        ..FakeConfig::default()
    })
    .unwrap();
    for _ in 0..days {
        let bookings = rig.stripe.create_bookings(&Order {
            count: 8,
            when: When::JustNow,
            ..Order::default()
        });
        register(rig, &bookings);
        rig.stripe.advance(Duration::from_secs(86_400));
    }
    rig.stripe.events().len()
}

async fn closes(lost: f64, days: u64) {
    let mut rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let ingestor = ingestor(&rig, dir.path()).await;
    let target = format!("{}/webhooks/stripe", ingestor.url());
    let events = lived(&mut rig, lost, days, target).await;
    let _processor = processor(&rig, dir.path()).await;
    eventually("what was to be delivered is", async || rig.stripe.is_idle()).await;

    eventually("a sweep finds nothing more", async || {
        let (code, text) = one_shot(&rig, &["sweep", "--from", "2000-01-01T00:00:00Z"]).await;
        code == Some(0) && text.contains("missing 0  repaired 0")
    })
    .await;
    let rows = "SELECT count(*) AS n FROM events WHERE record_kind = 'event'";
    assert_eq!(rig.database.number(rows), i64::try_from(events).unwrap());
    let recovered =
        "SELECT count(*) AS n FROM events WHERE source = 'reconciler' AND record_kind = 'event'";
    assert!(rig.database.number(recovered) > 0);
    let (code, text) = one_shot(&rig, &["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    // Doubts that only Stripe can decide are asked about as the service does.
    let engine = rig.engine().await;
    engine.reader.client.now().await.unwrap();
    let mut last = Vec::new();
    let right = eventually("every booking is as Stripe has it", async || {
        engine.refetch().await.unwrap();
        last = wrong(&rig);
        last.is_empty()
    });
    if tokio::time::timeout(Duration::from_secs(50), right)
        .await
        .is_err()
    {
        panic!("{last:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_in_a_hundred_lost_for_days_is_found() {
    closes(0.01, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_all_lost_for_weeks_is_found() {
    closes(0.5, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_lost_for_a_day_is_found() {
    closes(1.0, 1).await;
}
