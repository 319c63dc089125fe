//! Stripe's objects, as far as a story needs them.

use serde_json::{Value, json};

/// The object with some fields replaced.
pub(super) fn but(mut object: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn named(booking: Option<&str>) -> Value {
    booking.map_or(json!({}), |booking| json!({"booking_id": booking}))
}

pub(super) fn intent(id: &str, booking: Option<&str>, status: &str, amount: i64) -> Value {
    let received = if status == "succeeded" { amount } else { 0 };
    json!({
        "id": id, "object": "payment_intent", "status": status, "amount": amount,
        "amount_received": received, "amount_capturable": 0, "currency": "eur", "created": 100,
        "latest_charge": null, "last_payment_error": null, "metadata": named(booking),
    })
}

/// A charge of this intent, captured.
pub(super) fn charge(id: &str, intent: Option<&str>, amount: i64) -> Value {
    json!({
        "id": id, "object": "charge", "status": "succeeded", "captured": true, "amount": amount,
        "amount_captured": amount, "amount_refunded": 0, "currency": "eur", "created": 100,
        "payment_intent": intent, "metadata": {},
    })
}

/// A charge that only holds money.
pub(super) fn held(id: &str, intent: &str, amount: i64) -> Value {
    but(
        charge(id, Some(intent), amount),
        json!({"captured": false, "amount_captured": 0,
            "payment_method_details": {"type": "card", "card": {"capture_before": 900_000}}}),
    )
}

pub(super) fn refund(id: &str, charge: &str, status: &str, amount: i64, created: i64) -> Value {
    json!({
        "id": id, "object": "refund", "status": status, "amount": amount, "currency": "eur",
        "charge": charge, "payment_intent": null, "created": created, "metadata": {},
    })
}

pub(super) fn dispute(id: &str, charge: &str, status: &str, amount: i64) -> Value {
    json!({
        "id": id, "object": "dispute", "status": status, "amount": amount, "currency": "eur",
        "charge": charge, "created": 500, "metadata": {}, "balance_transactions": [],
    })
}

pub(super) fn session(id: &str, booking: Option<&str>, mode: &str) -> Value {
    json!({
        "id": id, "object": "checkout.session", "mode": mode, "status": "open",
        "payment_status": "unpaid", "amount_total": 10_000, "currency": "eur",
        "payment_intent": null, "subscription": null, "invoice": null, "metadata": named(booking),
    })
}

pub(super) fn invoice(id: &str, booking: Option<&str>, status: &str, amount: i64) -> Value {
    let paid = if status == "paid" { amount } else { 0 };
    json!({
        "id": id, "object": "invoice", "status": status, "amount_due": amount, "total": amount,
        "amount_paid": paid, "attempt_count": 0, "billing_reason": "manual", "currency": "eur",
        "metadata": named(booking), "lines": {"object": "list", "data": [], "has_more": false},
    })
}

/// An invoice of a subscription, in today's shape, with the booking frozen in it.
pub(super) fn renewal(id: &str, reason: &str, booking: &str, status: &str, start: i64) -> Value {
    but(
        invoice(id, None, status, 10_000),
        json!({
            "billing_reason": reason,
            "parent": {"type": "subscription_details", "subscription_details":
                {"subscription": "sub_1", "metadata": {"booking_id": booking}}},
            "lines": {"object": "list", "has_more": false, "data": [{
                "id": format!("il_{id}"), "amount": 10_000, "metadata": {"booking_id": booking},
                "parent": {"type": "subscription_item_details"},
                "period": {"start": start, "end": start + 1_000},
            }]},
        }),
    )
}

pub(super) fn subscription(booking: Option<&str>, status: &str, trial_end: Option<i64>) -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "status": status, "currency": "eur",
        "trial_end": trial_end, "metadata": named(booking), "items": {"data": [], "has_more": false},
    })
}

/// What an intent paid of an invoice.
pub(super) fn invoice_payment(id: &str, invoice: &str, intent: &str, amount: i64) -> Value {
    json!({
        "id": id, "object": "invoice_payment", "status": "paid", "amount_paid": amount,
        "currency": "eur", "invoice": invoice,
        "payment": {"type": "payment_intent", "payment_intent": intent},
    })
}

/// A line that is no subscription's.
pub(super) fn line(id: &str, booking: Option<&str>, amount: i64) -> Value {
    json!({"id": id, "amount": amount, "metadata": named(booking),
        "parent": {"type": "invoice_item_details"}, "discount_amounts": [], "taxes": []})
}
