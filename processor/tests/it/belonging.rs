//! What contradicts itself about belonging is decided by rule and shown to a person; what is not
//! ours is kept and not folded; a thin event and its snapshot are one change.

use serde_json::{Value, json};

use crate::harness::{Harness, PATIENCE, event, intent, paid};

fn at(id: &str, created: i64, booking: &str) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&paid(id, "pi_1", booking, 500)).unwrap();
    body["created"] = created.into();
    body.to_string().into_bytes()
}

/// What holds whatever came first: `reassigned` says what this database showed for a while.
const FOUND: &str = "SELECT string_agg(kind || ' ' || object_id, ',' ORDER BY kind) FROM findings \
                     WHERE identity IS NOT NULL AND closed_at IS NULL AND kind <> 'reassigned'";

#[test]
fn of_two_booking_ids_of_one_object_the_latest_counts_in_either_order() {
    let (early, late) = (
        at("evt_a", 1_790_000_000, "b-early"),
        at("evt_b", 1_790_000_050, "b-late"),
    );
    for order in [[&early, &late], [&late, &early]] {
        let harness = Harness::new();
        let _processor = harness.start();
        for (count, body) in (1..).zip(order) {
            harness.publish(body);
            harness.eventually_number(count, "SELECT count(*) FROM events");
        }
        harness.eventually_status("b-late", "confirmed");
        assert_ne!(harness.status("b-early").as_deref(), Some("confirmed"));
        assert_eq!(harness.text(FOUND).as_deref(), Some("claim_changed pi_1"));
        harness.publish(&at("evt_c", 1_790_000_060, "b-late"));
        harness.eventually_number(3, "SELECT count(*) FROM events");
        assert_eq!(harness.text(FOUND).as_deref(), Some("claim_changed pi_1"));
        let paid = "SELECT coalesce(sum(amount_paid), 0)::bigint FROM bookings";
        assert_eq!(harness.number(paid), 500, "one payment pays one booking");
    }
}

#[test]
fn captured_money_that_moves_is_told_on_both_bookings_and_for_good() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.publish(&at("evt_a", 1_790_000_000, "b-first"));
    harness.eventually_status("b-first", "confirmed");
    harness.publish(&at("evt_b", 1_790_000_050, "b-second"));
    harness.eventually_status("b-second", "confirmed");
    harness.eventually_status("b-first", "pending");
    let moved = "SELECT count(*) FROM findings WHERE kind = 'reassigned' AND closed_at IS NULL";
    assert_eq!(harness.number(moved), 1);
    let told = "SELECT string_agg(key || ' ' || (payload->'state'->>'status'), ',' ORDER BY key, seq) \
                FROM outbox WHERE payload->'cause'->>'id' = 'evt_b'";
    assert_eq!(
        harness.text(told).as_deref(),
        Some("b-first pending,b-second confirmed")
    );
}

#[test]
fn a_connected_accounts_claim_on_our_booking_is_a_finding_and_confirms_nothing() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.execute("SELECT register_booking('b-1', 500, 'eur')");
    harness.eventually_status("b-1", "pending");
    let mut body: Value = serde_json::from_slice(&paid("evt_1", "pi_9", "b-1", 500)).unwrap();
    body["account"] = "acct_1".into();
    harness.publish(body.to_string().as_bytes());
    harness.eventually_number(1, "SELECT count(*) FROM findings");
    assert_eq!(harness.text(FOUND).as_deref(), Some("foreign_claim pi_9"));
    assert_eq!(harness.status("b-1").as_deref(), Some("pending"));
    // The same object id under our own account is another object.
    harness.publish(&paid("evt_2", "pi_9", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    assert_eq!(
        harness.number("SELECT count(*) FROM objects WHERE id = 'pi_9'"),
        2
    );
}

#[test]
fn events_of_the_other_mode_or_a_strange_account_are_kept_and_not_folded() {
    let harness = Harness::new();
    let mut service = harness
        .builder()
        .env("STRIPE_ALLOWED_ACCOUNTS", "acct_ours")
        .spawn(harness.dir())
        .unwrap();
    service.wait_ready(PATIENCE).unwrap();
    let mut live: Value = serde_json::from_slice(&paid("evt_1", "pi_1", "b-1", 500)).unwrap();
    live["livemode"] = true.into();
    let mut strange: Value = serde_json::from_slice(&paid("evt_2", "pi_2", "b-2", 500)).unwrap();
    strange["account"] = "acct_strange".into();
    for body in [live, strange] {
        harness.publish(body.to_string().as_bytes());
    }
    harness.eventually_number(
        2,
        "SELECT count(*) FROM events WHERE disposition = 'ignored'",
    );
    for table in ["bookings", "objects", "outbox", "findings", "refetches"] {
        assert_eq!(
            harness.number(&format!("SELECT count(*) FROM {table}")),
            0,
            "{table}"
        );
    }
}

fn thin(id: &str, snapshot: &str) -> Vec<u8> {
    json!({
        "id": id, "object": "v2.core.event", "type": "v1.payment_intent.succeeded",
        "created": "2026-09-21T14:13:20.123Z", "livemode": false, "snapshot_event": snapshot,
        "related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"},
    })
    .to_string()
    .into_bytes()
}

#[test]
fn a_thin_event_and_its_snapshot_are_one_change_whichever_comes_first() {
    let snapshot = paid("evt_s", "pi_1", "b-1", 500);
    let thin = thin("evt_t", "evt_s");
    let asked = "SELECT count(*) FROM refetches WHERE state = 'pending'";
    for order in [[&snapshot, &thin], [&thin, &snapshot]] {
        let harness = Harness::new();
        let _processor = harness.start();
        for (count, body) in (1..).zip(order) {
            harness.publish(body);
            harness.eventually_number(count, "SELECT count(*) FROM events");
        }
        harness.eventually_status("b-1", "confirmed");
        assert_eq!(harness.number(asked), 0);
        let told = "SELECT count(*) FROM outbox WHERE kind = 'booking.changed'";
        assert_eq!(harness.number(told), 1);
        let kept = "SELECT string_agg(id || ' ' || disposition, ',' ORDER BY id) FROM events";
        assert_eq!(
            harness.text(kept).as_deref(),
            Some("evt_s applied,evt_t no_change")
        );
    }
}

#[test]
fn a_thin_event_alone_asks_for_its_object_once() {
    let harness = Harness::new();
    let _processor = harness.start();
    for id in ["evt_t", "evt_t", "evt_u"] {
        harness.publish(&thin(id, "evt_never_came"));
    }
    harness.eventually_number(1, "SELECT coalesce(sum(copies), 0) FROM events");
    harness.eventually_number(2, "SELECT count(*) FROM events");
    assert_eq!(
        harness.number("SELECT count(*) FROM refetches WHERE state = 'pending'"),
        1
    );
}

fn resolved(id: &str, impact: Value) -> Vec<u8> {
    json!({
        "id": id, "object": "v2.core.event", "livemode": false, "context": "acct_9",
        "type": "v2.core.health.event_generation_failure.resolved",
        "created": "2026-09-21T14:13:20.123Z", "data": {"impact": impact},
    })
    .to_string()
    .into_bytes()
}

#[test]
fn an_event_that_stripe_could_not_make_asks_for_its_object_once() {
    let harness = Harness::new();
    let _processor = harness.start();
    let impact = json!({
        "event_type": "charge.refunded", "related_object_id": "ch_1",
        "related_object_url": "/v1/charges/ch_1",
    });
    for _copy in 0..2 {
        harness.publish(&resolved("evt_r", impact.clone()));
    }
    harness.eventually_number(1, "SELECT coalesce(sum(copies), 0) FROM events");
    let asked = "SELECT string_agg(concat_ws(' ', account, object_type, object_id, reason, state, \
                 fingerprint, extract(epoch FROM tied_at)::bigint), ',') AS t FROM refetches";
    assert_eq!(
        harness.text(asked).as_deref(),
        Some("acct_9 charge ch_1 not_generated pending not_generated:evt_r 1790000000")
    );
    assert_eq!(harness.number("SELECT count(*) FROM objects"), 0);
}

#[test]
fn a_failure_that_names_no_object_is_kept_and_asks_for_nothing() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.publish(&resolved(
        "evt_r",
        json!({"event_type": "issuing.card.created"}),
    ));
    harness.publish(&resolved("evt_s", json!(["not", {"an": "impact"}])));
    harness.eventually_number(
        2,
        "SELECT count(*) FROM events WHERE disposition = 'no_change'",
    );
    assert_eq!(harness.number("SELECT count(*) FROM refetches"), 0);
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
}

#[test]
fn a_state_that_is_reached_again_is_told_again() {
    let harness = Harness::new();
    let _processor = harness.start();
    for (count, status) in (1..).zip(["processing", "requires_action", "processing"]) {
        let object = intent("pi_1", Some("b-1"), status, 500);
        let id = format!("evt_{count}");
        harness.publish(&event(
            &id,
            1_790_000_000 + count,
            "payment_intent.updated",
            object,
            Value::Null,
        ));
        harness.eventually_number(count, "SELECT count(*) FROM events");
        harness.eventually_status("b-1", status);
    }
    let told = "SELECT string_agg(payload->'state'->>'status', ',' ORDER BY seq) FROM outbox";
    assert_eq!(
        harness.text(told).as_deref(),
        Some("processing,requires_action,processing")
    );
}

#[test]
fn a_booking_that_ends_unpaid_is_a_fact() {
    let harness = Harness::new();
    let _processor = harness.start();
    let object = json!({"id": "cs_1", "object": "checkout.session", "status": "expired", "payment_status": "unpaid", "amount_total": 500, "currency": "jpy", "payment_intent": null, "metadata": {"booking_id": "b-1"}});
    harness.publish(&event(
        "evt_1",
        1_790_000_000,
        "checkout.session.expired",
        object,
        Value::Null,
    ));
    harness.eventually_status("b-1", "canceled");
    let told = "SELECT payload->'state'->>'status' FROM outbox WHERE key = 'b-1'";
    assert_eq!(harness.text(told).as_deref(), Some("canceled"));
}
