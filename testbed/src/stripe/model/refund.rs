//! Refunds (docs.stripe.com/api/refunds): no metadata of their own here.

use serde_json::{Value, json};

use super::text;

pub(crate) fn new(id: &str, charge: &Value, amount: i64, status: &str, now_s: i64) -> Value {
    json!({
        "id": id, "object": "refund", "amount": amount,
        "balance_transaction": null, "charge": text(charge, "id"), "created": now_s,
        "currency": text(charge, "currency"), "customer": text(charge, "customer"),
        "customer_account": null,
        "destination_details": {"card": {"reference_status": "pending",
            "reference_type": "acquirer_reference_number", "type": "refund"}, "type": "card"},
        "metadata": {}, "payment_intent": text(charge, "payment_intent"),
        "payment_method": text(charge, "payment_method"), "reason": "requested_by_customer",
        "receipt_number": null, "source_transfer_reversal": null, "status": status,
        "transfer_reversal": null,
    })
}

/// The bank has named its reference; the status stays.
pub(crate) fn referenced() -> Value {
    json!({"destination_details": {"card": {"reference": "123456789012", "reference_status": "available"}}})
}

pub(crate) fn failed() -> Value {
    json!({"status": "failed", "failure_reason": "lost_or_stolen_card",
        "failure_balance_transaction": null})
}
