//! What only a refold does: links and mentions that nothing makes any more go, and ledger rows say
//! by which rules they were folded last.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Integer, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};
use shared::folding::FOLD_VERSION;
use shared::folding::graph::Key;

/// Takes links away. Their objects are locked.
///
/// # Errors
/// diesel's.
pub fn delete_links(conn: &mut PgConnection, links: &[(Key, Key)]) -> QueryResult<usize> {
    let accounts: Vec<&str> = links.iter().map(|(key, _)| key.account.as_str()).collect();
    let from: Vec<&str> = links.iter().map(|(key, _)| key.id.as_str()).collect();
    let to: Vec<&str> = links.iter().map(|(_, key)| key.id.as_str()).collect();
    sql_query(
        "DELETE FROM object_links l USING UNNEST($1, $2, $3) AS n (account, from_id, to_id) \
         WHERE l.account = n.account AND l.from_id = n.from_id AND l.to_id = n.to_id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(from)
    .bind::<Array<Text>, _>(to)
    .execute(conn)
}

/// Takes mentions away. Their objects are locked.
///
/// # Errors
/// diesel's.
pub fn delete_mentions(conn: &mut PgConnection, rows: &[(Key, String)]) -> QueryResult<usize> {
    let accounts: Vec<&str> = rows.iter().map(|(key, _)| key.account.as_str()).collect();
    let ids: Vec<&str> = rows.iter().map(|(key, _)| key.id.as_str()).collect();
    let bookings: Vec<&str> = rows.iter().map(|(_, booking)| booking.as_str()).collect();
    sql_query(
        "DELETE FROM object_mentions m USING UNNEST($1, $2, $3) AS n (account, object_id, booking_id) \
         WHERE m.account = n.account AND m.object_id = n.object_id AND m.booking_id = n.booking_id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .bind::<Array<Text>, _>(bookings)
    .execute(conn)
}

/// Says that these ledger rows were folded by today's rules.
///
/// # Errors
/// diesel's.
pub fn set_fold_version(
    conn: &mut PgConnection,
    rows: &BTreeMap<String, DateTime<Utc>>,
) -> QueryResult<usize> {
    sql_query(
        "UPDATE events e SET fold_version = $3 FROM UNNEST($1, $2) AS n (id, created) \
         WHERE e.id = n.id AND e.created = n.created AND e.fold_version <> $3",
    )
    .bind::<Array<Text>, _>(rows.keys().map(String::as_str).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(rows.values().copied().collect::<Vec<_>>())
    .bind::<Integer, _>(FOLD_VERSION)
    .execute(conn)
}
