//! Thin events: beside a snapshot, instead of an event that could not be made, and their list.

use serde_json::{Value, json};
use testbed::stripe::{FakeConfig, Faults, Story};

use crate::support::{Sink, config, eventually, get, get_with, lot, one, start};

fn with(faults: Faults, sink: &Sink) -> testbed::stripe::FakeHandle {
    start(FakeConfig {
        target: Some(sink.url()),
        faults,
        ..config()
    })
}

fn pairs() -> Faults {
    Faults {
        thin: 1.0,
        ..Faults::default()
    }
}

#[tokio::test]
async fn a_thin_event_comes_beside_each_snapshot_and_names_it() {
    let sink = Sink::ok();
    let fake = with(pairs(), &sink);
    fake.create_bookings(&one(Story::Paid));
    eventually("delivered", || fake.is_idle()).await;
    let all: Vec<Value> = sink
        .received()
        .iter()
        .map(|request| request.json())
        .collect();
    let (thin, snapshots): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|event| event["object"] == "v2.core.event");
    assert_eq!(thin.len(), snapshots.len());
    for event in &thin {
        let snapshot = snapshots
            .iter()
            .find(|one| one["id"] == event["snapshot_event"]);
        let snapshot = snapshot.expect("the snapshot that it names");
        let (kind, about) = (
            snapshot["type"].as_str().unwrap(),
            &snapshot["data"]["object"],
        );
        assert_eq!(event["type"], format!("v1.{kind}"));
        assert_eq!(event["related_object"]["id"], about["id"]);
        assert!(
            event["created"].as_str().unwrap().ends_with('Z'),
            "RFC 3339"
        );
        assert!(event.get("data").is_none() && event.get("api_version").is_none());
        let url = event["related_object"]["url"].as_str().unwrap();
        assert_eq!(get(&fake, url).await.body["id"], about["id"]);
    }
    assert_eq!(
        get(&fake, "/v1/events?limit=100").await.ids().len(),
        snapshots.len()
    );
}

#[tokio::test]
async fn thin_events_are_listed_newest_first_page_by_page() {
    let sink = Sink::ok();
    let fake = with(pairs(), &sink);
    fake.create_bookings(&lot(6, testbed::stripe::When::JustNow));
    let mut url = Some("/v2/core/events?limit=7".to_owned());
    let mut seen: Vec<Value> = Vec::new();
    while let Some(path) = url {
        let page = get(&fake, &path).await.body;
        let data = page["data"].as_array().unwrap();
        assert!(!data.is_empty() && data.len() <= 7);
        seen.extend(data.iter().cloned());
        url = page["next_page_url"].as_str().map(str::to_owned);
    }
    let listed = fake.events();
    assert_eq!(seen.len(), listed.len());
    let times: Vec<&str> = seen
        .iter()
        .map(|event| event["created"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let id = seen[0]["related_object"]["id"].as_str().unwrap();
    let of_one = get(&fake, &format!("/v2/core/events?object_id={id}&limit=100"))
        .await
        .body;
    let of_one = of_one["data"].as_array().unwrap();
    assert!(
        !of_one.is_empty()
            && of_one
                .iter()
                .all(|event| event["related_object"]["id"] == *id)
    );
    let types = get(&fake, "/v2/core/events?types[0]=v1.charge.*&limit=100")
        .await
        .body;
    let types = types["data"].as_array().unwrap();
    assert!(
        types
            .iter()
            .all(|event| event["type"].as_str().unwrap().starts_with("v1.charge."))
    );
    let event = seen[0]["id"].as_str().unwrap();
    assert_eq!(
        get(&fake, &format!("/v2/core/events/{event}")).await.body,
        seen[0]
    );
    assert_eq!(get(&fake, "/v2/core/events?from=1").await.status, 400);
}

#[tokio::test]
async fn thin_events_age_and_belong_to_a_context() {
    let sink = Sink::ok();
    let fake = with(pairs(), &sink);
    let connected = testbed::stripe::Order {
        account: Some("acct_1".to_owned()),
        ..one(Story::Abandoned)
    };
    fake.create_bookings(&connected);
    let path = "/v2/core/events?limit=100";
    assert_eq!(get(&fake, path).await.body["data"], json!([]));
    let theirs = get_with(&fake, path, &[("stripe-context", "acct_1")])
        .await
        .body;
    assert_eq!(theirs["data"][0]["context"], "acct_1");
    fake.advance(std::time::Duration::from_secs(31 * 86_400));
    let aged = get_with(&fake, path, &[("stripe-context", "acct_1")])
        .await
        .body;
    assert_eq!(aged["data"], json!([]));
}

#[tokio::test]
async fn an_event_that_could_not_be_made_is_neither_delivered_nor_listed_and_named_later() {
    let sink = Sink::ok();
    let ungenerated = Faults {
        ungenerated: 1.0,
        ..Faults::default()
    };
    let fake = with(ungenerated, &sink);
    let bookings = fake.create_bookings(&one(Story::Paid));
    eventually("delivered", || fake.is_idle()).await;
    assert_eq!(get(&fake, "/v1/events").await.ids(), [""; 0]);
    let truth = &fake.truth().bookings[&bookings[0].id];
    assert_eq!(truth.status, "confirmed", "it happened all the same");
    let told: Vec<Value> = sink
        .received()
        .iter()
        .map(|request| request.json())
        .collect();
    assert!(!told.is_empty());
    for event in told {
        assert_eq!(
            event["type"],
            "v2.core.health.event_generation_failure.resolved"
        );
        let impact = &event["data"]["impact"];
        assert!(impact["event_type"].is_string(), "{event}");
        let url = impact["related_object_url"].as_str().unwrap();
        assert_eq!(
            get(&fake, url).await.body["id"],
            impact["related_object_id"]
        );
    }
}
