//! A payment: attempts, captures, refunds that fail, disputes that are won late.
//!
//! Source: docs.stripe.com/payments/paymentintents/lifecycle, /refunds, /disputes.

use rand::RngExt;
use serde_json::{Value, json};

use super::Recorder;
use super::expected::{number, text};
use super::ledger::{Kind, Share};

const CURRENCIES: &[&str] = &["eur", "usd", "jpy", "kwd"];

pub(super) fn live(history: &mut Recorder) {
    let booking = history.id("booking");
    history.ledger.open(&booking, None);
    play(history, &booking);
    keep_books(history, &booking);
}

fn play(history: &mut Recorder, booking: &str) {
    let currency = CURRENCIES
        .get(history.random.random_range(0..4_usize))
        .copied()
        .unwrap_or("eur");
    let session = history
        .happens(0.5)
        .then(|| open_session(history, booking, currency));
    history.tick(300);
    let canceled_first = history.happens(0.1);
    if canceled_first {
        let intent = open_intent(history, booking, currency);
        history.tick(600);
        history.change(
            "payment_intent.canceled",
            &intent,
            &json!({"status": "canceled"}),
        );
    }
    let intent = open_intent(history, booking, currency);
    attempt(history, &intent);
    let Some(charge) = settle(history, &intent) else {
        return;
    };
    if let Some(session) = session {
        complete_session(history, &session, &intent);
    }
    if history.happens(0.4) {
        refund(history, &charge);
    }
    if history.happens(0.2) {
        dispute(history, &charge);
    }
}

fn open_session(history: &mut Recorder, booking: &str, currency: &str) -> String {
    let id = history.id("cs");
    history.create(
        "checkout.session.created",
        json!({
            "id": id, "object": "checkout.session", "status": "open", "payment_status": "unpaid",
            "currency": currency, "payment_intent": null, "metadata": {"booking_id": booking},
        }),
    )
}

fn complete_session(history: &mut Recorder, session: &str, intent: &str) {
    let later = history.happens(0.3);
    let now = if later { "unpaid" } else { "paid" };
    history.change(
        "checkout.session.completed",
        session,
        &json!({"status": "complete", "payment_status": now, "payment_intent": intent}),
    );
    if later {
        history.tick(86_400);
        history.change(
            "checkout.session.async_payment_succeeded",
            session,
            &json!({"payment_status": "paid"}),
        );
    }
}

fn open_intent(history: &mut Recorder, booking: &str, currency: &str) -> String {
    let id = history.id("pi");
    let amount = history.random.random_range(100..100_000_i64);
    history.create("payment_intent.created", json!({
        "id": id, "object": "payment_intent", "status": "requires_payment_method",
        "amount": amount, "amount_received": 0, "amount_capturable": 0, "created": history.now, "currency": currency, "last_payment_error": null,
        "latest_charge": null, "metadata": {"booking_id": booking},
    }))
}

/// Up to three tries, each of which may fall back to the start.
fn attempt(history: &mut Recorder, intent: &str) {
    for _try in 0..history.random.random_range(0..3_u32) {
        history.tick(120);
        history.change(
            "payment_intent.requires_action",
            intent,
            &json!({"status": "requires_action", "last_payment_error": null}),
        );
        if history.happens(0.5) {
            history.tick(120);
            history.change(
                "payment_intent.processing",
                intent,
                &json!({"status": "processing"}),
            );
        }
        if history.happens(0.6) {
            history.tick(120);
            history.change("payment_intent.payment_failed", intent,
                &json!({"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}));
        }
    }
}

/// The charge, if money came.
fn settle(history: &mut Recorder, intent: &str) -> Option<String> {
    history.tick(300);
    let object = history.get(intent).clone();
    let amount = number(&object, "amount");
    if history.happens(0.2) {
        if history.happens(0.5) {
            history.change(
                "payment_intent.canceled",
                intent,
                &json!({"status": "canceled"}),
            );
        }
        return None;
    }
    let id = history.id("ch");
    let manual = history.happens(0.25);
    let captured = if manual && history.happens(0.5) {
        history.random.random_range(1..=amount)
    } else {
        amount
    };
    let charge = json!({
        "id": id, "object": "charge", "status": "succeeded", "captured": !manual,
        "amount": amount, "amount_captured": if manual { 0 } else { amount }, "amount_refunded": 0,
        "created": history.now, "disputed": false, "refunded": false, "currency": object.get("currency"),
        "payment_intent": intent, "metadata": {},
    });
    if manual {
        history.change(
            "payment_intent.amount_capturable_updated",
            intent,
            &json!({"status": "requires_capture", "latest_charge": id, "amount_capturable": amount}),
        );
        history.create("charge.succeeded", charge);
        history.tick(86_400);
        history.change(
            "charge.captured",
            &id,
            &json!({"captured": true, "amount_captured": captured}),
        );
    } else {
        history.create("charge.succeeded", charge);
    }
    history.change("payment_intent.succeeded", intent,
        &json!({"status": "succeeded", "amount_received": captured, "amount_capturable": 0, "latest_charge": id, "last_payment_error": null}));
    Some(id)
}

fn refund(history: &mut Recorder, charge: &str) {
    for _part in 0..history.random.random_range(1..=3_u32) {
        history.tick(3_600);
        let object = history.get(charge).clone();
        let (captured, before) = (
            number(&object, "amount_captured"),
            number(&object, "amount_refunded"),
        );
        let left = captured - before;
        if left <= 0 {
            return;
        }
        let amount = if history.happens(0.5) {
            left
        } else {
            history.random.random_range(1..=left)
        };
        let id = history.id("re");
        history.create(
            "refund.created",
            json!({
                "id": id, "object": "refund", "status": "pending", "amount": amount,
                "currency": object.get("currency"), "charge": charge, "created": history.now,
                "payment_intent": object.get("payment_intent"), "metadata": {},
            }),
        );
        history.change(
            "charge.refunded",
            charge,
            &json!({"amount_refunded": before + amount, "refunded": before + amount == captured}),
        );
        history.tick(3_600);
        if history.happens(0.8) {
            history.change("refund.updated", &id, &json!({"status": "succeeded"}));
        }
        // The bank sends it back, also after it succeeded.
        if history.happens(0.25) {
            history.tick(86_400);
            history.change("refund.failed", &id, &json!({"status": "failed"}));
            history.change(
                "charge.updated",
                charge,
                &json!({"amount_refunded": before, "refunded": false}),
            );
        }
    }
}

fn dispute(history: &mut Recorder, charge: &str) {
    history.tick(86_400);
    let object = history.get(charge).clone();
    let id = history.id("dp");
    let inquiry = history.happens(0.3);
    let first = if inquiry {
        "warning_needs_response"
    } else {
        "needs_response"
    };
    history.create(
        "charge.dispute.created",
        json!({
            "id": id, "object": "dispute", "status": first, "amount": object.get("amount_captured"),
            "currency": object.get("currency"), "charge": charge, "created": history.now,
            "payment_intent": object.get("payment_intent"), "metadata": {},
        }),
    );
    history.change("charge.updated", charge, &json!({"disputed": true}));
    let mut path: Vec<(&str, &str)> = Vec::new();
    if inquiry {
        path.push(("charge.dispute.updated", "warning_under_review"));
        if history.happens(0.5) {
            path.push(("charge.dispute.closed", "warning_closed"));
        } else {
            path.push(("charge.dispute.updated", "needs_response"));
        }
    }
    if path
        .last()
        .is_none_or(|(_, status)| *status == "needs_response")
    {
        path.push(("charge.dispute.updated", "under_review"));
        path.push((
            "charge.dispute.closed",
            if history.happens(0.5) { "won" } else { "lost" },
        ));
        if path.last().is_some_and(|(_, status)| *status == "lost") && history.happens(0.3) {
            path.push(("charge.dispute.updated", "won"));
        }
    }
    let steps = history.random.random_range(0..=path.len());
    for (event_type, status) in path.into_iter().take(steps) {
        history.tick(86_400);
        history.change(event_type, &id, &json!({ "status": status }));
    }
}

/// The booking's money and attempts, from the objects as they are in the end.
fn keep_books(history: &mut Recorder, booking: &str) {
    let share_of = |object: &Value, payment: &str| Share {
        payment: payment.to_owned(),
        booking: Some(booking.to_owned()),
        currency: text(object, "currency"),
    };
    let all = |kind: &str| -> Vec<Value> { history.of_kind(kind).into_iter().cloned().collect() };
    let (intents, sessions) = (all("payment_intent"), all("checkout.session"));
    let (refunds, disputes) = (all("refund"), all("dispute"));
    let ledger = &mut history.ledger;
    for intent in &intents {
        let id = text(intent, "id");
        let share = share_of(intent, &id);
        ledger.write(
            &share,
            &id,
            Kind::Captured,
            number(intent, "amount_received"),
        );
        match text(intent, "status").as_str() {
            "succeeded" => ledger.finish(&id),
            "processing" => ledger.write(&share, &id, Kind::InFlight, number(intent, "amount")),
            _ => {}
        }
        ledger.attempt(&id, Some(booking), attempted(intent));
    }
    // A session that names no payment intent is an attempt of its own.
    for session in &sessions {
        if session.get("payment_intent") == Some(&Value::Null) {
            ledger.attempt(&text(session, "id"), Some(booking), "pending");
        }
    }
    for refund in &refunds {
        if ["pending", "succeeded"].contains(&text(refund, "status").as_str()) {
            let share = share_of(refund, &text(refund, "payment_intent"));
            ledger.write(
                &share,
                &text(refund, "id"),
                Kind::Refunded,
                number(refund, "amount"),
            );
        }
    }
    for dispute in &disputes {
        let share = share_of(dispute, &text(dispute, "payment_intent"));
        let kind = match text(dispute, "status").as_str() {
            "lost" => Kind::Lost,
            "needs_response" | "under_review" => Kind::Disputed,
            _ => continue,
        };
        ledger.write(
            &share,
            &text(dispute, "id"),
            kind,
            number(dispute, "amount"),
        );
    }
}

fn attempted(intent: &Value) -> &'static str {
    match text(intent, "status").as_str() {
        "succeeded" => "paid",
        "processing" => "processing",
        "requires_action" => "requires_action",
        "canceled" => "canceled",
        _ if intent.get("last_payment_error") != Some(&Value::Null) => "payment_failed",
        _ => "pending",
    }
}
