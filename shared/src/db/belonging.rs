//! Which objects belong to which bookings, as the tables say, and what bookings show. Reads only,
//! each bounded.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use super::ties::{Pair, split};
use crate::folding::graph::Key;
use crate::folding::rebuild::Registered;
use crate::folding::{Registration, Shown};
use crate::ids::{BookingId, ObjectId};
use crate::money::Currency;

/// Every object that belongs to one of these bookings, claims it, is registered for it, or had
/// events that were applied to it; at most `limit` + 1.
///
/// # Errors
/// diesel's.
pub fn of_bookings(
    conn: &mut PgConnection,
    bookings: &[String],
    limit: i64,
) -> QueryResult<Vec<Key>> {
    let rows: Vec<Pair> = sql_query(
        "SELECT account, id FROM objects WHERE booking_id = ANY ($1) \
         UNION SELECT account, object_id FROM object_claims WHERE booking_id = ANY ($1) \
         UNION SELECT coalesce(account, ''), payment_intent_id FROM registrations \
           WHERE booking_id = ANY ($1) AND payment_intent_id IS NOT NULL AND folded_at IS NOT NULL \
         UNION SELECT coalesce(account, ''), object_id FROM events \
           WHERE booking_id = ANY ($1) AND object_id IS NOT NULL \
             AND disposition IN ('applied', 'no_change') \
         LIMIT $2",
    )
    .bind::<Array<Text>, _>(bookings)
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)?;
    Ok(rows.into_iter().map(Key::from).collect())
}

/// An object's row, as far as it says what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belonging {
    /// Stripe's object name.
    pub kind: String,
    /// The booking it belongs to.
    pub booking_id: Option<String>,
}

/// Those of these objects that have a row.
///
/// # Errors
/// diesel's.
pub fn of_objects(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<BTreeMap<Key, Belonging>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(embed)]
        key: Pair,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Nullable<Text>)]
        booking_id: Option<String>,
    }
    let (accounts, ids) = split(keys);
    let rows: Vec<Row> = sql_query(
        "SELECT o.account, o.id, o.type AS kind, o.booking_id \
         FROM UNNEST($1, $2) AS k (account, id) \
           JOIN objects o ON o.account = k.account AND o.id = k.id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    let belonging = rows.into_iter().map(|row| {
        let it = Belonging {
            kind: row.kind,
            booking_id: row.booking_id,
        };
        (row.key.into(), it)
    });
    Ok(belonging.collect())
}

/// Every booking that a stored claim of these objects names.
///
/// # Errors
/// diesel's.
pub fn claimed(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        booking_id: String,
    }
    let (accounts, ids) = split(keys);
    let rows: Vec<Row> = sql_query(
        "SELECT DISTINCT c.booking_id FROM UNNEST($1, $2) AS k (account, id) \
           JOIN object_claims c ON c.account = k.account AND c.object_id = k.id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.booking_id).collect())
}

/// The folded registrations of these bookings.
///
/// # Errors
/// diesel's.
pub fn registered(
    conn: &mut PgConnection,
    bookings: &[String],
) -> QueryResult<BTreeMap<String, Registered>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        booking_id: String,
        #[diesel(sql_type = BigInt)]
        amount: i64,
        #[diesel(sql_type = Text)]
        currency: String,
        #[diesel(sql_type = Nullable<Text>)]
        payment_intent_id: Option<String>,
        #[diesel(sql_type = Text)]
        account: String,
        #[diesel(sql_type = Timestamptz)]
        registered_at: DateTime<Utc>,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT booking_id, amount, currency, payment_intent_id, coalesce(account, '') AS account, \
           registered_at \
         FROM registrations WHERE folded_at IS NOT NULL AND booking_id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(bookings)
    .load(conn)?;
    // The table's constraints refuse what these would refuse: a row that slipped through is no
    // registration, here as in the processor.
    let parsed = rows.into_iter().filter_map(|row| {
        let registration = Registration {
            booking_id: BookingId::parse(&row.booking_id).ok()?,
            amount: row.amount,
            currency: Currency::parse(&row.currency).ok()?,
            payment_intent: row
                .payment_intent_id
                .and_then(|id| ObjectId::parse(&id).ok()),
            at: row.registered_at.timestamp(),
        };
        let registered = Registered {
            registration,
            account: row.account,
        };
        Some((row.booking_id, registered))
    });
    Ok(parsed.collect())
}

/// Whether a booking shows anything, or is registered.
///
/// # Errors
/// diesel's.
pub fn is_known(conn: &mut PgConnection, booking: &str) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        known: bool,
    }
    let row: Row = sql_query(
        "SELECT EXISTS (SELECT FROM bookings WHERE id = $1 AND version > 0) \
           OR EXISTS (SELECT FROM registrations WHERE booking_id = $1 AND folded_at IS NOT NULL) \
           AS known",
    )
    .bind::<Text, _>(booking)
    .get_result(conn)?;
    Ok(row.known)
}

/// What these bookings show; those that show nothing yet are left out.
///
/// # Errors
/// diesel's.
pub fn shown(conn: &mut PgConnection, bookings: &[String]) -> QueryResult<BTreeMap<String, Shown>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        status: String,
        #[diesel(sql_type = Nullable<BigInt>)]
        amount: Option<i64>,
        #[diesel(sql_type = Nullable<Text>)]
        currency: Option<String>,
        #[diesel(sql_type = BigInt)]
        amount_paid: i64,
        #[diesel(sql_type = BigInt)]
        amount_refunded: i64,
        #[diesel(sql_type = Nullable<BigInt>)]
        expected_amount: Option<i64>,
        #[diesel(sql_type = Nullable<Text>)]
        expected_currency: Option<String>,
        #[diesel(sql_type = Nullable<Text>)]
        hold: Option<String>,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT id, status, amount, currency, amount_paid, amount_refunded, expected_amount, \
           expected_currency, hold \
         FROM bookings WHERE version > 0 AND id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(bookings)
    .load(conn)?;
    let shown = rows.into_iter().map(|row| {
        let shown = Shown {
            status: row.status,
            amount: row.amount,
            currency: row.currency,
            amount_paid: row.amount_paid,
            amount_refunded: row.amount_refunded,
            expected_amount: row.expected_amount,
            expected_currency: row.expected_currency,
            hold: row.hold,
        };
        (row.id, shown)
    });
    Ok(shown.collect())
}
