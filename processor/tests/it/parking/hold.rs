//! What waits behind a blocked booking, and what does not.

use serde_json::json;
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};

use super::{block, charge, hold, queue, start, step};
use crate::harness::{Harness, paid};

fn publish_observation(harness: &Harness, key: &str, at: i64, object: &serde_json::Value) {
    let headers = RecordHeaders {
        ce_id: format!("obs_{at:032x}"),
        record: RecordKind::Observation,
        source: Source::Refetch,
        observed_at: Some(at),
        ..RecordHeaders::default()
    };
    let value = object.to_string().into_bytes();
    harness
        .producer
        .append_raw_blocking(&harness.topics.events, key, &value, headers.to_kafka())
        .unwrap();
}

#[test]
fn a_blocked_booking_waits_with_all_its_events_and_the_others_go_on() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT count(*) FROM parked_events");
    // No word about the booking, another key, another partition: it waits all the same.
    harness.publish_under("elsewhere", &charge("b-13", 20, 500));
    harness.publish_under("b-7", &charge("b-13", 15, 200));
    for n in 0..40 {
        harness.publish(&paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("b-{}", n + 100),
            500,
        ));
    }
    harness.eventually_number(
        40,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    harness.eventually_number(3, "SELECT count(*) FROM parked_events");
    assert_eq!(queue(&harness, "b-13"), "evt_b13_10 evt_b13_15 evt_b13_20");
    assert_eq!(hold(&harness, "b-13").as_deref(), Some("parked"));
    assert_eq!(harness.status("b-13").as_deref(), Some("pending"));
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
    assert_eq!(
        harness.number("SELECT count(*) FROM events WHERE disposition = 'parked'"),
        3
    );
    assert_eq!(
        harness.number(
            "SELECT count(*) FROM events WHERE disposition = 'parked' AND applied_at IS NOT NULL"
        ),
        0
    );
}

#[test]
fn an_earlier_event_that_comes_late_and_can_be_applied_does_not_wait_for_the_blocked_one() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT count(*) FROM parked_events");
    harness.publish(&step("b-13", 5, "processing"));
    harness.eventually_status("b-13", "processing");
    assert_eq!(queue(&harness, "b-13"), "evt_b13_10");
    assert_eq!(hold(&harness, "b-13").as_deref(), Some("parked"));
}

#[test]
fn a_hold_is_in_the_audit_trail_and_no_fact_leaves_while_it_lasts() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.eventually_number(1, "SELECT count(*) FROM outbox WHERE key = 'b-13'");
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(
        1,
        "SELECT count(*) FROM booking_transitions WHERE booking_id = 'b-13' \
         AND after->>'hold' = 'parked' AND before->>'hold' IS NULL AND cause_id = 'evt_b13_10'",
    );
    assert_eq!(
        harness.number("SELECT count(*) FROM outbox WHERE key = 'b-13'"),
        1
    );
}

#[test]
fn an_observation_never_waits() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT count(*) FROM parked_events");
    let object = json!({
        "id": "pi_b13", "object": "payment_intent", "status": "processing", "amount": 500,
        "amount_received": 0, "currency": "eur", "metadata": {"booking_id": "b-13"},
    });
    publish_observation(&harness, "b-13", super::START + 15, &object);
    harness.eventually_status("b-13", "processing");
    assert_eq!(hold(&harness, "b-13").as_deref(), Some("parked"));
    assert_eq!(queue(&harness, "b-13"), "evt_b13_10");
}

#[test]
fn an_observation_that_fails_waits_alone_and_holds_no_booking() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    let object = json!({
        "id": "pi_b13", "object": "payment_intent", "status": "succeeded", "amount": 500,
        "amount_received": 500, "currency": "eur", "metadata": {"booking_id": "b-13"},
    });
    publish_observation(&harness, "b-13", super::START, &object);
    harness.eventually_number(
        1,
        "SELECT count(*) FROM parked_events WHERE booking_id LIKE 'obs\\_%'",
    );
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.eventually_status("b-13", "pending");
    assert_eq!(hold(&harness, "b-13"), None);
    super::unblock(&harness);
    harness.eventually_status("b-13", "confirmed");
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
}

#[test]
fn a_booking_whose_row_cannot_even_be_made_is_parked_with_all_that_follows() {
    let harness = Harness::new();
    harness.execute("ALTER TABLE bookings ADD CONSTRAINT planted CHECK (id <> 'b-13')");
    let _processor = start(&harness, 1_000);
    for second in 0..30 {
        harness.publish(&step("b-13", second, "requires_payment_method"));
        harness.publish(&paid(
            &format!("evt_n{second}"),
            &format!("pi_n{second}"),
            &format!("b-n{second}"),
            500,
        ));
    }
    harness.eventually_number(
        30,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    harness.eventually_number(
        30,
        "SELECT count(*) FROM parked_events WHERE booking_id = 'b-13'",
    );
    // Only the head was tried; the others were never looked into.
    assert_eq!(
        harness.number("SELECT count(*) FROM parked_events WHERE attempts > 0"),
        1
    );
    super::unblock(&harness);
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    harness.eventually_status("b-13", "pending");
    assert_eq!(hold(&harness, "b-13"), None);
}

#[test]
fn an_event_that_touches_two_blocked_bookings_waits_behind_the_smaller_and_then_the_other() {
    let harness = Harness::new();
    harness.execute(
        "ALTER TABLE bookings ADD CONSTRAINT planted CHECK (id NOT IN ('b-1', 'b-2') OR amount_paid = 0)",
    );
    let _processor = start(&harness, 1_000);
    for booking in ["b-1", "b-2"] {
        harness.publish(&step(booking, 0, "requires_payment_method"));
        harness.publish(&step(booking, 10, "succeeded"));
    }
    harness.eventually_number(2, "SELECT count(*) FROM parked_events");
    // A dispute that names the payments of both.
    let object = json!({
        "id": "dp_1", "object": "dispute", "status": "needs_response", "amount": 500, "currency": "eur",
        "payment_intent": "pi_b1", "charge": "ch_b2", "metadata": {},
    });
    harness.publish(&crate::harness::event(
        "evt_charge", super::START + 11, "charge.succeeded",
        json!({"id": "ch_b2", "object": "charge", "status": "succeeded", "amount": 500, "currency": "eur",
               "amount_captured": 500, "amount_refunded": 0, "payment_intent": "pi_b2", "metadata": {}}),
        json!(null),
    ));
    harness.eventually_number(3, "SELECT count(*) FROM parked_events");
    harness.publish(&crate::harness::event(
        "evt_dispute",
        super::START + 20,
        "charge.dispute.created",
        object,
        json!(null),
    ));
    harness.eventually_number(4, "SELECT count(*) FROM parked_events");
    assert_eq!(queue(&harness, "b-1"), "evt_b1_10 evt_dispute");
    assert_eq!(queue(&harness, "b-2"), "evt_b2_10 evt_charge");
    super::unblock(&harness);
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    harness.eventually_status("b-1", "disputed");
    harness.eventually_number(0, "SELECT count(*) FROM bookings WHERE hold IS NOT NULL");
}
