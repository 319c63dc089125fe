//! Each delivery fault does what it says, and its figures can be trusted.

use std::time::Duration;

use testbed::stripe::{Duplicate, FakeConfig, FakeHandle, Faults, Story, When};

use crate::support::{Sink, config, eventually, lot, one, start};

fn faulty(sink: &Sink, faults: Faults) -> FakeHandle {
    start(FakeConfig {
        target: Some(sink.url()),
        faults,
        ..config()
    })
}

#[tokio::test]
async fn a_lost_event_is_never_sent_but_stays_listed() {
    let sink = Sink::ok();
    let fake = faulty(
        &sink,
        Faults {
            lost: 0.3,
            ..Faults::default()
        },
    );
    fake.create_bookings(&lot(20, When::JustNow));
    eventually("idle", || fake.is_idle()).await;
    let stats = fake.stats();
    assert!(stats.lost > 10 && stats.accepted > 10, "{stats:?}");
    assert_eq!(stats.lost + stats.accepted, stats.events);
    let seen = sink.ids();
    for delivery in fake.deliveries() {
        assert_eq!(seen.contains(&delivery.event), !delivery.fate.lost);
    }
    assert_eq!(fake.events().len() as u64, stats.events);
}

#[tokio::test]
async fn a_duplicated_event_comes_twice_at_once_or_after_a_2xx() {
    let sink = Sink::ok();
    let fake = faulty(
        &sink,
        Faults {
            duplicated: 1.0,
            ..Faults::default()
        },
    );
    fake.create_bookings(&lot(5, When::JustNow));
    eventually("idle", || fake.is_idle()).await;
    let seen = sink.ids();
    let deliveries = fake.deliveries();
    for delivery in &deliveries {
        assert_eq!(seen.iter().filter(|id| **id == delivery.event).count(), 2);
        assert_eq!(delivery.accepted, 2);
    }
    for kind in [Duplicate::Concurrent, Duplicate::Afterwards] {
        assert!(
            deliveries
                .iter()
                .any(|delivery| delivery.fate.duplicate == kind)
        );
    }
    assert_eq!(fake.stats().duplicated, fake.stats().events);
}

#[tokio::test]
async fn an_answer_that_was_lost_makes_it_come_again() {
    let sink = Sink::ok();
    let fake = faulty(
        &sink,
        Faults {
            answered_but_lost: 1.0,
            ..Faults::default()
        },
    );
    fake.create_bookings(&one(Story::Paid));
    eventually("idle", || fake.is_idle()).await;
    let stats = fake.stats();
    assert_eq!(stats.ok_answers, 2 * stats.events);
    assert_eq!(stats.answered_but_lost, stats.events);
    assert_eq!(sink.received().len() as u64, 2 * stats.events);
}

#[tokio::test]
async fn reordered_events_arrive_in_another_order_and_all_of_them() {
    let sink = Sink::ok();
    let faults = Faults {
        reordered: 1.0,
        reorder_window_ms: 300,
        ..Faults::default()
    };
    let fake = faulty(&sink, faults);
    fake.create_bookings(&lot(10, When::JustNow));
    eventually("idle", || fake.is_idle()).await;
    let made: Vec<String> = fake
        .events()
        .iter()
        .map(|e| e["id"].as_str().unwrap().to_owned())
        .collect();
    let mut seen = sink.ids();
    assert_ne!(seen, made);
    seen.sort();
    let mut sorted = made.clone();
    sorted.sort();
    assert_eq!(seen, sorted);
}

#[tokio::test]
async fn a_late_event_waits_for_its_time_by_the_fakes_clock() {
    let sink = Sink::ok();
    let fake = faulty(
        &sink,
        Faults {
            late: 1.0,
            late_ms: 3_600_000,
            ..Faults::default()
        },
    );
    fake.create_bookings(&one(Story::Abandoned));
    assert_eq!(fake.stats().in_flight, 1);
    assert!(sink.received().is_empty());
    eventually("its delivery waits", || {
        fake.advance(Duration::from_secs(3_600));
        fake.is_idle()
    })
    .await;
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn twins_are_two_events_for_one_change() {
    let sink = Sink::ok();
    let fake = faulty(
        &sink,
        Faults {
            twins: 1.0,
            ..Faults::default()
        },
    );
    fake.create_bookings(&one(Story::Abandoned));
    eventually("idle", || fake.is_idle()).await;
    let events = fake.events();
    assert_eq!(events.len(), 2);
    assert_ne!(events[0]["id"], events[1]["id"]);
    assert_eq!(events[0]["data"], events[1]["data"]);
}

#[tokio::test]
async fn faults_set_later_meet_later_events_only() {
    let sink = Sink::ok();
    let fake = faulty(&sink, Faults::default());
    fake.create_bookings(&one(Story::Abandoned));
    eventually("idle", || fake.is_idle()).await;
    fake.set_faults(Faults {
        lost: 1.0,
        ..Faults::default()
    });
    fake.create_bookings(&one(Story::Abandoned));
    assert!(fake.is_idle());
    let stats = fake.stats();
    assert_eq!((stats.accepted, stats.lost), (1, 1));
}

#[tokio::test]
async fn a_resent_event_comes_again() {
    let sink = Sink::ok();
    let fake = faulty(&sink, Faults::default());
    fake.create_bookings(&one(Story::Abandoned));
    eventually("idle", || fake.is_idle()).await;
    assert!(fake.resend(&sink.ids()[0]));
    eventually("again", || sink.received().len() == 2).await;
    assert!(!fake.resend("evt_unknown"));
}
