//! An invoice: what is due, what was tried, what comes next.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::folding::values::{first_id, number_at, text_at, time_at};

/// Amounts are minor units of the invoice's currency, times seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Invoice {
    /// What the customer owes with it.
    pub amount_due: Option<i64>,
    /// What was paid.
    pub amount_paid: Option<i64>,
    /// What is left.
    pub amount_remaining: Option<i64>,
    /// Total after discounts and taxes.
    pub total: Option<i64>,
    /// The subscription it bills.
    pub subscription: Option<String>,
    /// Why it was made, for instance `subscription_cycle`.
    pub billing_reason: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// When it must be paid, for `send_invoice`.
    pub due_date: Option<i64>,
    /// When it became `open`.
    pub finalized_at: Option<i64>,
    /// When it was paid.
    pub paid_at: Option<i64>,
    /// When it was voided.
    pub voided_at: Option<i64>,
    /// Attempts to collect so far.
    pub attempt_count: Option<i64>,
    /// When Stripe tries again; none: it does not.
    pub next_payment_attempt: Option<i64>,
}

impl Invoice {
    pub(super) fn read(object: &Value) -> Self {
        let number = |name: &str| number_at(object, &format!("/{name}"));
        let done = |name: &str| time_at(object, &format!("/status_transitions/{name}"));
        Self {
            amount_due: number("amount_due"),
            amount_paid: number("amount_paid"),
            amount_remaining: number("amount_remaining"),
            total: number("total"),
            subscription: first_id(object, crate::folding::readings::INVOICE_SUBSCRIPTION)
                .map(String::from),
            billing_reason: text_at(object, "/billing_reason"),
            collection_method: text_at(object, "/collection_method"),
            due_date: time_at(object, "/due_date"),
            finalized_at: done("finalized_at"),
            paid_at: done("paid_at"),
            voided_at: done("voided_at"),
            attempt_count: number("attempt_count"),
            next_payment_attempt: time_at(object, "/next_payment_attempt"),
        }
    }
}
