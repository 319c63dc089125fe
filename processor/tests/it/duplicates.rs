//! Copies change nothing.

use std::sync::Arc;

use crate::harness::{Harness, TRACE, paid};

#[test]
fn the_same_event_a_thousand_times_is_one_row_and_one_transition() {
    let harness = Arc::new(Harness::new());
    let _processor = harness.start();
    let body = paid("evt_same", "pi_1", "b-1", 500);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..16 {
                    harness.publish(&body);
                }
            });
        }
    });
    harness.eventually_number(1_024, "SELECT sum(next_offset) FROM partition_progress");
    assert_eq!(harness.number("SELECT count(*) FROM events"), 1);
    assert_eq!(
        harness.number("SELECT count(*) FROM booking_transitions"),
        1
    );
    assert_eq!(harness.number("SELECT count(*) FROM outbox"), 1);
    assert_eq!(harness.status("b-1").as_deref(), Some("confirmed"));
}

#[test]
fn copies_on_two_partitions_at_once_are_one_row_and_one_effect() {
    let harness = Harness::new();
    let _processor = harness.start();
    std::thread::scope(|scope| {
        for round in 0..2 {
            let harness = &harness;
            scope.spawn(move || {
                for n in 0..200 {
                    let body = paid(
                        &format!("evt_{n}"),
                        &format!("pi_{n}"),
                        &format!("b-{n}"),
                        500,
                    );
                    harness.publish_under(&format!("key-{round}-{n}"), &body);
                }
            });
        }
    });
    harness.eventually_number(400, "SELECT sum(next_offset) FROM partition_progress");
    assert_eq!(harness.number("SELECT count(*) FROM events"), 200);
    assert_eq!(
        harness.number("SELECT count(*) FROM booking_transitions"),
        200
    );
}

#[test]
fn the_row_tells_where_the_bytes_came_from_and_keeps_them_exactly() {
    let harness = Harness::new();
    let _processor = harness.start();
    let body = paid("evt_1", "pi_1", "b-1", 500);
    let ack = harness.publish(&body);
    harness.eventually_number(
        1,
        "SELECT count(*) FROM events WHERE applied_at IS NOT NULL",
    );
    let row = |column: &str| {
        harness
            .text(&format!("SELECT {column} FROM events WHERE id = 'evt_1'"))
            .unwrap_or_default()
    };
    assert_eq!(
        row("encode(event_payload('evt_1'), 'escape')"),
        String::from_utf8(body).unwrap()
    );
    assert_eq!(
        row("encode(payload_sha256, 'hex') = encode(sha256(payload), 'hex')"),
        "true"
    );
    assert_eq!(
        row("partition || '/' || \"offset\""),
        format!("{}/{}", ack.partition(), ack.offset())
    );
    assert_eq!(row("trace_id"), TRACE);
    assert_eq!(
        row("source || ' ' || verified_by || ' ' || disposition"),
        "webhook main applied"
    );
    assert_eq!(row("booking_id"), "b-1");
    assert_eq!(row("applied_at > received_at"), "true");
}

#[test]
fn an_older_event_is_kept_and_changes_nothing() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.publish(&paid("evt_2", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    let late = crate::harness::event(
        "evt_1",
        1_789_999_000,
        "payment_intent.processing",
        crate::harness::intent("pi_1", Some("b-1"), "processing", 500),
        serde_json::Value::Null,
    );
    harness.publish(&late);
    // Its claim is the earlier one, which is news; the booking shows the same.
    harness.eventually_number(2, "SELECT count(*) FROM events");
    assert_eq!(harness.status("b-1").as_deref(), Some("confirmed"));
    assert_eq!(
        harness.number("SELECT count(*) FROM booking_transitions"),
        1
    );
}
