//! An invoice: what is due, what was tried, what comes next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MAX_LIST;
use crate::folding::values::{booking_at, first_id, flag_at, list_at, number_at, text_at, time_at};

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
    /// Somebody said that it was paid outside Stripe (before basil).
    #[serde(skip_serializing_if = "is_false")]
    pub paid_out_of_band: bool,
    /// What the customer's credit balance paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_balance: Option<i64>,
    /// What was paid beyond what was due: it goes to the credit balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overpaid: Option<i64>,
    /// Its lines, but those of a subscription, by the booking that they name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Stripe's list of lines has more than it showed.
    #[serde(skip_serializing_if = "is_false")]
    pub lines_cut: bool,
    /// The booking in the subscription's metadata, frozen when it was finalized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_booking: Option<String>,
    /// Start of the first period that a line of the subscription bills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_start: Option<i64>,
}

/// What the lines that name one booking come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// The booking; none: they name none.
    pub booking: Option<String>,
    /// After discounts and exclusive taxes, minor units.
    pub amount: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(flag: &bool) -> bool {
    !*flag
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
            paid_out_of_band: flag_at(object, "/paid_out_of_band").unwrap_or(false),
            from_balance: from_balance(object),
            overpaid: number("amount_overpaid").filter(|amount| *amount > 0),
            lines: lines(object),
            lines_cut: flag_at(object, "/lines/has_more").unwrap_or(false),
            frozen_booking: FROZEN.iter().find_map(|place| booking_at(object, place)),
            period_start: list_at(object, "/lines/data")
                .iter()
                .filter(|line| is_of_subscription(line))
                .filter_map(|line| time_at(line, "/period/start"))
                .min(),
        }
    }
}

/// Where an invoice keeps its subscription's metadata: since basil, and before.
const FROZEN: &[&str] = &[
    "/parent/subscription_details/metadata/booking_id",
    "/subscription_details/metadata/booking_id",
];

/// The balance falls by what a finalized invoice takes of it; a credit is negative.
/// Source: Stripe API reference, "The Invoice object", `starting_balance`, `ending_balance`.
fn from_balance(object: &Value) -> Option<i64> {
    let (start, end) = (
        number_at(object, "/starting_balance")?,
        number_at(object, "/ending_balance")?,
    );
    end.checked_sub(start)
        .filter(|taken| *taken > 0 && start < 0)
}

/// Whether a line bills a subscription: since basil its parent says so, before its type did.
fn is_of_subscription(line: &Value) -> bool {
    match text_at(line, "/parent/type").as_deref() {
        Some(kind) => kind == "subscription_item_details",
        None => text_at(line, "/type").as_deref() == Some("subscription"),
    }
}

/// What the lines name, summed by booking. Lines of a subscription show its present metadata, so
/// they say nothing of whose the invoice is.
fn lines(object: &Value) -> Vec<Line> {
    let mut sums: BTreeMap<Option<String>, i64> = BTreeMap::new();
    for line in list_at(object, "/lines/data").iter().take(MAX_LIST) {
        let booking =
            booking_at(line, "/metadata/booking_id").filter(|_| !is_of_subscription(line));
        let sum = sums.entry(booking).or_default();
        *sum = sum.saturating_add(line_amount(line));
    }
    if sums.keys().all(Option::is_none) {
        return Vec::new();
    }
    let lines = sums.into_iter();
    lines
        .map(|(booking, amount)| Line { booking, amount })
        .collect()
}

/// A line's amount after its discounts and with the taxes that come on top.
fn line_amount(line: &Value) -> i64 {
    let sum = |list: &str, counts: &dyn Fn(&Value) -> bool| {
        let each = list_at(line, list).iter().filter(|one| counts(one));
        each.filter_map(|one| number_at(one, "/amount"))
            .fold(0, i64::saturating_add)
    };
    let discounts = sum("/discount_amounts", &|_| true);
    // Before basil a flag says that a tax comes on top, since then its behaviour.
    let on_top = |tax: &Value| {
        flag_at(tax, "/inclusive") == Some(false)
            || text_at(tax, "/tax_behavior").as_deref() == Some("exclusive")
    };
    let taxes = sum("/tax_amounts", &on_top).saturating_add(sum("/taxes", &on_top));
    let amount = number_at(line, "/amount").unwrap_or(0);
    amount.saturating_sub(discounts).saturating_add(taxes)
}
