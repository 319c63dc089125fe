//! Invoices and their payments (docs.stripe.com/api/invoices, /api/invoice-payment).
//!
//! Invariant: an invoice never contains its payments: they are expanded on request only, and the
//! ties that versions before basil show beside it are kept outside the object.

use serde_json::{Value, json};

use super::{Common, metadata};

/// The facts that a new invoice is made from.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) line: String,
    /// `manual`, `subscription_create` or `subscription_cycle`.
    pub(crate) reason: &'static str,
    /// The booking that the invoice's own metadata names.
    pub(crate) booking: Option<String>,
    /// The subscription that it bills, with the subscription's present metadata.
    pub(crate) subscription: Option<(String, Value)>,
}

/// A draft over one line of the booking's whole amount.
pub(crate) fn new(common: &Common, draft: &Draft) -> Value {
    let (amount, now) = (common.amount, common.created);
    let parent = draft.subscription.as_ref().map(|(id, metadata)| {
        json!({"quote_details": null, "type": "subscription_details",
            "subscription_details": {"metadata": metadata, "subscription": id,
                "subscription_proration_date": null}})
    });
    let mut invoice = json!({
        "id": draft.id, "object": "invoice", "account_country": "DE", "account_name": "Booking",
        "account_tax_ids": null, "amount_due": amount, "amount_overpaid": 0, "amount_paid": 0,
        "amount_remaining": amount, "amount_shipping": 0, "application": null, "attempt_count": 0,
        "attempted": false, "auto_advance": true,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null},
        "automatically_finalizes_at": null, "billing_reason": draft.reason,
        "collection_method": "charge_automatically", "created": now, "currency": common.currency,
        "custom_fields": null, "customer": common.customer, "customer_account": null,
        "customer_address": null, "customer_email": "guest@example.com", "customer_name": "Guest",
        "customer_phone": null, "customer_shipping": null, "customer_tax_exempt": "none",
        "customer_tax_ids": [], "default_payment_method": null, "default_source": null,
        "default_tax_rates": [], "description": null, "discounts": [], "due_date": null,
        "effective_at": null, "ending_balance": null, "footer": null, "from_invoice": null,
        "hosted_invoice_url": null, "invoice_pdf": null,
        "issuer": {"type": "self"}, "last_finalization_error": null, "latest_revision": null,
    });
    let rest = json!({
        "lines": {"object": "list", "data": [line(common, draft)], "has_more": false,
            "total_count": 1, "url": format!("/v1/invoices/{}/lines", draft.id)},
        "livemode": common.livemode, "metadata": metadata(draft.booking.as_deref()),
        "next_payment_attempt": null, "number": null, "on_behalf_of": null, "parent": parent,
        "payment_settings": {"default_mandate": null, "payment_method_options": null, "payment_method_types": null},
        "period_end": now, "period_start": now, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "receipt_number": null, "rendering": null,
        "shipping_cost": null, "shipping_details": null, "starting_balance": 0,
        "statement_descriptor": null, "status": "draft", "status_details": null,
        "status_transitions": {"finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null},
        "subtotal": amount, "subtotal_excluding_tax": amount, "test_clock": null, "total": amount,
        "total_discount_amounts": [], "total_excluding_tax": amount,
        "total_pretax_credit_amounts": [], "total_taxes": [], "webhooks_delivered_at": null,
    });
    super::merge(&mut invoice, &rest);
    invoice
}

fn line(common: &Common, draft: &Draft) -> Value {
    let item = draft.line.replacen("il_", "ii_", 1);
    let (parent, metadata) = match &draft.subscription {
        Some((id, metadata)) => (
            json!({"invoice_item_details": null, "type": "subscription_item_details",
                "subscription_item_details": {"invoice_item": null, "proration": false,
                    "proration_details": null, "subscription": id,
                    "subscription_item": draft.line.replacen("il_", "si_", 1)}}),
            metadata.clone(),
        ),
        None => (
            json!({"subscription_item_details": null, "type": "invoice_item_details",
                "invoice_item_details": {"invoice_item": item, "proration": false,
                    "proration_details": null, "subscription": null}}),
            json!({}),
        ),
    };
    json!({
        "id": draft.line, "object": "line_item", "amount": common.amount,
        "currency": common.currency, "description": "A night", "discount_amounts": [],
        "discountable": true, "discounts": [], "invoice": draft.id, "livemode": common.livemode,
        "metadata": metadata, "parent": parent,
        "period": {"start": common.created, "end": common.created},
        "pretax_credit_amounts": [],
        "pricing": {"price_details": {"price": super::PRICE, "product": super::PRODUCT},
            "type": "price_details", "unit_amount_decimal": common.amount.to_string()},
        "quantity": 1, "subtotal": common.amount, "taxes": [],
    })
}

/// The draft becomes payable. The customer's credit balance pays `from_balance` of it at once.
pub(crate) fn finalized(id: &str, due: i64, from_balance: i64, now_s: i64) -> Value {
    json!({"status": "open", "effective_at": now_s, "number": "7FE1103-0001",
        "starting_balance": from_balance.saturating_neg(), "ending_balance": 0,
        "amount_due": due, "amount_remaining": due,
        "hosted_invoice_url": format!("https://invoice.stripe.com/i/{id}"),
        "status_transitions": {"finalized_at": now_s}})
}

/// The `attempt`-th attempt to collect it failed.
pub(crate) fn failed(attempt: i64, now_s: i64) -> Value {
    json!({"attempt_count": attempt, "attempted": true,
        "next_payment_attempt": now_s.saturating_add(3 * 86_400)})
}

pub(crate) fn paid(amount: i64, attempts: i64, now_s: i64) -> Value {
    json!({"status": "paid", "amount_paid": amount, "amount_remaining": 0, "attempted": true,
        "attempt_count": attempts, "next_payment_attempt": null,
        "status_transitions": {"paid_at": now_s}})
}

pub(crate) fn voided(now_s: i64) -> Value {
    json!({"status": "void", "next_payment_attempt": null, "status_transitions": {"voided_at": now_s}})
}

/// The tie between an invoice and the payment that is to pay it.
pub(crate) fn payment(common: &Common, id: &str, invoice: &str, payment: &Value) -> Value {
    json!({
        "id": id, "object": "invoice_payment", "amount_paid": null,
        "amount_requested": common.amount, "created": common.created, "currency": common.currency,
        "invoice": invoice, "is_default": true, "livemode": common.livemode, "payment": payment,
        "status": "open", "status_transitions": {"canceled_at": null, "paid_at": null},
    })
}

pub(crate) fn payment_paid(amount: i64, now_s: i64) -> Value {
    json!({"status": "paid", "amount_paid": amount, "status_transitions": {"paid_at": now_s}})
}

pub(crate) fn payment_canceled(now_s: i64) -> Value {
    json!({"status": "canceled", "status_transitions": {"canceled_at": now_s}})
}
