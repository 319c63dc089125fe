//! Disputes (docs.stripe.com/api/disputes): inquiries, chargebacks and how they end.

use serde_json::{Value, json};

use super::text;

pub(crate) fn new(id: &str, charge: &Value, amount: i64, inquiry: bool, now_s: i64) -> Value {
    let evidence = [
        "access_activity_log",
        "billing_address",
        "cancellation_policy",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "customer_communication",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "customer_signature",
        "duplicate_charge_documentation",
        "duplicate_charge_explanation",
        "duplicate_charge_id",
        "product_description",
        "receipt",
        "refund_policy",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "service_date",
        "service_documentation",
        "shipping_address",
        "shipping_carrier",
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    ]
    .into_iter()
    .map(|key| (key.to_owned(), Value::Null))
    .chain(std::iter::once(("enhanced_evidence".to_owned(), json!({}))))
    .collect::<serde_json::Map<_, _>>();
    json!({
        "id": id, "object": "dispute", "amount": amount, "balance_transactions": [],
        "charge": text(charge, "id"), "created": now_s, "currency": text(charge, "currency"),
        "enhanced_eligibility_types": [], "evidence": evidence,
        "evidence_details": {"due_by": now_s.saturating_add(7 * 86_400), "enhanced_eligibility": {},
            "has_evidence": false, "past_due": false, "submission_count": 0},
        "is_charge_refundable": inquiry, "livemode": charge.get("livemode"), "metadata": {},
        "payment_intent": text(charge, "payment_intent"),
        "payment_method_details": {"card": {"brand": "visa",
            "case_type": if inquiry { "inquiry" } else { "chargeback" }, "network": "visa",
            "network_reason_code": "10.4"}, "type": "card"},
        "reason": "fraudulent",
        "status": if inquiry { "warning_needs_response" } else { "needs_response" },
    })
}

/// Evidence was handed in.
pub(crate) fn submitted(inquiry: bool) -> Value {
    json!({"status": if inquiry { "warning_under_review" } else { "under_review" },
        "evidence_details": {"has_evidence": true, "submission_count": 1}})
}

/// The balance transactions so far: money taken (`-1`) or given back (`1`).
pub(crate) fn funds(dispute: &Value, id: &str, sign: i64, now_s: i64) -> Value {
    let amount = super::number(dispute, "amount").saturating_mul(sign);
    let mut list = dispute
        .get("balance_transactions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    list.push(
        json!({"id": id, "object": "balance_transaction", "amount": amount,
        "available_on": now_s, "balance_type": "payments", "created": now_s,
        "currency": text(dispute, "currency"), "description": null, "exchange_rate": null,
        "fee": 0, "fee_details": [], "net": amount, "reporting_category": "dispute",
        "source": text(dispute, "id"), "status": "pending", "type": "adjustment"}),
    );
    json!({ "balance_transactions": list })
}
