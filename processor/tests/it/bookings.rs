//! Objects find their booking, whichever comes first.

use serde_json::{Value, json};

use crate::harness::{Harness, event, intent, paid};

fn dispute(id: &str) -> Vec<u8> {
    let object = json!({"id": id, "object": "dispute", "status": "needs_response", "amount": 500, "currency": "eur", "charge": "ch_1", "payment_intent": null, "metadata": {}});
    event(
        &format!("evt_{id}"),
        1_790_000_100,
        "charge.dispute.created",
        object,
        Value::Null,
    )
}

fn charge() -> Vec<u8> {
    let object = json!({"id": "ch_1", "object": "charge", "status": "succeeded", "captured": true, "amount": 500, "amount_captured": 500, "amount_refunded": 0, "currency": "eur", "payment_intent": "pi_1", "metadata": {}});
    event(
        "evt_ch",
        1_790_000_000,
        "charge.succeeded",
        object,
        Value::Null,
    )
}

#[test]
fn a_dispute_without_metadata_joins_its_booking_when_the_link_is_learned() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.publish(&dispute("dp_1"));
    harness.eventually_number(1, "SELECT count(*) FROM events WHERE booking_id IS NULL");
    harness.publish(&charge());
    harness.publish(&paid("evt_pi", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "disputed");
    assert_eq!(
        harness.number("SELECT count(*) FROM objects WHERE booking_id = 'b-1'"),
        3
    );
}

#[test]
fn a_registration_before_or_after_the_payment_ends_the_same() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.execute("SELECT register_booking('before', 500, 'EUR')");
    harness.eventually_status("before", "pending");
    harness.publish(&paid("evt_1", "pi_1", "before", 500));
    harness.publish(&paid("evt_2", "pi_2", "after", 500));
    harness.eventually_status("before", "confirmed");
    harness.eventually_status("after", "confirmed");
    harness.execute("SELECT register_booking('after', 500, 'eur')");
    harness.eventually_number(
        1,
        "SELECT count(*) FROM bookings WHERE id = 'after' AND expected_amount = 500",
    );
    assert_eq!(harness.status("after").as_deref(), Some("confirmed"));
}

#[test]
fn a_registered_payment_intent_needs_no_metadata() {
    let harness = Harness::new();
    let _processor = harness.start();
    let silent = event(
        "evt_1",
        1_790_000_000,
        "payment_intent.succeeded",
        intent("pi_silent", None, "succeeded", 900),
        Value::Null,
    );
    harness.publish(&silent);
    harness.eventually_number(1, "SELECT count(*) FROM events");
    harness.execute("SELECT register_booking('b-1', 900, 'eur', 'pi_silent')");
    harness.eventually_status("b-1", "confirmed");
}

#[test]
fn paid_other_than_registered_is_a_mismatch() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.execute("SELECT register_booking('b-1', 501, 'eur')");
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "amount_mismatch");
}

#[test]
fn a_connected_account_cannot_claim_a_booking_of_ours() {
    let harness = Harness::new();
    let _processor = harness.start();
    let foreign = String::from_utf8(paid("evt_1", "pi_1", "ours", 500)).unwrap();
    let foreign = foreign.replacen('{', r#"{"account":"acct_1","#, 1);
    harness.publish(foreign.as_bytes());
    harness.eventually_number(
        1,
        "SELECT count(*) FROM events WHERE account = 'acct_1' AND disposition = 'applied'",
    );
    assert_eq!(harness.status("ours"), None);
    harness.execute("SELECT register_booking('ours', 500, 'eur', NULL, 'acct_1')");
    harness.eventually_status("ours", "confirmed");
}

#[test]
fn events_of_the_other_mode_are_stored_and_not_folded() {
    let harness = Harness::new();
    let _processor = harness.start();
    let live = String::from_utf8(paid("evt_1", "pi_1", "b-1", 500)).unwrap();
    harness.publish(
        live.replace(r#""livemode":false"#, r#""livemode":true"#)
            .as_bytes(),
    );
    harness.eventually_number(
        1,
        "SELECT count(*) FROM events WHERE disposition = 'ignored'",
    );
    assert_eq!(harness.status("b-1"), None);
    assert_eq!(harness.number("SELECT count(*) FROM objects"), 0);
}

#[test]
fn a_tie_holds_the_booking_and_asks_stripe_once() {
    let harness = Harness::new();
    let _processor = harness.start();
    for (id, status) in [("evt_a", "requires_action"), ("evt_b", "processing")] {
        let body = event(
            id,
            1_790_000_000,
            "payment_intent.updated",
            intent("pi_1", Some("b-1"), status, 500),
            Value::Null,
        );
        harness.publish(&body);
        harness.publish(&body);
    }
    harness.eventually_number(1, "SELECT count(*) FROM bookings WHERE hold = 'uncertain'");
    harness.eventually_number(
        1,
        "SELECT count(*) FROM refetches WHERE reason = 'tie' AND object_id = 'pi_1'",
    );
    harness.publish(&paid("evt_c", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    assert_eq!(
        harness.number("SELECT count(*) FROM bookings WHERE hold IS NOT NULL"),
        0
    );
}

#[test]
fn every_order_of_a_bookings_events_ends_in_the_same_rows() {
    let harness = Harness::new();
    let _processor = harness.start();
    let body = |n: usize, which: usize| {
        let (booking, suffix) = (format!("b-{n}"), format!("{n}_{which}"));
        let pi = format!("pi_{n}");
        let text = match which {
            0 => paid(&format!("evt_{suffix}"), &pi, &booking, 500),
            1 => charge(),
            _ => dispute("dp_1"),
        };
        let text = String::from_utf8(text).unwrap();
        text.replace("evt_ch", &format!("evt_{suffix}"))
            .replace("evt_dp_1", &format!("evt_{suffix}"))
            .replace("\"pi_1\"", &format!("\"{pi}\""))
            .replace("ch_1", &format!("ch_{n}"))
            .replace("dp_1", &format!("dp_{n}"))
    };
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for (n, order) in orders.iter().enumerate() {
        for which in order {
            harness.publish_under(&format!("{n}-{which}"), body(n, *which).as_bytes());
        }
    }
    harness.eventually_number(
        6,
        "SELECT count(*) FROM bookings WHERE status = 'disputed' AND amount_paid = 500",
    );
    assert_eq!(harness.number("SELECT count(DISTINCT (SELECT count(*) FROM objects o WHERE o.booking_id = b.id)) FROM bookings b"), 1);
}
