//! The rows of an audit for people: differences, and payments without a booking.

use serde_json::Number;

use super::super::super::money_tables;
use crate::ledger::audit::{Difference, Unassigned};
use crate::output::{columns, or_dash};

pub(super) fn differences(rows: &[Difference]) -> String {
    let number = |number: &Option<Number>| or_dash(number.as_ref().map(ToString::to_string));
    columns(
        [
            "DIFFERENCE",
            "ACCOUNT",
            "OBJECT OR BOOKING",
            "CURRENCY",
            "EXPECTED",
            "FOUND",
        ],
        rows.iter().map(|row| {
            [
                row.problem.clone(),
                money_tables::account(&row.account),
                row.subject.clone(),
                or_dash(row.currency.clone()),
                number(&row.expected),
                number(&row.found),
            ]
        }),
    )
}

pub(super) fn unassigned_payments(rows: &[Unassigned]) -> String {
    columns(
        [
            "WITHOUT BOOKING",
            "ACCOUNT",
            "CURRENCY",
            "CAPTURED",
            "SETTLED ELSEWHERE",
            "REFUNDED",
            "PAID",
        ],
        rows.iter().map(|row| {
            [
                row.object_id.clone(),
                money_tables::account(&row.account),
                or_dash(row.currency.clone()),
                row.captured.to_string(),
                row.settled_elsewhere.to_string(),
                row.refunded.to_string(),
                or_dash(row.paid_at.clone()),
            ]
        }),
    )
}
