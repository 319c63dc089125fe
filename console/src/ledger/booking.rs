//! A booking with everything that tells why it is as it is.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::event::{COLUMNS, EventRow, TRANSITION, Transition};
use super::{MOST_ROWS, rows};
use crate::failure::Failure;

/// The business row. Amounts are integer minor units.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct BookingRow {
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) account: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) amount: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) currency: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_paid: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount_refunded: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) expected_amount: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) expected_currency: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) hold: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) updated_at: DateTime<Utc>,
}

/// What the booking application said it expects.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Registration {
    #[diesel(sql_type = BigInt)]
    pub(crate) amount: i64,
    #[diesel(sql_type = Text)]
    pub(crate) currency: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) payment_intent_id: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) registered_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) folded_at: Option<DateTime<Utc>>,
}

/// One Stripe object of the booking.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct ObjectRow {
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "type")]
    pub(crate) r#type: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) status: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) amount: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) currency: Option<String>,
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

/// The booking with this id, if there is one.
pub(crate) fn find(connection: &mut PgConnection, id: &str) -> Result<Option<BookingRow>, Failure> {
    let query = sql_query(
        "SELECT id, account, status, amount, currency, amount_paid, amount_refunded,
                expected_amount, expected_currency, hold, version, updated_at
         FROM bookings WHERE id = $1",
    )
    .bind::<Text, _>(id);
    Ok(rows(connection, "reading the booking", query)?
        .into_iter()
        .next())
}

/// What was registered for it, folded or not.
pub(crate) fn registration(
    connection: &mut PgConnection,
    id: &str,
) -> Result<Option<Registration>, Failure> {
    let query = sql_query(
        "SELECT amount, currency, payment_intent_id, registered_at, folded_at
         FROM registrations WHERE booking_id = $1",
    )
    .bind::<Text, _>(id);
    Ok(rows(connection, "reading the registration", query)?
        .into_iter()
        .next())
}

/// Its objects, by type and id.
pub(crate) fn objects(connection: &mut PgConnection, id: &str) -> Result<Vec<ObjectRow>, Failure> {
    let query = sql_query(
        "SELECT id, type, status, amount, currency, settled, version
         FROM objects WHERE booking_id = $1 ORDER BY type, id LIMIT $2",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(connection, "reading the objects", query)
}

/// What Stripe was asked about its objects, oldest first.
pub(crate) fn refetches(connection: &mut PgConnection, id: &str) -> Result<Vec<Refetch>, Failure> {
    let query = sql_query(
        "SELECT r.object_id, r.reason, r.state, r.attempts, r.requested_at, r.error,
                r.observation_id
         FROM refetches r
         JOIN objects o ON o.account = r.account AND o.id = r.object_id
         WHERE o.booking_id = $1 ORDER BY r.id LIMIT $2",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(connection, "reading the refetches", query)
}

/// Every ledger row that concerns it, in the order of applying: those that named it, those of its
/// objects that came before the booking was known, and those that changed it.
pub(crate) fn events(connection: &mut PgConnection, id: &str) -> Result<Vec<EventRow>, Failure> {
    let statement = format!(
        "WITH concerned AS (
             -- applied when the booking was known already
             SELECT e.id, e.created FROM events e WHERE e.booking_id = $1
             -- applied to an object that was tied to the booking later
             UNION SELECT e.id, e.created
             FROM objects o
             JOIN events e ON e.object_id = o.id AND coalesce(e.account, '') = o.account
             WHERE o.booking_id = $1
             -- changed the booking through an object that has left it since
             UNION SELECT e.id, e.created
             FROM booking_transitions t JOIN events e ON e.id = t.cause_id
             WHERE t.booking_id = $1 AND t.cause_kind IN ('event', 'observation')
         )
         SELECT {COLUMNS} FROM concerned JOIN events e USING (id, created)
         ORDER BY e.apply_seq LIMIT $2"
    );
    let query = sql_query(statement)
        .bind::<Text, _>(id)
        .bind::<BigInt, _>(MOST_ROWS);
    rows(connection, "reading the booking's events", query)
}

/// Every change of it, in the order of versions.
pub(crate) fn transitions(
    connection: &mut PgConnection,
    id: &str,
) -> Result<Vec<Transition>, Failure> {
    let query = sql_query(format!(
        "SELECT {TRANSITION} FROM booking_transitions t
         WHERE t.booking_id = $1 ORDER BY t.version LIMIT $2"
    ))
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(connection, "reading the booking's transitions", query)
}
