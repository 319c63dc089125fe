//! `object_shares`: one payment's part in one booking.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};
use shared::folding::graph::Key;
use shared::folding::money::StoredShare;

/// Writes shares. Their objects and bookings are locked.
///
/// # Errors
/// diesel's, or serde's as diesel's serialization error.
pub fn upsert(conn: &mut PgConnection, rows: &[StoredShare]) -> QueryResult<usize> {
    let rows = serde_json::to_string(rows)
        .map_err(|cause| diesel::result::Error::SerializationError(Box::new(cause)))?;
    sql_query(
        "INSERT INTO object_shares SELECT * FROM json_populate_recordset(NULL::object_shares, $1::json) \
           ORDER BY account, object_id, booking_id \
         ON CONFLICT ON CONSTRAINT object_shares_pkey DO UPDATE SET \
           currency = EXCLUDED.currency, attempt = EXCLUDED.attempt, at = EXCLUDED.at, \
           paid_at = EXCLUDED.paid_at, amount = EXCLUDED.amount, \
           is_finished = EXCLUDED.is_finished, is_free = EXCLUDED.is_free, \
           is_settled = EXCLUDED.is_settled, authorized_until = EXCLUDED.authorized_until, \
           captured = EXCLUDED.captured, authorized = EXCLUDED.authorized, \
           in_flight = EXCLUDED.in_flight, settled_elsewhere = EXCLUDED.settled_elsewhere, \
           from_balance = EXCLUDED.from_balance, credited = EXCLUDED.credited, \
           refunded = EXCLUDED.refunded, \
           refund_pending_action = EXCLUDED.refund_pending_action, \
           disputed = EXCLUDED.disputed, lost = EXCLUDED.lost, winners = EXCLUDED.winners",
    )
    .bind::<Text, _>(rows)
    .execute(conn)
}

/// Takes shares away: their payment belongs to another booking now.
///
/// # Errors
/// diesel's.
pub fn delete(conn: &mut PgConnection, rows: &[(Key, String)]) -> QueryResult<usize> {
    let accounts: Vec<&str> = rows.iter().map(|(key, _)| key.account.as_str()).collect();
    let ids: Vec<&str> = rows.iter().map(|(key, _)| key.id.as_str()).collect();
    let bookings: Vec<&str> = rows.iter().map(|(_, booking)| booking.as_str()).collect();
    sql_query(
        "DELETE FROM object_shares s USING UNNEST($1, $2, $3) AS n (account, object_id, booking_id) \
         WHERE s.account = n.account AND s.object_id = n.object_id AND s.booking_id = n.booking_id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .bind::<Array<Text>, _>(bookings)
    .execute(conn)
}
