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
    shown: String,
    #[diesel(sql_type = Nullable<Text>)]
    published_state: Option<String>,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Integer)]
    fold_version: i32,
}

impl Stored {
    fn row(self) -> QueryResult<BookingRow> {
        // Version 0 is a row that was made to be locked: it shows nothing yet.
        let shown = match self.version {
            0 => None,
            _ => Some(shared::db::belonging::shown_of(&self.shown)?),
        };
        Ok(BookingRow {
            id: self.id,
            account: self.account,
            shown,
            published_state: self.published_state,
            version: self.version,
            fold_version: self.fold_version,
            dirty: false,
        })
    }
}

#[derive(diesel::QueryableByName)]
struct Id {
    #[diesel(sql_type = Text)]
    id: String,
}

/// Makes the missing ones of these bookings: what does not exist cannot be locked. Those that
/// this made.
///
/// # Errors
/// diesel's.
pub fn insert_missing(
    conn: &mut PgConnection,
    ids: &[String],
    by: &str,
) -> QueryResult<Vec<String>> {
    let made: Vec<Id> = sql_query(
        "INSERT INTO bookings (id, updated_by, fold_version) \
         SELECT id, $2, $3 FROM UNNEST($1) AS k (id) ORDER BY id \
         ON CONFLICT ON CONSTRAINT bookings_pkey DO NOTHING RETURNING id",
    )
    .bind::<Array<Text>, _>(ids)
    .bind::<Text, _>(by)
    .bind::<Integer, _>(FOLD_VERSION)
    .load(conn)?;
    Ok(made.into_iter().map(|row| row.id).collect())
}

/// Takes rows away that show nothing and that this transaction made.
///
/// # Errors
/// diesel's.
pub fn delete_empty(conn: &mut PgConnection, ids: &[String]) -> QueryResult<usize> {
    sql_query("SELECT drop_empty_bookings($1)")
        .bind::<Array<Text>, _>(ids)
        .execute(conn)
}

/// Locks those of these bookings that are there, in the order of their ids.
///
/// # Errors
/// diesel's.
pub fn lock_existing(conn: &mut PgConnection, ids: &[String]) -> QueryResult<Vec<BookingRow>> {
    let rows: Vec<Stored> = sql_query(
        "SELECT id, account, row_to_json(b)::text AS shown, published_state, version, fold_version \
         FROM bookings b WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
    )
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    rows.into_iter().map(Stored::row).collect()
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
    let mut values = Vec::with_capacity(rows.len());
    for (row, shown) in rows {
        let mut value = serde_json::to_value(shown)
            .map_err(|cause| diesel::result::Error::SerializationError(Box::new(cause)))?;
        if let serde_json::Value::Object(map) = &mut value {
            map.insert("id".into(), row.id.clone().into());
            map.insert("account".into(), row.account.clone().into());
            map.insert("published_state".into(), row.published_state.clone().into());
            map.insert("version".into(), row.version.into());
        }
        values.push(value);
    }
    sql_query(
        "UPDATE bookings b SET account = n.account, status = n.status, amount = n.amount, \
           currency = n.currency, amount_paid = n.amount_paid, amount_refunded = n.amount_refunded, \
           amount_authorized = n.amount_authorized, amount_in_flight = n.amount_in_flight, \
           amount_settled_elsewhere = n.amount_settled_elsewhere, \
           amount_from_balance = n.amount_from_balance, amount_credited = n.amount_credited, \
           amount_refund_pending_action = n.amount_refund_pending_action, \
           amount_disputed = n.amount_disputed, amount_lost = n.amount_lost, \
           amount_net = n.amount_net, authorized_until = n.authorized_until, \
           payments = n.payments, other_currencies = n.other_currencies, \
           expected_amount = n.expected_amount, expected_currency = n.expected_currency, \
           hold = n.hold, published_state = n.published_state, version = n.version, \
           updated_at = now(), updated_by = $2, fold_version = $3 \
         FROM json_populate_recordset(NULL::bookings, $1::json) AS n WHERE b.id = n.id",
    )
    .bind::<Text, _>(serde_json::Value::Array(values).to_string())
    .bind::<Text, _>(by)
    .bind::<Integer, _>(FOLD_VERSION)
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
