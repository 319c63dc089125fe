//! Customers and their payment methods: no state that matters here.

use serde_json::{Value, json};

use super::{Common, address};

pub(crate) fn new(common: &Common, number: u64) -> Value {
    json!({
        "id": common.customer, "object": "customer", "address": null, "balance": 0,
        "created": common.created, "currency": null, "customer_account": null,
        "default_source": null, "delinquent": false, "description": null, "discount": null,
        "email": format!("guest-{number}@example.com"), "invoice_prefix": "7FE1103",
        "invoice_settings": {"custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null},
        "livemode": common.livemode, "metadata": {}, "name": format!("Guest {number}"),
        "next_invoice_sequence": 1, "phone": null, "preferred_locales": [], "shipping": null,
        "tax_exempt": "none", "test_clock": null,
    })
}

pub(crate) fn payment_method(common: &Common) -> Value {
    json!({
        "id": common.payment_method, "object": "payment_method", "allow_redisplay": "limited",
        "billing_details": {"address": address(), "email": null, "name": null, "phone": null, "tax_id": null},
        "card": {
            "brand": "visa", "checks": {"address_line1_check": null, "address_postal_code_check": "pass", "cvc_check": "pass"},
            "country": "US", "display_brand": "visa", "exp_month": 8, "exp_year": 2030,
            "fingerprint": "AOB934RVNwzk6xtn", "funding": "credit", "generated_from": null, "last4": "4242",
            "networks": {"available": ["visa"], "preferred": null}, "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": true}, "wallet": null,
        },
        "created": common.created, "customer": common.customer, "customer_account": null,
        "livemode": common.livemode, "metadata": {}, "type": "card",
    })
}
