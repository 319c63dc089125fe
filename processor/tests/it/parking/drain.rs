//! How a queue empties: in order, once, and the hold with it.

use std::time::Duration;

use testbed::testing::eventually;

use super::{block, block_without_a_name, charge, hold, queue, start, step, unblock};
use crate::harness::{Harness, PATIENCE};

/// Events of a booking in the order in which they were applied.
fn applied_in_order(harness: &Harness, booking: &str) -> String {
    harness
        .text(&format!(
            "SELECT string_agg(id, ' ' ORDER BY apply_seq) FROM events WHERE booking_id = '{booking}'"
        ))
        .unwrap_or_default()
}

fn blocked(harness: &Harness) {
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.eventually_status("b-13", "pending");
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT count(*) FROM parked_events");
    // Later offsets, earlier seconds: the queue's order is Stripe's.
    harness.publish_under("elsewhere", &charge("b-13", 30, 500));
    harness.publish(&charge("b-13", 15, 100));
    harness.publish_under("b-7", &charge("b-13", 20, 200));
    harness.eventually_number(4, "SELECT count(*) FROM parked_events");
}

#[test]
fn a_queue_is_applied_in_its_order_and_the_hold_is_lifted_with_the_last() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    blocked(&harness);
    unblock(&harness);
    harness.eventually_status("b-13", "refunded");
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    assert_eq!(
        applied_in_order(&harness, "b-13"),
        "evt_b13_0 evt_b13_10 evt_b13_15 evt_b13_20 evt_b13_30"
    );
    assert_eq!(hold(&harness, "b-13"), None);
    harness.eventually_number(
        5,
        "SELECT count(*) FROM events WHERE applied_at IS NOT NULL AND disposition IN ('applied', 'no_change')",
    );
    // What happened meanwhile is told once, when it is over.
    harness.eventually_number(
        1,
        "SELECT count(*) FROM outbox WHERE key = 'b-13' AND payload->'state'->>'status' = 'refunded'",
    );
    assert_eq!(
        harness.number(
            "SELECT count(*) FROM booking_transitions WHERE booking_id = 'b-13' \
             AND before->>'hold' = 'parked' AND after->>'hold' IS NULL"
        ),
        1
    );
}

#[test]
fn what_nobody_classified_is_tried_for_ever_and_never_a_dead_letter() {
    let harness = Harness::new();
    block_without_a_name(&harness, "b-13");
    let _processor = start(&harness, 2);
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.publish(&step("b-13", 10, "succeeded"));
    let attempts =
        "SELECT coalesce(max(attempts), 0) FROM parked_events WHERE error_class = 'unclassified'";
    eventually(PATIENCE, "many attempts", || harness.number(attempts) >= 5);
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
    unblock(&harness);
    harness.eventually_status("b-13", "confirmed");
    assert_eq!(hold(&harness, "b-13"), None);
}

#[test]
fn two_processors_drain_one_queue_and_apply_each_event_once() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let (_one, _two) = (start(&harness, 1_000), start(&harness, 1_000));
    blocked(&harness);
    for second in 40..140 {
        harness.publish(&charge("b-13", second, 500));
    }
    harness.eventually_number(104, "SELECT count(*) FROM parked_events");
    unblock(&harness);
    harness.eventually_status("b-13", "refunded");
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    assert_eq!(
        harness.number("SELECT count(*) FROM events WHERE disposition = 'parked'"),
        0
    );
    assert_eq!(
        harness.number(
            "SELECT count(*) - max(version) FROM booking_transitions WHERE booking_id = 'b-13'"
        ),
        0
    );
}

#[test]
fn a_processor_killed_while_it_drains_leaves_the_rest_in_order() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let mut processor = start(&harness, 1_000);
    blocked(&harness);
    for second in 40..400 {
        harness.publish(&charge("b-13", second, 500));
    }
    harness.eventually_number(364, "SELECT count(*) FROM parked_events");
    unblock(&harness);
    eventually(PATIENCE, "some are applied", || {
        harness.number("SELECT count(*) FROM parked_events") < 364
    });
    processor.kill9().unwrap();
    processor.start_again().unwrap();
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    harness.eventually_status("b-13", "refunded");
    assert_eq!(hold(&harness, "b-13"), None);
    let unordered = "SELECT count(*) FROM (SELECT created - lag(created) OVER (ORDER BY apply_seq) AS step \
                     FROM events WHERE booking_id = 'b-13') s WHERE step < interval '0'";
    assert_eq!(harness.number(unordered), 0);
}

#[test]
fn live_events_while_a_queue_drains_end_in_the_same_rows() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    blocked(&harness);
    std::thread::scope(|scope| {
        let live = scope.spawn(|| {
            for second in 40..240 {
                harness.publish(&charge("b-13", second, 500));
                std::thread::park_timeout(Duration::from_millis(2));
            }
        });
        unblock(&harness);
        live.join().unwrap();
    });
    harness.eventually_number(
        205,
        "SELECT count(*) FROM events WHERE disposition IN ('applied', 'no_change')",
    );
    harness.eventually_status("b-13", "refunded");
    assert_eq!(hold(&harness, "b-13"), None);
    assert_eq!(queue(&harness, "b-13"), "");
}

#[test]
fn an_event_that_was_dead_without_a_time_and_comes_back_behind_a_blocked_one_is_applied() {
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = start(&harness, 1_000);
    // Unreadable, so its ledger row lies under no time of its own.
    harness.publish(b"{\"object\":\"event\",\"id\":\"evt_b13_20\",\"type\":\"\",\"data\":{}}");
    harness.eventually_number(1, "SELECT count(*) FROM dead_letters");
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.eventually_status("b-13", "pending");
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT count(*) FROM parked_events");
    harness.publish(&charge("b-13", 20, 500));
    harness.eventually_number(2, "SELECT count(*) FROM parked_events");
    unblock(&harness);
    harness.eventually_status("b-13", "refunded");
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    assert_eq!(hold(&harness, "b-13"), None);
    assert_eq!(
        harness
            .text("SELECT status FROM dead_letters WHERE event_id = 'evt_b13_20'")
            .as_deref(),
        Some("replayed")
    );
}

#[test]
fn an_event_before_two_blocked_heads_does_not_go_round_between_their_queues() {
    let harness = Harness::new();
    harness.execute(
        "ALTER TABLE bookings ADD CONSTRAINT planted CHECK (id NOT IN ('b-1', 'b-2') OR amount_paid = 0)",
    );
    let _processor = start(&harness, 1_000);
    for booking in ["b-1", "b-2"] {
        harness.publish(&step(booking, 0, "requires_payment_method"));
        harness.eventually_status(booking, "pending");
        harness.publish(&step(booking, 10, "succeeded"));
    }
    harness.eventually_number(2, "SELECT count(*) FROM parked_events");
    let object = serde_json::json!({
        "id": "dp_1", "object": "dispute", "status": "needs_response", "amount": 500,
        "currency": "eur", "payment_intent": "pi_b1", "charge": "ch_b2", "metadata": {},
    });
    let charged = serde_json::json!({
        "id": "ch_b2", "object": "charge", "status": "succeeded", "amount": 500, "currency": "eur",
        "amount_captured": 0, "amount_refunded": 0, "payment_intent": "pi_b2", "metadata": {},
    });
    for (id, kind, object) in [
        ("evt_charge", "charge.updated", charged),
        ("evt_dispute", "charge.dispute.created", object),
    ] {
        harness.publish(&crate::harness::event(
            id,
            super::START + 1,
            kind,
            object,
            serde_json::Value::Null,
        ));
        let settled = format!(
            "SELECT count(*) FROM events WHERE id = '{id}' AND disposition IN ('applied', 'no_change')"
        );
        harness.eventually_number(1, &settled);
    }
    assert_eq!(queue(&harness, "b-1"), "evt_b1_10");
    assert_eq!(queue(&harness, "b-2"), "evt_b2_10");
}
