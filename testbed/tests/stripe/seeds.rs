//! One seed, one run: the same bookings, events and fault decisions.

use std::collections::BTreeMap;

use serde_json::Value;
use testbed::stripe::{Delivery, FakeConfig, Fate, Faults, When};

use crate::support::{Sink, config, eventually, lot, start};

const BEGINNING: When = When::At(1_790_000_000);

fn faulty() -> Faults {
    Faults {
        lost: 0.1,
        duplicated: 0.2,
        reordered: 0.5,
        reorder_window_ms: 20,
        late: 0.1,
        late_ms: 30,
        answered_but_lost: 0.1,
        ..Faults::default()
    }
}

fn events(seed: u64, count: u64) -> Vec<Value> {
    let fake = start(FakeConfig { seed, ..config() });
    fake.create_bookings(&lot(count, BEGINNING));
    fake.events()
}

async fn fates(seed: u64) -> BTreeMap<String, Fate> {
    let sink = Sink::ok();
    let fake = start(FakeConfig {
        seed,
        target: Some(sink.url()),
        faults: faulty(),
        ..config()
    });
    fake.create_bookings(&lot(40, BEGINNING));
    eventually("all delivered", || fake.is_idle()).await;
    fake.deliveries()
        .into_iter()
        .map(|Delivery { event, fate, .. }| (event, fate))
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_events_to_the_byte() {
    let (first, second) = (events(7, 60), events(7, 60));
    assert!(first.len() > 300);
    assert_eq!(first, second);
}

#[test]
fn another_seed_shares_no_event() {
    let ids = |events: Vec<Value>| -> Vec<String> {
        events.iter().map(|event| event["id"].to_string()).collect()
    };
    let other = ids(events(8, 30));
    assert!(ids(events(7, 30)).iter().all(|id| !other.contains(id)));
}

#[test]
fn a_booking_is_the_same_in_a_larger_lot() {
    let small = events(9, 5);
    let large = events(9, 50);
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    let known: Vec<String> = large.iter().map(id).collect();
    assert!(small.iter().all(|event| known.contains(&id(event))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_decides_the_same_faults_whatever_the_threads_do() {
    let (first, second) = (fates(11).await, fates(11).await);
    assert_eq!(first, second);
    assert!(first.values().any(|fate| fate.lost));
    assert_ne!(first, fates(12).await);
}

#[test]
fn changing_one_share_moves_no_other_decision() {
    let with = faulty();
    let without = Faults {
        lost: 0.0,
        ..faulty()
    };
    for number in 0..200 {
        let id = format!("evt_{number}");
        let (with, without) = (with.decide(3, &id), without.decide(3, &id));
        assert_eq!(
            Fate {
                lost: false,
                ..with
            },
            without
        );
    }
}
