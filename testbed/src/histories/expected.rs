//! What a reader must know of an object in the end: written from the newest version of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An object's typed fields, by JSON pointer into what folding keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Stripe's id (for a summary of features, the id Bookend gives it).
    pub id: String,
    /// Field and value; null: absent.
    pub fields: BTreeMap<String, Value>,
}

/// Fields of all kinds: where folding keeps them, and where Stripe has them.
const COMMON: &[(&str, &str)] = &[("/status", "/status"), ("/currency", "/currency")];

fn fields(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "payment_intent" => &[
            ("/amount", "/amount"),
            ("/amount_received", "/amount_received"),
        ],
        "charge" => &[
            ("/amount", "/amount"),
            ("/amount_captured", "/amount_captured"),
            ("/amount_refunded", "/amount_refunded"),
            ("/captured", "/captured"),
            ("/disputed", "/disputed"),
            ("/payment_intent", "/payment_intent"),
        ],
        "refund" | "dispute" => &[("/amount", "/amount"), ("/charge", "/charge")],
        "checkout.session" => &[
            ("/payment_status", "/payment_status"),
            ("/payment_intent", "/payment_intent"),
        ],
        "subscription" => &[
            ("/customer", "/customer"),
            (
                "/details/subscription/current_period_start",
                "/items/data/0/current_period_start",
            ),
            (
                "/details/subscription/current_period_end",
                "/items/data/0/current_period_end",
            ),
            ("/details/subscription/trial_end", "/trial_end"),
            ("/details/subscription/cancel_at", "/cancel_at"),
            (
                "/details/subscription/cancel_at_period_end",
                "/cancel_at_period_end",
            ),
            ("/details/subscription/ended_at", "/ended_at"),
            (
                "/details/subscription/pause_behavior",
                "/pause_collection/behavior",
            ),
            ("/details/subscription/latest_invoice", "/latest_invoice"),
            ("/details/subscription/items/0/id", "/items/data/0/id"),
            (
                "/details/subscription/items/0/price",
                "/items/data/0/price/id",
            ),
            (
                "/details/subscription/items/0/quantity",
                "/items/data/0/quantity",
            ),
        ],
        "invoice" => &[
            ("/details/invoice/amount_due", "/amount_due"),
            ("/details/invoice/amount_paid", "/amount_paid"),
            ("/details/invoice/amount_remaining", "/amount_remaining"),
            ("/details/invoice/attempt_count", "/attempt_count"),
            (
                "/details/invoice/next_payment_attempt",
                "/next_payment_attempt",
            ),
            (
                "/details/invoice/subscription",
                "/parent/subscription_details/subscription",
            ),
            ("/details/invoice/paid_at", "/status_transitions/paid_at"),
        ],
        "customer" => &[
            ("/details/customer/delinquent", "/delinquent"),
            ("/details/customer/balance", "/balance"),
        ],
        "payout" => &[
            ("/amount", "/amount"),
            ("/details/payout/arrival_date", "/arrival_date"),
            ("/details/payout/failure_code", "/failure_code"),
        ],
        "account" => &[
            ("/details/account/charges_enabled", "/charges_enabled"),
            ("/details/account/payouts_enabled", "/payouts_enabled"),
            (
                "/details/account/currently_due",
                "/requirements/currently_due",
            ),
            (
                "/details/account/disabled_reason",
                "/requirements/disabled_reason",
            ),
        ],
        _ => &[],
    }
}

impl Expected {
    pub(super) fn of(object: &Value) -> Self {
        let id = id_of(object);
        if object.get("deleted") == Some(&json!(true)) {
            let fields = BTreeMap::from([("/deleted".to_owned(), json!(true))]);
            return Self { id, fields };
        }
        let at = |path: &str| object.pointer(path).cloned().unwrap_or_default();
        let fields = COMMON
            .iter()
            .chain(fields(&text(object, "object")))
            .map(|(kept, path)| ((*kept).to_owned(), at(path)))
            .collect();
        Self { id, fields }
    }
}

pub(super) fn text(object: &Value, name: &str) -> String {
    object
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn number(object: &Value, name: &str) -> i64 {
    object.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// Its id; a summary of features goes by its customer.
pub(super) fn id_of(object: &Value) -> String {
    match text(object, "id").as_str() {
        "" => format!("active_entitlement_summary:{}", text(object, "customer")),
        id => id.to_owned(),
    }
}
