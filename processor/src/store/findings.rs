//! `findings`: what contradicts itself about belonging, seen while folding.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};

use crate::apply::world::Contradiction;

/// Writes each object's contradiction once.
///
/// # Errors
/// diesel's.
pub fn insert(conn: &mut PgConnection, rows: &[&Contradiction]) -> QueryResult<usize> {
    let evidence: Vec<String> = rows.iter().map(|row| row.evidence.to_string()).collect();
    sql_query(
        "INSERT INTO findings (kind, confidence, evidence, account, event_id, object_id, booking_id) \
         SELECT f.kind, 1, f.evidence::json, f.account, f.event_id, f.object_id, f.booking_id \
         FROM UNNEST($1, $2, $3, $4, $5, $6) \
           AS f (kind, evidence, account, event_id, object_id, booking_id) \
         ORDER BY f.account, f.object_id, f.kind \
         ON CONFLICT (account, object_id, kind) WHERE sweep_id IS NULL DO NOTHING",
    )
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(evidence)
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.key.account.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.event_id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.key.id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.booking_id.as_str()).collect::<Vec<_>>())
    .execute(conn)
}
