//! Payment intents (docs.stripe.com/api/payment_intents).

use serde_json::{Value, json};

use super::{Common, metadata};

/// A new intent that waits for a payment method. `manual` = authorize now, capture later.
pub(crate) fn new(common: &Common, id: &str, booking_id: Option<&str>, manual: bool) -> Value {
    json!({
        "id": id, "object": "payment_intent", "amount": common.amount, "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": 0, "application": null,
        "application_fee_amount": null, "automatic_payment_methods": null, "canceled_at": null,
        "cancellation_reason": null,
        "capture_method": if manual { "manual" } else { "automatic_async" },
        "client_secret": format!("{id}_secret_Dm43xiq1k0ywrRRjDoi8y1gkM"),
        "confirmation_method": "automatic", "created": common.created,
        "currency": common.currency, "customer": common.customer, "customer_account": null,
        "description": null, "excluded_payment_method_types": null, "last_payment_error": null,
        "latest_charge": null, "livemode": common.livemode, "metadata": metadata(booking_id),
        "next_action": null, "on_behalf_of": null, "payment_method": null,
        "payment_method_configuration_details": null,
        "payment_method_options": {"card": {"installments": null, "mandate_options": null,
            "network": null, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card", "sepa_debit"], "processing": null,
        "receipt_email": null, "review": null, "setup_future_usage": null, "shipping": null,
        "source": null, "statement_descriptor": null, "statement_descriptor_suffix": null,
        "status": "requires_payment_method", "transfer_data": null, "transfer_group": null,
    })
}

pub(crate) fn requires_action(payment_method: &str) -> Value {
    json!({"status": "requires_action", "last_payment_error": null,
        "payment_method": payment_method,
        "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}})
}

pub(crate) fn processing(payment_method: &str, charge: &str) -> Value {
    json!({"status": "processing", "last_payment_error": null, "next_action": null,
        "payment_method": payment_method, "latest_charge": charge})
}

pub(crate) fn requires_capture(payment_method: &str, charge: &str, amount: i64) -> Value {
    json!({"status": "requires_capture", "amount_capturable": amount, "last_payment_error": null,
        "next_action": null, "payment_method": payment_method, "latest_charge": charge})
}

/// A part is captured; `left` can still be.
pub(crate) fn captured_in_part(received: i64, left: i64) -> Value {
    json!({"amount_received": received, "amount_capturable": left})
}

pub(crate) fn succeeded(payment_method: &str, charge: &str, received: i64) -> Value {
    json!({"status": "succeeded", "amount_received": received, "amount_capturable": 0,
        "last_payment_error": null, "next_action": null, "payment_method": payment_method,
        "latest_charge": charge})
}

/// Back to the start after a failed attempt.
pub(crate) fn failed(charge: &str, code: &str) -> Value {
    json!({"status": "requires_payment_method", "next_action": null, "payment_method": null,
        "latest_charge": charge,
        "last_payment_error": {"charge": charge, "code": code, "decline_code": "generic_decline",
            "doc_url": format!("https://docs.stripe.com/error-codes/{}", code.replace('_', "-")),
            "message": "Your card was declined.", "type": "card_error"}})
}

pub(crate) fn canceled(now_s: i64, reason: &str) -> Value {
    json!({"status": "canceled", "canceled_at": now_s, "cancellation_reason": reason,
        "next_action": null, "amount_capturable": 0})
}
