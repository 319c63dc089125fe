//! A booking with everything that tells why it is as it is.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::amounts::{self, Amounts};
use super::event::{COLUMNS, EventRow, TRANSITION, Transition};
use super::page::{Keyed, Page};
use super::walk::{Order, Walk};
use super::{MOST_ROWS, rows};
use crate::args::BookingList;
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
    /// In `currency`; the other currencies are in the view `booking_amounts`.
    #[serde(flatten)]
    #[diesel(embed)]
    pub(crate) amounts: Amounts,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) authorized_until: Option<DateTime<Utc>>,
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
    /// first, subscription.
    #[diesel(sql_type = Text)]
    pub(crate) covers: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) registered_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) folded_at: Option<DateTime<Utc>>,
}

const COLUMNS_OF_BOOKING: &str = "id, account, status, amount, currency, authorized_until,
    expected_amount, expected_currency, hold, version, updated_at";

/// The booking with this id, if there is one.
pub(crate) fn find(connection: &mut PgConnection, id: &str) -> Result<Option<BookingRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS_OF_BOOKING}, {} FROM bookings WHERE id = $1",
        amounts::COLUMNS
    ))
    .bind::<Text, _>(id);
    Ok(rows(connection, "reading the booking", query)?
        .into_iter()
        .next())
}

impl Keyed for BookingRow {
    fn cursor(&self) -> String {
        self.id.clone()
    }
}

/// Bookings that match all filters, in the order of their ids.
pub(crate) fn list(
    connection: &mut PgConnection,
    filter: &BookingList,
) -> Result<Page<BookingRow>, Failure> {
    let mut walk = Walk::new("bookings", "b", Order::ById("b.id"));
    // A row that was made only to be locked shows nothing.
    walk.always("b.version > 0");
    if let Some(hold) = filter.hold.as_deref() {
        walk.lead("b.hold = $", hold);
    }
    match filter.status.as_deref() {
        Some("confirmed") => walk.check("b.status = $", "confirmed"),
        Some(status) => walk.lead("b.status = $", status),
        None => {}
    }
    if let Some(after) = &filter.after {
        walk.bound("b.id > $", after.as_str());
    }
    let columns = format!("{COLUMNS_OF_BOOKING}, {}", amounts::COLUMNS);
    let limit = i64::from(filter.limit);
    walk.page(connection, "reading the bookings", &columns, limit)
}

/// What was registered for it, folded or not.
pub(crate) fn registration(
    connection: &mut PgConnection,
    id: &str,
) -> Result<Option<Registration>, Failure> {
    let query = sql_query(
        "SELECT r.amount, r.currency, i.payment_intent_id, r.covers, r.registered_at, r.folded_at
         FROM registrations r LEFT JOIN registered_intents i USING (booking_id)
         WHERE r.booking_id = $1",
    )
    .bind::<Text, _>(id);
    Ok(rows(connection, "reading the registration", query)?
        .into_iter()
        .next())
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
