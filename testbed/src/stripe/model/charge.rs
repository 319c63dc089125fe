//! Charges (docs.stripe.com/api/charges). Metadata is the payment intent's, copied once.

use serde_json::{Value, json};

use super::{Common, address};

/// A pending charge of an attempt; one of the patches below decides it.
pub(crate) fn new(common: &Common, id: &str, intent: &str, metadata: &Value) -> Value {
    json!({
        "id": id, "object": "charge", "amount": common.amount, "amount_captured": 0,
        "amount_refunded": 0, "application": null, "application_fee": null,
        "application_fee_amount": null, "balance_transaction": null,
        "billing_details": {"address": address(), "email": null, "name": "Guest", "phone": null, "tax_id": null},
        "calculated_statement_descriptor": "BOOKING", "captured": false,
        "created": common.created, "currency": common.currency, "customer": common.customer,
        "description": null, "disputed": false, "failure_balance_transaction": null,
        "failure_code": null, "failure_message": null, "fraud_details": {},
        "livemode": common.livemode, "metadata": metadata, "on_behalf_of": null, "outcome": null,
        "paid": false, "payment_intent": intent, "payment_method": common.payment_method,
        "payment_method_details": {"card": {
            "amount_authorized": common.amount, "authorization_code": null, "brand": "visa",
            "checks": {"address_line1_check": null, "address_postal_code_check": "pass", "cvc_check": "pass"},
            "country": "US", "exp_month": 8, "exp_year": 2030,
            "extended_authorization": {"status": "disabled"}, "fingerprint": "AOB934RVNwzk6xtn",
            "funding": "credit", "incremental_authorization": {"status": "unavailable"},
            "installments": null, "last4": "4242", "mandate": null,
            "multicapture": {"status": "unavailable"}, "network": "visa",
            "network_token": {"used": false}, "network_transaction_id": "573199161391411",
            "overcapture": {"maximum_amount_capturable": common.amount, "status": "unavailable"},
            "regulated_status": "unregulated", "three_d_secure": null, "wallet": null}, "type": "card"},
        "presentment_details": null, "radar_options": {}, "receipt_email": null,
        "receipt_number": null, "receipt_url": null, "refunded": false, "review": null,
        "shipping": null, "source": null, "source_transfer": null, "statement_descriptor": null,
        "statement_descriptor_suffix": null, "status": "pending", "transfer_data": null,
        "transfer_group": null,
    })
}

fn outcome(kind: &str, message: &str) -> Value {
    json!({"advice_code": null, "network_advice_code": null, "network_decline_code": null,
        "network_status": if kind == "authorized" { "approved_by_network" } else { "declined_by_network" },
        "reason": null, "risk_level": "normal", "risk_score": 12, "seller_message": message, "type": kind})
}

/// Held, not captured, until `capture_before`; may be captured in several parts.
pub(crate) fn authorized(capture_before: i64) -> Value {
    json!({"status": "succeeded", "paid": true, "outcome": outcome("authorized", "Payment complete."),
        "payment_method_details": {"card": {"capture_before": capture_before,
            "multicapture": {"status": "available"}}}})
}

/// A part is captured and the rest stays held: the charge is not `captured` yet.
pub(crate) fn captured_so_far(amount: i64) -> Value {
    json!({ "amount_captured": amount })
}

/// An authorization that never became money was given back (versions before basil show a refund).
pub(crate) fn released_whole(amount: i64) -> Value {
    json!({"amount_captured": null, "amount_refunded": amount, "refunded": true})
}

pub(crate) fn captured(amount: i64) -> Value {
    json!({"status": "succeeded", "paid": true, "captured": true, "amount_captured": amount,
        "outcome": outcome("authorized", "Payment complete.")})
}

pub(crate) fn failed(code: &str) -> Value {
    json!({"status": "failed", "paid": false, "failure_code": code,
        "failure_message": "Your card was declined.",
        "outcome": outcome("issuer_declined", "The bank did not return any further details.")})
}

/// The asynchronous capture has been booked.
pub(crate) fn settled(balance_transaction: &str, id: &str) -> Value {
    json!({"balance_transaction": balance_transaction,
        "receipt_url": format!("https://pay.stripe.com/receipts/payment/{id}")})
}

/// `refunded` minor units have been given back so far, of `whole` that could be.
pub(crate) fn refunded(refunded: i64, whole: i64) -> Value {
    json!({"amount_refunded": refunded, "refunded": refunded >= whole})
}
