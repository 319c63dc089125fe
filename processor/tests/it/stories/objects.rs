//! Stripe objects as the stories need them, in the newest shape and in one before basil.

use serde_json::{Value, json};

use super::{DAY, DAY_0};

/// A subscription to one price, `changes` laid over it.
pub(crate) fn subscription(status: &str, changes: Value) -> Value {
    let mut object = json!({
        "id": "sub_1", "object": "subscription", "status": status, "customer": "cus_1",
        "currency": "eur", "created": DAY_0, "start_date": DAY_0, "trial_start": null,
        "trial_end": null, "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
        "ended_at": null, "pause_collection": null, "collection_method": "charge_automatically",
        "latest_invoice": "in_1", "metadata": {},
        "items": {"object": "list", "has_more": false, "data": [item("si_1", "price_month", 30)]},
    });
    lay(&mut object, changes);
    object
}

pub(crate) fn item(id: &str, price: &str, days: i64) -> Value {
    json!({
        "id": id, "object": "subscription_item", "created": DAY_0, "quantity": 1,
        "current_period_start": DAY_0, "current_period_end": DAY_0 + days * DAY,
        "price": {"id": price, "object": "price", "product": "prod_1", "lookup_key": null},
    })
}

/// The same subscription as versions before basil show it.
pub(crate) fn before_basil(mut object: Value) -> Value {
    let item = object["items"]["data"][0].clone();
    for name in ["current_period_start", "current_period_end"] {
        object[name] = item[name].clone();
        object["items"]["data"][0]
            .as_object_mut()
            .unwrap()
            .remove(name);
    }
    object
}

pub(crate) fn invoice(status: &str, changes: Value) -> Value {
    let mut object = json!({
        "id": "in_1", "object": "invoice", "status": status, "customer": "cus_1",
        "currency": "eur", "amount_due": 900, "amount_paid": 0, "amount_remaining": 900,
        "total": 900, "attempt_count": 0, "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically", "due_date": null,
        "next_payment_attempt": null, "metadata": {}, "payments": {"data": []},
        "parent": {"type": "subscription_details",
            "subscription_details": {"subscription": "sub_1", "metadata": {}}},
        "status_transitions": {"finalized_at": null, "paid_at": null, "voided_at": null},
    });
    lay(&mut object, changes);
    object
}

fn lay(object: &mut Value, changes: Value) {
    for (name, value) in changes.as_object().cloned().unwrap_or_default() {
        object[name] = value;
    }
}
