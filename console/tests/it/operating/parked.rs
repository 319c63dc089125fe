//! `parked list | show | release | skip`, and what other commands tell of queues.

use super::{Desk, value};
use crate::fixture::Event;

fn queues() -> Desk {
    let mut desk = Desk::new();
    desk.parked("bk_2", "evt_2a", 30, Some("panic"));
    desk.parked("bk_1", "evt_1b", 20, None);
    desk.parked("bk_1", "evt_1a", 10, Some("constraint"));
    desk
}

#[test]
fn queues_are_listed_by_name_with_their_heads() {
    let mut desk = queues();
    desk.stand
        .ledger
        .execute("UPDATE parked_events SET gave_up_at = now() WHERE event_id = 'evt_2a'");
    let json = desk.run(&["parked", "list", "-o", "json"]).json();
    let told: Vec<(&str, &str, i64)> = json["queues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            let waiting = row["waiting"].as_i64().unwrap();
            (text("booking_id"), text("event_id"), waiting)
        })
        .collect();
    assert_eq!(told, [("bk_1", "evt_1a", 2), ("bk_2", "evt_2a", 1)]);
    assert_eq!(json["queues"][0]["oldest"], "1970-01-01T00:00:10Z");
    assert_eq!(json["queues"][0]["error_kind"], "constraint");
    let table = desk.run(&["parked", "list", "--reason", "panic"]);
    assert!(table.text().contains("given up"), "{table:?}");
    assert!(!table.text().contains("bk_1"), "{table:?}");
    desk.run(&["parked", "list", "--booking", "bk_3"])
        .failed(3, "nothing matched");
}

#[test]
fn a_queue_is_shown_in_its_order() {
    let desk = queues();
    let json = desk.run(&["parked", "show", "bk_1", "-o", "json"]).json();
    assert_eq!(json["events"][0]["event_id"], "evt_1a");
    assert_eq!(json["events"][1]["event_id"], "evt_1b");
    let table = desk.run(&["parked", "show", "bk_1"]);
    assert!(table.text().contains("behind"), "{table:?}");
    desk.run(&["parked", "show", "bk_3"])
        .failed(3, "nothing of bk_3 is parked");
    desk.run(&["parked", "show", "bk\n"])
        .failed(2, "invalid value");
}

#[test]
fn a_release_travels_under_the_heads_key_for_each_queue() {
    let desk = queues();
    // Two things, no terminal, no --yes: nothing is asked.
    let answer = desk.executed(&["parked", "release", "--all"], "applied", 2);
    assert_eq!(answer.code, 0, "{answer:?}");
    let mut told: Vec<(String, String)> = desk
        .published()
        .iter()
        .map(|record| {
            let command = value(record);
            assert_eq!(command["command"], "release");
            (
                record.key.clone(),
                command["booking_id"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    told.sort();
    let pair = |key: &str, queue: &str| (key.to_owned(), queue.to_owned());
    assert_eq!(
        told,
        [pair("key-of-bk_1", "bk_1"), pair("key-of-bk_2", "bk_2")]
    );
    assert_eq!(
        desk.text("SELECT string_agg(subject, ',' ORDER BY seq) FROM operator_action_items"),
        "bk_1,bk_2"
    );
}

#[test]
fn a_release_by_reason_takes_the_heads_that_failed_for_it() {
    let desk = queues();
    let plan = desk.run(&[
        "parked",
        "release",
        "--all",
        "--reason-kind",
        "panic",
        "-o",
        "json",
    ]);
    assert_eq!(plan.json()["matched"], 1);
    assert_eq!(plan.json()["plan"][0]["booking_id"], "bk_2");
    desk.run(&["parked", "release", "bk_1", "--reason-kind", "panic"])
        .failed(2, "cannot be used with");
    desk.run(&["parked", "release"]).failed(2, "required");
    let some = desk.run(&["parked", "release", "bk_1", "bk_9"]);
    assert_eq!(some.code, 0, "{some:?}");
    assert!(some.err.contains("nothing of bk_9 is parked"), "{some:?}");
    desk.execute(&["parked", "release", "bk_9"])
        .failed(3, "nothing matched");
    assert_eq!(desk.actions(), "");
}

#[test]
fn a_skip_names_the_head_that_was_seen() {
    let desk = queues();
    let answer = desk.executed(
        &["parked", "skip", "bk_1", "--event", "evt_1a"],
        "applied",
        1,
    );
    assert_eq!(answer.code, 0, "{answer:?}");
    let published = desk.published();
    assert_eq!(published[0].key, "key-of-bk_1");
    assert_eq!(value(&published[0])["event_id"], "evt_1a");
    assert_eq!(value(&published[0])["command"], "skip");
}

#[test]
fn a_skip_of_another_head_than_was_seen_is_refused_and_on_record() {
    let desk = queues();
    desk.execute(&["parked", "skip", "bk_1", "--event", "evt_1b"])
        .failed(6, "the head is evt_1a instead of evt_1b");
    assert_eq!(desk.actions(), "parked skip denied");
    assert!(desk.published().is_empty());
    desk.execute(&["parked", "skip", "bk_3"])
        .failed(3, "nothing matched");
    assert_eq!(
        desk.actions(),
        "parked skip denied",
        "nothing matched: no denial"
    );
}

#[test]
fn an_event_a_booking_and_the_lag_tell_what_is_parked() {
    let mut desk = queues();
    desk.stand.ledger.event(&Event {
        id: "evt_1b",
        disposition: "parked",
        ..Event::default()
    });
    let event = desk.run(&["event", "show", "evt_1b", "-o", "json"]).json();
    assert_eq!(event["parked"]["event_id"], "evt_1a", "the head: {event}");
    assert_eq!(event["parked"]["waiting"], 2);
    let table = desk.run(&["event", "show", "evt_1b"]);
    assert!(table.text().contains("the rule refused"), "{table:?}");

    let booking = desk.run(&["booking", "show", "bk_1", "-o", "json"]).json();
    assert_eq!(booking["parked"][1]["event_id"], "evt_1b", "{booking}");
    let table = desk.run(&["booking", "show", "bk_1"]);
    assert!(table.text().contains("PARKED EVENT"), "{table:?}");

    let lag = desk.run(&["lag", "-o", "json"]).json();
    let waiting = lag["waiting"].as_array().unwrap();
    let parked = waiting.iter().find(|row| row["what"] == "parked").unwrap();
    assert_eq!(parked["count"], 3, "{lag}");
}
