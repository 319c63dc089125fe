//! Events that Stripe could not make: only a later one names their objects.

use chrono::Utc;
use reconciler::publish::event_record;
use testbed::stripe::{Faults, Order, When};

use crate::commands::eventually;
use crate::end_to_end::{processor, wrong};
use crate::support::{Rig, now};

#[tokio::test]
async fn bookings_whose_events_were_never_made_end_as_stripe_has_them() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    rig.stripe.set_faults(Faults {
        ungenerated: 1.0,
        ..Faults::default()
    });
    rig.stripe.create_bookings(&Order {
        count: 20,
        when: When::At(now() - 40 * 86_400),
        ..Order::default()
    });
    let engine = rig.engine().await;
    let told = rig.stripe.events();
    let named = told
        .iter()
        .filter(|event| event["object"] == "v2.core.event")
        .count();
    assert!(named > 0 && named == told.len(), "no event was made");
    for event in &told {
        let body = event.to_string().into_bytes();
        let record = event_record(engine.publisher.topic(), None, &body, Utc::now());
        engine.publisher.publish(record).await.unwrap();
    }
    let mut last = Vec::new();
    eventually("every booking is as Stripe has it", async || {
        engine.refetch().await.unwrap();
        last = wrong(&rig);
        last.is_empty()
    })
    .await;
    let left =
        "SELECT count(*) AS n FROM refetches WHERE reason = 'not_generated' AND state = 'failed'";
    assert_eq!(rig.database.number(left), 0);
}
