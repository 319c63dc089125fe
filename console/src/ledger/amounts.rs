//! A booking's amounts, one row for each currency, as the view `booking_amounts` has them.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::rows;
use crate::failure::Failure;

/// The columns of [`Amounts`].
pub(crate) const COLUMNS: &str = "amount_paid, amount_refunded, amount_authorized, \
    amount_in_flight, amount_settled_elsewhere, amount_from_balance, amount_credited, \
    amount_refund_pending_action, amount_disputed, amount_lost, amount_net, payments";

/// Amounts in one currency, minor units.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Amounts {
    /// Captured, settled elsewhere or paid from the balance.
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_paid: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_refunded: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_authorized: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_in_flight: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_settled_elsewhere: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_from_balance: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_credited: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_refund_pending_action: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_disputed: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_lost: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_net: i64,
    /// Payments that succeeded.
    #[diesel(sql_type = BigInt)]
    pub(crate) payments: i64,
}

/// One currency of a booking.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct CurrencyRow {
    #[diesel(sql_type = Text)]
    pub(crate) currency: String,
    #[serde(flatten)]
    #[diesel(embed)]
    pub(crate) amounts: Amounts,
}

/// Every currency of a booking, its own first.
pub(crate) fn by_currency(
    db: &mut PgConnection,
    booking: &str,
    own: Option<&str>,
) -> Result<Vec<CurrencyRow>, Failure> {
    let query = sql_query(format!(
        "SELECT currency, {COLUMNS} FROM booking_amounts WHERE booking_id = $1
         ORDER BY currency IS DISTINCT FROM $2, currency"
    ))
    .bind::<Text, _>(booking)
    .bind::<Nullable<Text>, _>(own);
    rows(db, "reading the booking's amounts", query)
}
