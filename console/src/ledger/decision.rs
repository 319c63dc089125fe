//! Decisions of operators that folding reads: amendments and assignments. The greatest action wins.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::rows;
use crate::failure::Failure;

/// The amount that an operator decided a booking expects.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Amendment {
    #[diesel(sql_type = Text)]
    pub(crate) action_id: String,
    /// amend, accept.
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) amount: i64,
    #[diesel(sql_type = Text)]
    pub(crate) currency: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) at: DateTime<Utc>,
}

/// The booking that an operator decided an object belongs to.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Assigned {
    #[diesel(sql_type = Text)]
    pub(crate) action_id: String,
    /// None: to no booking.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) booking_id: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) at: DateTime<Utc>,
}

/// The amendment of a booking that holds.
pub(crate) fn amendment(
    db: &mut PgConnection,
    booking: &str,
) -> Result<Option<Amendment>, Failure> {
    let query = sql_query(
        "SELECT action_id, kind, amount, currency, at FROM amendments
         WHERE booking_id = $1 ORDER BY action_id DESC LIMIT 1",
    )
    .bind::<Text, _>(booking);
    Ok(rows(db, "reading the amendments", query)?
        .into_iter()
        .next())
}

/// The assignment of an object that holds.
pub(crate) fn assignment(
    db: &mut PgConnection,
    account: &str,
    object: &str,
) -> Result<Option<Assigned>, Failure> {
    let query = sql_query(
        "SELECT action_id, booking_id, at FROM assignments
         WHERE account = $1 AND object_id = $2 ORDER BY action_id DESC LIMIT 1",
    )
    .bind::<Text, _>(account)
    .bind::<Text, _>(object);
    Ok(rows(db, "reading the assignments", query)?
        .into_iter()
        .next())
}

/// Whether a booking is registered or has anything yet. A typing error names one that has not.
pub(crate) fn is_known(db: &mut PgConnection, booking: &str) -> Result<bool, Failure> {
    #[derive(QueryableByName)]
    struct Known {
        #[diesel(sql_type = Bool)]
        known: bool,
    }
    let query = sql_query(
        "SELECT EXISTS (SELECT FROM bookings WHERE id = $1 AND version > 0)
             OR EXISTS (SELECT FROM registrations WHERE booking_id = $1)
             OR EXISTS (SELECT FROM object_mentions WHERE booking_id = $1) AS known",
    )
    .bind::<Text, _>(booking);
    let found: Vec<Known> = rows(db, "looking for the booking", query)?;
    Ok(found.first().is_some_and(|row| row.known))
}
