//! Tables of money for people: amounts by currency, shares, findings.

use super::{millisecond, money, second};
use crate::ledger::amounts::CurrencyRow;
use crate::ledger::finding::FindingRow;
use crate::ledger::share::ShareRow;
use crate::output::{columns, or_dash};

/// Most characters of a detail in a table.
const SHORT: usize = 120;

/// A booking's amounts, a row for each currency, minor units.
pub(super) fn amounts(rows: &[CurrencyRow]) -> String {
    columns(
        [
            "CURRENCY",
            "NET",
            "PAID",
            "REFUNDED",
            "AUTHORIZED",
            "IN FLIGHT",
            "ELSEWHERE",
            "BALANCE",
            "CREDITED",
            "REFUND WAITS",
            "DISPUTED",
            "LOST",
            "PAYMENTS",
        ],
        rows.iter().map(|row| {
            let of = &row.amounts;
            [
                row.currency.clone(),
                of.amount_net.to_string(),
                of.amount_paid.to_string(),
                of.amount_refunded.to_string(),
                of.amount_authorized.to_string(),
                of.amount_in_flight.to_string(),
                of.amount_settled_elsewhere.to_string(),
                of.amount_from_balance.to_string(),
                of.amount_credited.to_string(),
                of.amount_refund_pending_action.to_string(),
                of.amount_disputed.to_string(),
                of.amount_lost.to_string(),
                of.payments.to_string(),
            ]
        }),
    )
}

/// Shares, each with its attempt; amounts that are zero are left out.
pub(super) fn shares(rows: &[ShareRow]) -> String {
    columns(
        [
            "PAYMENT", "ACCOUNT", "BOOKING", "ATTEMPT", "PAID", "AMOUNTS",
        ],
        rows.iter().map(|row| {
            let booking = row.booking_id.clone();
            [
                row.object_id.clone(),
                account(&row.account),
                booking.unwrap_or_else(|| "unassigned".to_owned()),
                or_dash(row.attempt.clone()),
                or_dash(row.paid_at.map(second)),
                nonzero(row),
            ]
        }),
    )
}

/// `captured 5000 eur, refunded 100 eur`.
fn nonzero(row: &ShareRow) -> String {
    let named = [
        ("captured", row.captured),
        ("authorized", row.authorized),
        ("in flight", row.in_flight),
        ("settled elsewhere", row.settled_elsewhere),
        ("from balance", row.from_balance),
        ("credited", row.credited),
        ("refunded", row.refunded),
        ("refund waits", row.refund_pending_action),
        ("disputed", row.disputed),
        ("lost", row.lost),
    ];
    let amounts = named.into_iter().filter(|(_, amount)| *amount != 0);
    let amounts: Vec<String> = amounts
        .map(|(name, amount)| {
            let amount = or_dash(money(Some(amount), row.currency.as_deref()));
            format!("{name} {amount}")
        })
        .collect();
    match amounts.is_empty() {
        true => "-".to_owned(),
        false => amounts.join(", "),
    }
}

/// Findings, each with its number, state and detail.
pub(super) fn findings(rows: &[FindingRow]) -> String {
    columns(
        [
            "FINDING", "KIND", "STATE", "BOOKING", "OBJECT", "SINCE", "DETAIL", "IDENTITY",
        ],
        rows.iter().map(|row| {
            [
                row.id.to_string(),
                row.kind.clone(),
                row.state().to_owned(),
                or_dash(row.booking_id.clone()),
                or_dash(row.object_id.clone()),
                millisecond(row.found_at),
                detail(row),
                or_dash(row.identity.clone()),
            ]
        }),
    )
}

/// The finding in a sentence; a sweep's finding has only its evidence.
fn detail(row: &FindingRow) -> String {
    if let Some(detail) = &row.detail {
        return shortened(detail);
    }
    match row.evidence.0.get("what").and_then(|what| what.as_str()) {
        Some(what) => shortened(what),
        None => shortened(&row.evidence.0.to_string()),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// An account for people.
pub(super) fn account(name: &str) -> String {
    if name.is_empty() { "own" } else { name }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_is_shortened_at_a_character() {
        assert_eq!(shortened("paid twice"), "paid twice");
        assert_eq!(shortened(&"ü".repeat(500)).chars().count(), SHORT + 1);
    }
}
