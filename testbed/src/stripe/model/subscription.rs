//! Subscriptions (docs.stripe.com/api/subscriptions) of one item that renews each month.

use serde_json::{Value, json};

use super::{Common, metadata};

const MONTH_S: i64 = 30 * 86_400;

/// A subscription whose metadata names the booking.
pub(crate) fn new(common: &Common, id: &str, booking: &str, status: &str) -> Value {
    let now = common.created;
    json!({
        "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
        "billing_cycle_anchor": now, "billing_cycle_anchor_config": null,
        "billing_mode": {"flexible": null, "type": "classic"}, "billing_thresholds": null,
        "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
        "cancellation_details": {"comment": null, "feedback": null, "reason": null},
        "collection_method": "charge_automatically", "created": now, "currency": common.currency,
        "customer": common.customer, "customer_account": null, "days_until_due": null,
        "default_payment_method": common.payment_method, "default_source": null,
        "default_tax_rates": [], "description": null, "discounts": [], "ended_at": null,
        "invoice_settings": {"account_tax_ids": null, "issuer": {"type": "self"}},
        "items": items(common, id, now), "latest_invoice": null, "livemode": common.livemode,
        "metadata": metadata(Some(booking)), "next_pending_invoice_item_invoice": null,
        "on_behalf_of": null, "pause_collection": null,
        "payment_settings": {"payment_method_options": null, "payment_method_types": null,
            "save_default_payment_method": "off"},
        "pending_invoice_item_interval": null, "pending_setup_intent": null,
        "pending_update": null, "schedule": null, "start_date": now, "status": status,
        "test_clock": null, "transfer_data": null,
        "trial_end": null, "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": null,
    })
}

fn items(common: &Common, subscription: &str, from: i64) -> Value {
    json!({"object": "list", "has_more": false, "total_count": 1,
    "url": format!("/v1/subscription_items?subscription={subscription}"),
    "data": [{
        "id": subscription.replacen("sub_", "si_", 1), "object": "subscription_item",
        "billing_thresholds": null, "created": common.created,
        "current_period_start": from, "current_period_end": from.saturating_add(MONTH_S),
        "discounts": [], "metadata": {},
        "price": {"id": super::PRICE, "object": "price", "active": true,
            "billing_scheme": "per_unit", "created": common.created,
            "currency": common.currency, "livemode": common.livemode, "lookup_key": null,
            "metadata": {}, "nickname": null, "product": super::PRODUCT,
            "recurring": {"interval": "month", "interval_count": 1, "meter": null,
                "trial_period_days": null, "usage_type": "licensed"},
            "tax_behavior": "unspecified", "tiers_mode": null, "type": "recurring",
            "unit_amount": common.amount, "unit_amount_decimal": common.amount.to_string()},
        "quantity": 1, "subscription": subscription, "tax_rates": [],
    }]})
}

pub(crate) fn billed_by(invoice: &str) -> Value {
    json!({ "latest_invoice": invoice })
}

/// The next period begins at `from`.
pub(crate) fn renewed(common: &Common, id: &str, invoice: &str, from: i64) -> Value {
    json!({"latest_invoice": invoice, "items": items(common, id, from)})
}

pub(crate) fn activated() -> Value {
    json!({"status": "active"})
}

/// Its first invoice was not paid within 23 hours.
pub(crate) fn incomplete_expired(now_s: i64) -> Value {
    json!({"status": "incomplete_expired", "ended_at": now_s})
}
