//! The result of an audit: counts, the first differences, and the money without a booking.
//!
//! Pure. Memory is bounded by the limit of each list and the number of currencies.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Number;

use super::tables;
use crate::ledger::audit::{Difference, Page, Total, Unassigned};
use crate::output::columns;

/// A part of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Payments,
    Bookings,
    Shares,
}

/// Counts of one part.
#[derive(Debug, Default, Serialize)]
struct Counts {
    compared: i64,
    /// Not compared: rules older than the permitted ones folded them.
    old: i64,
    /// Not compared: held bookings.
    held: i64,
    differing: i64,
}

/// Money without a booking in one currency, minor units.
#[derive(Debug, Default, Serialize)]
struct Sum {
    payments: i64,
    captured: i64,
    settled_elsewhere: i64,
    refunded: i64,
}

/// The answer.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    payments: Counts,
    bookings: Counts,
    shares: Counts,
    /// The first ones, up to the limit.
    differences: Vec<Difference>,
    /// By currency; the empty text: unknown.
    unassigned: BTreeMap<String, Sum>,
    /// The first ones, up to the limit.
    unassigned_payments: Vec<Unassigned>,
    #[serde(skip)]
    most: usize,
}

impl Report {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, part: Part, page: Page) {
        let counts = match part {
            Part::Payments => &mut self.payments,
            Part::Bookings => &mut self.bookings,
            Part::Shares => &mut self.shares,
        };
        counts.compared = counts.compared.saturating_add(page.compared);
        counts.old = counts.old.saturating_add(page.old);
        counts.held = counts.held.saturating_add(page.held);
        counts.differing = counts.differing.saturating_add(page.differing);
        self.differences.extend(page.differences);
        self.differences.truncate(self.most);
        self.unassigned_payments.extend(page.unassigned);
        self.unassigned_payments.truncate(self.most);
        for total in page.totals {
            self.sum(total);
        }
    }

    fn sum(&mut self, total: Total) {
        let integer = |number: &Number| number.as_i64().unwrap_or(i64::MAX);
        let currency = total.currency.unwrap_or_default();
        let sum = self.unassigned.entry(currency).or_default();
        sum.payments = sum.payments.saturating_add(total.payments);
        sum.captured = sum.captured.saturating_add(integer(&total.captured));
        let elsewhere = integer(&total.settled_elsewhere);
        sum.settled_elsewhere = sum.settled_elsewhere.saturating_add(elsewhere);
        sum.refunded = sum.refunded.saturating_add(integer(&total.refunded));
    }

    /// Everything that does not add up.
    pub(super) fn differing(&self) -> i64 {
        let parts = [&self.payments, &self.bookings, &self.shares];
        let counts = parts.into_iter().map(|part| part.differing);
        counts.fold(0, i64::saturating_add)
    }

    /// `120 payments, 40 bookings and 0 shares compared`.
    pub(super) fn progress(&self) -> String {
        format!(
            "{} payments, {} bookings and {} shares compared",
            self.payments.compared, self.bookings.compared, self.shares.compared
        )
    }

    pub(super) fn describe(&self) -> String {
        let mut text = self.counts();
        let mut section = |table: String| {
            text.push('\n');
            text.push_str(&table);
        };
        if !self.differences.is_empty() {
            section(tables::differences(&self.differences));
        }
        if !self.unassigned.is_empty() {
            section(self.unassigned());
        }
        if !self.unassigned_payments.is_empty() {
            section(tables::unassigned_payments(&self.unassigned_payments));
        }
        text
    }

    fn counts(&self) -> String {
        let parts = [
            ("payments", &self.payments),
            ("bookings", &self.bookings),
            ("shares", &self.shares),
        ];
        columns(
            ["PART", "COMPARED", "DIFFERENT", "HELD", "OLDER RULES"],
            parts.map(|(name, counts)| {
                [
                    name.to_owned(),
                    counts.compared.to_string(),
                    counts.differing.to_string(),
                    counts.held.to_string(),
                    counts.old.to_string(),
                ]
            }),
        )
    }

    fn unassigned(&self) -> String {
        columns(
            [
                "UNASSIGNED",
                "PAYMENTS",
                "CAPTURED",
                "SETTLED ELSEWHERE",
                "REFUNDED",
            ],
            self.unassigned.iter().map(|(currency, sum)| {
                [
                    if currency.is_empty() { "-" } else { currency }.to_owned(),
                    sum.payments.to_string(),
                    sum.captured.to_string(),
                    sum.settled_elsewhere.to_string(),
                    sum.refunded.to_string(),
                ]
            }),
        )
    }
}
