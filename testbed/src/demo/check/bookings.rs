//! The bookings against the truth: status, currency, hold and every amount.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::stripe::{Amounts, BookingTruth, Truth};

#[derive(Clone, Copy, Debug, QueryableByName)]
struct AmountColumns {
    #[diesel(sql_type = BigInt)]
    amount_paid: i64,
    #[diesel(sql_type = BigInt)]
    amount_refunded: i64,
    #[diesel(sql_type = BigInt)]
    amount_authorized: i64,
    #[diesel(sql_type = BigInt)]
    amount_in_flight: i64,
    #[diesel(sql_type = BigInt)]
    amount_settled_elsewhere: i64,
    #[diesel(sql_type = BigInt)]
    amount_from_balance: i64,
    #[diesel(sql_type = BigInt)]
    amount_credited: i64,
    #[diesel(sql_type = BigInt)]
    amount_refund_pending_action: i64,
    #[diesel(sql_type = BigInt)]
    amount_disputed: i64,
    #[diesel(sql_type = BigInt)]
    amount_lost: i64,
    #[diesel(sql_type = BigInt)]
    amount_net: i64,
    #[diesel(sql_type = BigInt)]
    payments: i64,
}

impl From<AmountColumns> for Amounts {
    fn from(row: AmountColumns) -> Self {
        Self {
            amount_paid: row.amount_paid,
            amount_refunded: row.amount_refunded,
            amount_authorized: row.amount_authorized,
            amount_in_flight: row.amount_in_flight,
            amount_settled_elsewhere: row.amount_settled_elsewhere,
            amount_from_balance: row.amount_from_balance,
            amount_credited: row.amount_credited,
            amount_refund_pending_action: row.amount_refund_pending_action,
            amount_disputed: row.amount_disputed,
            amount_lost: row.amount_lost,
            amount_net: row.amount_net,
            payments: row.payments,
        }
    }
}

#[derive(Debug, QueryableByName)]
pub(super) struct BookingRow {
    #[diesel(sql_type = Text)]
    pub(super) id: String,
    #[diesel(sql_type = Text)]
    pub(super) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    currency: Option<String>,
    #[diesel(embed)]
    amounts: AmountColumns,
    #[diesel(sql_type = Nullable<Text>)]
    hold: Option<String>,
}

/// The amounts of a booking in another currency than its own.
#[derive(Debug, QueryableByName)]
pub(super) struct OtherCurrency {
    #[diesel(sql_type = Text)]
    booking_id: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(embed)]
    amounts: AmountColumns,
}

/// Adds a sentence for each difference.
pub(super) fn compare(
    held: &BTreeMap<String, BookingRow>,
    others: &[OtherCurrency],
    truth: &Truth,
    found: &mut Vec<String>,
) {
    for (id, want) in &truth.bookings {
        match held.get(id) {
            Some(have) => {
                let others = others.iter().filter(|other| other.booking_id == *id);
                let others = others.map(|other| (other.currency.clone(), other.amounts.into()));
                compare_one(have, &others.collect(), want, found);
            }
            None => found.push(format!(
                "booking {id} is missing; it should be {}",
                want.status
            )),
        }
    }
    for id in held.keys().filter(|id| !truth.bookings.contains_key(*id)) {
        found.push(format!("booking {id} was invented"));
    }
}

fn compare_one(
    have: &BookingRow,
    others: &BTreeMap<String, Amounts>,
    want: &BookingTruth,
    found: &mut Vec<String>,
) {
    let booking = format!("booking {} ({:?})", have.id, want.story);
    if have.status != want.status {
        found.push(format!(
            "{booking} is {}; it should be {}",
            have.status, want.status
        ));
    }
    if let Some(hold) = &have.hold {
        found.push(format!("{booking} is on hold ({hold})"));
    }
    let is_empty = want.amounts == Amounts::default();
    if !is_empty && have.currency.as_deref() != Some(want.expected_currency.as_str()) {
        found.push(format!(
            "{booking} is counted in {}; it was registered in {}",
            have.currency.as_deref().unwrap_or("no currency"),
            want.expected_currency
        ));
    }
    amounts(&booking, "", have.amounts.into(), want.amounts, found);
    let currencies = others.keys().chain(want.other_currencies.keys());
    for currency in currencies.collect::<std::collections::BTreeSet<_>>() {
        let have = others.get(currency).copied().unwrap_or_default();
        let want = want.other_currencies.get(currency).copied();
        let (suffix, want) = (format!(" in {currency}"), want.unwrap_or_default());
        amounts(&booking, &suffix, have, want, found);
    }
}

fn amounts(booking: &str, suffix: &str, have: Amounts, want: Amounts, found: &mut Vec<String>) {
    let pairs = have.by_column().into_iter().zip(want.by_column());
    for ((column, have), (_, want)) in pairs.filter(|(have, want)| have != want) {
        found.push(format!(
            "{booking} has {column}{suffix} {have}; it should be {want}"
        ));
    }
}
