//! Stripe objects as they are folded, and the questions that were put to Stripe about them.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::{MOST_ROWS, rows};
use crate::failure::Failure;

/// One Stripe object.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct ObjectRow {
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "type")]
    pub(crate) r#type: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) status: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) amount: Option<i64>,
    /// Received by a payment intent, captured by a charge.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) amount_paid: Option<i64>,
    /// Of a charge.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) amount_refunded: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) currency: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) booking_id: Option<String>,
    #[diesel(sql_type = Bool)]
    pub(crate) settled: bool,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
}

/// A question put to Stripe about one object.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Refetch {
    #[diesel(sql_type = Text)]
    pub(crate) object_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) reason: String,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Integer)]
    pub(crate) attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) requested_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) observation_id: Option<String>,
}

const COLUMNS: &str = "account, id, type, status, amount, amount_paid, amount_refunded, currency,
    booking_id, settled, version";

/// The object with this id, if it is known.
pub(crate) fn find(
    connection: &mut PgConnection,
    account: &str,
    id: &str,
) -> Result<Option<ObjectRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM objects WHERE account = $1 AND id = $2"
    ))
    .bind::<Text, _>(account)
    .bind::<Text, _>(id);
    Ok(rows(connection, "reading the object", query)?
        .into_iter()
        .next())
}

/// Objects of a booking, by type and id.
pub(crate) fn of_booking(
    connection: &mut PgConnection,
    booking: &str,
) -> Result<Vec<ObjectRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM objects WHERE booking_id = $1 ORDER BY type, id LIMIT $2"
    ))
    .bind::<Text, _>(booking)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(connection, "reading the objects", query)
}

/// Questions to Stripe about objects of a booking, the oldest first.
pub(crate) fn refetches(
    connection: &mut PgConnection,
    booking: &str,
) -> Result<Vec<Refetch>, Failure> {
    let query = sql_query(
        "SELECT r.object_id, r.reason, r.state, r.attempts, r.requested_at, r.error,
                r.observation_id
         FROM refetches r
         JOIN objects o ON o.account = r.account AND o.id = r.object_id
         WHERE o.booking_id = $1 ORDER BY r.id LIMIT $2",
    )
    .bind::<Text, _>(booking)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(connection, "reading the refetches", query)
}
