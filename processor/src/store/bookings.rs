//! `bookings` and `booking_transitions`.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};
use shared::folding::FOLD_VERSION;

use crate::apply::world::{BookingRow, Shown, Transition};

#[derive(Debug, diesel::QueryableByName)]
struct Stored {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Nullable<Text>)]
    account: Option<String>,
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
    #[diesel(sql_type = Nullable<Text>)]
    published_state: Option<String>,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

impl From<Stored> for BookingRow {
    fn from(row: Stored) -> Self {
        // Version 0 is a row that was made to be locked: it shows nothing yet.
        let shown = (row.version > 0).then_some(Shown {
            status: row.status,
            amount: row.amount,
            currency: row.currency,
            amount_paid: row.amount_paid,
            amount_refunded: row.amount_refunded,
            expected_amount: row.expected_amount,
            expected_currency: row.expected_currency,
            hold: row.hold,
        });
        Self {
            id: row.id,
            account: row.account,
            shown,
            published_state: row.published_state,
            version: row.version,
            dirty: false,
        }
    }
}

/// Makes the missing ones of these bookings: what does not exist cannot be locked.
///
/// # Errors
/// diesel's.
pub fn insert_missing(conn: &mut PgConnection, ids: &[String], by: &str) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO bookings (id, updated_by) \
         SELECT id, $2 FROM UNNEST($1) AS k (id) ORDER BY id \
         ON CONFLICT ON CONSTRAINT bookings_pkey DO NOTHING",
    )
    .bind::<Array<Text>, _>(ids)
    .bind::<Text, _>(by)
    .execute(conn)
}

/// Locks those of these bookings that are there, in the order of their ids.
///
/// # Errors
/// diesel's.
pub fn lock_existing(conn: &mut PgConnection, ids: &[String]) -> QueryResult<Vec<BookingRow>> {
    let rows: Vec<Stored> = sql_query(
        "SELECT id, account, status, amount, currency, amount_paid, amount_refunded, \
           expected_amount, expected_currency, hold, published_state, version \
         FROM bookings WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
    )
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    Ok(rows.into_iter().map(BookingRow::from).collect())
}

/// Writes changed bookings. The rows are locked.
///
/// # Errors
/// diesel's; a status or hold that the schema does not know names its constraint.
pub fn update(
    conn: &mut PgConnection,
    rows: &[(&BookingRow, &Shown)],
    by: &str,
) -> QueryResult<usize> {
    let text =
        |f: fn(&(&BookingRow, &Shown)) -> Option<String>| rows.iter().map(f).collect::<Vec<_>>();
    let number =
        |f: fn(&(&BookingRow, &Shown)) -> Option<i64>| rows.iter().map(f).collect::<Vec<_>>();
    sql_query(
        "UPDATE bookings b SET account = n.account, status = n.status, amount = n.amount, \
           currency = n.currency, amount_paid = n.amount_paid, \
           amount_refunded = n.amount_refunded, expected_amount = n.expected_amount, \
           expected_currency = n.expected_currency, hold = n.hold, \
           published_state = n.published_state, version = n.version, \
           updated_at = now(), updated_by = $13 \
         FROM UNNEST($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
           AS n (id, account, status, amount, currency, amount_paid, amount_refunded, \
                 expected_amount, expected_currency, hold, published_state, version) \
         WHERE b.id = n.id",
    )
    .bind::<Array<Text>, _>(
        rows.iter()
            .map(|(row, _)| row.id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<Text>>, _>(text(|(row, _)| row.account.clone()))
    .bind::<Array<Text>, _>(
        rows.iter()
            .map(|(_, s)| s.status.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<BigInt>>, _>(number(|(_, s)| s.amount))
    .bind::<Array<Nullable<Text>>, _>(text(|(_, s)| s.currency.clone()))
    .bind::<Array<BigInt>, _>(rows.iter().map(|(_, s)| s.amount_paid).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(
        rows.iter()
            .map(|(_, s)| s.amount_refunded)
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<BigInt>>, _>(number(|(_, s)| s.expected_amount))
    .bind::<Array<Nullable<Text>>, _>(text(|(_, s)| s.expected_currency.clone()))
    .bind::<Array<Nullable<Text>>, _>(text(|(_, s)| s.hold.clone()))
    .bind::<Array<Nullable<Text>>, _>(text(|(row, _)| row.published_state.clone()))
    .bind::<Array<BigInt>, _>(rows.iter().map(|(row, _)| row.version).collect::<Vec<_>>())
    .bind::<Text, _>(by)
    .execute(conn)
}

/// Appends to the audit trail.
///
/// # Errors
/// diesel's, or serde's as diesel's serialization error.
pub fn insert_transitions(conn: &mut PgConnection, rows: &[Transition]) -> QueryResult<usize> {
    let json = |shown: &Shown| {
        serde_json::to_string(shown)
            .map_err(|cause| diesel::result::Error::SerializationError(Box::new(cause)))
    };
    let mut before = Vec::with_capacity(rows.len());
    let mut after = Vec::with_capacity(rows.len());
    for row in rows {
        before.push(row.before.as_ref().map(json).transpose()?);
        after.push(json(&row.after)?);
    }
    let from: Vec<Option<&str>> = rows
        .iter()
        .map(|row| row.before.as_ref().map(|shown| shown.status.as_str()))
        .collect();
    sql_query(
        "INSERT INTO booking_transitions \
           (booking_id, version, cause_kind, cause_id, from_status, to_status, before, after, fold_version) \
         SELECT t.booking_id, t.version, t.cause_kind, t.cause_id, t.from_status, t.to_status, \
           t.before::json, t.after::json, $9 \
         FROM UNNEST($1, $2, $3, $4, $5, $6, $7, $8) \
           AS t (booking_id, version, cause_kind, cause_id, from_status, to_status, before, after)",
    )
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.booking_id.as_str()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.version).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.cause_kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.cause_id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(from)
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.after.status.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(before)
    .bind::<Array<Text>, _>(after)
    .bind::<Integer, _>(FOLD_VERSION)
    .execute(conn)
}
