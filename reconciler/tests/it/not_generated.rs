//! Events that Stripe could not make: only a later one names their objects.

use std::time::Duration;

use chrono::Utc;
use reconciler::publish::event_record;
use serde_json::Value;
use testbed::stripe::{Faults, Order, When};

use crate::commands::eventually;
use crate::end_to_end::{processor, wrong};
use crate::support::believed::register;
use crate::support::{Rig, now};

/// Every thin event that Stripe lists.
async fn thin_events(rig: &Rig) -> Vec<Value> {
    let (client, mut all) = (reqwest::Client::new(), Vec::new());
    let mut next = Some("/v2/core/events?limit=100".to_owned());
    while let Some(path) = next {
        let url = format!("{}{path}", rig.stripe.url());
        let asked = client.get(url).bearer_auth(rig.stripe.api_key());
        let body = asked.send().await.unwrap().bytes().await.unwrap();
        let page: Value = serde_json::from_slice(&body).unwrap();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        next = page["next_page_url"].as_str().map(str::to_owned);
    }
    all
}

#[tokio::test]
async fn bookings_whose_events_were_never_made_end_as_stripe_has_them() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    rig.stripe.set_faults(Faults {
        ungenerated: 1.0,
        ..Faults::default()
    });
    let bookings = rig.stripe.create_bookings(&Order {
        count: 20,
        when: When::At(now() - 2 * 86_400),
        ..Order::default()
    });
    register(&rig, &bookings);
    let engine = rig.engine().await;
    let told = thin_events(&rig).await;
    assert!(!told.is_empty());
    for event in &told {
        let body = event.to_string().into_bytes();
        let record = event_record(engine.publisher.topic(), None, &body, Utc::now());
        engine.publisher.publish(record).await.unwrap();
    }
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
    let left =
        "SELECT count(*) AS n FROM refetches WHERE reason = 'not_generated' AND state = 'failed'";
    assert_eq!(rig.database.number(left), 0);
}
