//! Checkout sessions (docs.stripe.com/api/checkout/sessions).

use serde_json::{Value, json};

use super::{Common, metadata};

/// An open session. It has no payment intent until the customer confirms.
pub(crate) fn new(common: &Common, id: &str, booking_id: &str) -> Value {
    json!({
        "id": id, "object": "checkout.session", "adaptive_pricing": {"enabled": false},
        "after_expiration": null, "allow_promotion_codes": null, "amount_subtotal": common.amount,
        "amount_total": common.amount,
        "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null},
        "billing_address_collection": null, "cancel_url": "https://booking.example/cancel",
        "client_reference_id": null, "client_secret": null, "collected_information": null,
        "consent": null, "consent_collection": null, "created": common.created,
        "currency": common.currency, "currency_conversion": null, "custom_fields": [],
        "custom_text": {"after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null},
        "customer": common.customer, "customer_account": null, "customer_creation": null,
        "customer_details": null, "customer_email": null, "discounts": [],
        "expires_at": common.created.saturating_add(86_400), "integration_identifier": null,
        "invoice": null, "invoice_creation": {"enabled": false, "invoice_data": {
            "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null,
            "issuer": null, "metadata": {}, "rendering_options": null}},
        "livemode": common.livemode, "locale": null, "metadata": metadata(Some(booking_id)),
        "mode": "payment", "origin_context": null, "payment_intent": null, "payment_link": null,
        "payment_method_collection": "if_required", "payment_method_configuration_details": null,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card", "sepa_debit"], "payment_status": "unpaid",
        "permissions": null, "phone_number_collection": {"enabled": false},
        "recovered_from": null, "saved_payment_method_options": null, "setup_intent": null,
        "shipping_address_collection": null, "shipping_cost": null, "shipping_options": [],
        "status": "open", "submit_type": "book", "subscription": null,
        "success_url": "https://booking.example/done",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted", "url": format!("https://checkout.stripe.com/c/pay/{id}"),
        "wallet_options": null,
    })
}

/// An open session that only saves a payment method.
pub(crate) fn setup(common: &Common, id: &str, booking_id: &str, setup_intent: &str) -> Value {
    let mut session = new(common, id, booking_id);
    let patch = json!({"mode": "setup", "payment_status": "no_payment_required",
        "setup_intent": setup_intent, "amount_subtotal": null, "amount_total": null,
        "currency": null, "invoice_creation": null, "submit_type": null,
        "payment_method_types": ["card"], "total_details": null});
    super::merge(&mut session, &patch);
    session
}

/// An open session that starts a subscription (`subscription_data.metadata` names the booking).
pub(crate) fn subscription(common: &Common, id: &str, booking_id: &str) -> Value {
    let mut session = new(common, id, booking_id);
    let patch = json!({"mode": "subscription", "invoice_creation": null, "submit_type": null,
        "payment_method_collection": "always"});
    super::merge(&mut session, &patch);
    session
}

/// The customer has started the subscription and paid its first invoice.
pub(crate) fn subscribed(subscription: &str, invoice: &str) -> Value {
    let mut patch = completed(true);
    super::merge(
        &mut patch,
        &json!({"subscription": subscription, "invoice": invoice}),
    );
    patch
}

/// The customer has saved a payment method.
pub(crate) fn set_up() -> Value {
    let mut patch = completed(false);
    super::merge(
        &mut patch,
        &json!({"payment_status": "no_payment_required"}),
    );
    patch
}

/// The customer has gone through the form; `paid` only if the money is there already.
pub(crate) fn completed(paid: bool) -> Value {
    json!({
        "status": "complete", "payment_status": if paid { "paid" } else { "unpaid" }, "url": null,
        "customer_details": {"address": super::address(), "business_name": null,
            "email": "guest@example.com", "individual_name": null, "name": "Guest", "phone": null,
            "tax_exempt": "none", "tax_ids": []},
    })
}

pub(crate) fn expired() -> Value {
    json!({"status": "expired", "url": null})
}
