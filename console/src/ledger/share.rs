//! Shares: the part of a payment that belongs to one booking.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::{MOST_ROWS, rows};
use crate::failure::Failure;

/// One row of `object_shares`. Amounts are minor units.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct ShareRow {
    /// Empty: our own.
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Text)]
    pub(crate) object_id: String,
    /// None: unassigned.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) booking_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) currency: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) attempt: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) paid_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) authorized_until: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    pub(crate) is_settled: bool,
    #[diesel(sql_type = BigInt)]
    pub(crate) captured: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) authorized: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) in_flight: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) settled_elsewhere: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) from_balance: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) credited: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) refunded: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) refund_pending_action: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) disputed: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) lost: i64,
}

const COLUMNS: &str = "account, object_id, nullif(booking_id, '') AS booking_id, currency, attempt,
    to_timestamp(paid_at) AS paid_at, to_timestamp(authorized_until) AS authorized_until,
    is_settled, captured, authorized, in_flight, settled_elsewhere, from_balance, credited,
    refunded, refund_pending_action, disputed, lost";

/// Shares of one object, by booking; the unassigned part first.
pub(crate) fn of_object(
    db: &mut PgConnection,
    account: &str,
    object: &str,
) -> Result<Vec<ShareRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM object_shares s
         WHERE s.account = $1 AND s.object_id = $2 ORDER BY s.booking_id LIMIT $3"
    ))
    .bind::<Text, _>(account)
    .bind::<Text, _>(object)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading the object's shares", query)
}

/// Shares of one booking, in the order in which they were paid.
pub(crate) fn of_booking(db: &mut PgConnection, booking: &str) -> Result<Vec<ShareRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM object_shares s
         WHERE s.booking_id = $1 AND s.booking_id <> ''
         ORDER BY s.paid_at NULLS LAST, s.at, s.account, s.object_id LIMIT $2"
    ))
    .bind::<Text, _>(booking)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading the booking's shares", query)
}
