//! `dead_letters`: one row an event id, else one a payload.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};

use crate::item::Dead;

/// Writes one dead letter down. The same bytes again only count; other bytes under
/// the same id open it again. The bytes of the first stay.
///
/// # Errors
/// diesel's.
pub fn upsert(
    conn: &mut PgConnection,
    dead: &Dead,
    failed_at: DateTime<Utc>,
    trace_id: Option<&str>,
) -> QueryResult<usize> {
    // Two partial unique indexes, so two statements: which applies depends on the id.
    let statement = if dead.id.is_some() {
        sql_query(
            "INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition, \
               \"offset\", stage, error_class, error, attempts, first_failed_at, last_failed_at, trace_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13) \
             ON CONFLICT (event_id) WHERE event_id IS NOT NULL DO UPDATE \
               SET attempts = dead_letters.attempts + EXCLUDED.attempts, error = EXCLUDED.error, \
                   last_failed_at = EXCLUDED.last_failed_at, \
                   status = CASE WHEN dead_letters.payload_sha256 = EXCLUDED.payload_sha256 \
                            THEN dead_letters.status ELSE 'open' END",
        )
    } else {
        sql_query(
            "INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition, \
               \"offset\", stage, error_class, error, attempts, first_failed_at, last_failed_at, trace_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13) \
             ON CONFLICT (payload_sha256) WHERE event_id IS NULL DO UPDATE \
               SET attempts = dead_letters.attempts + EXCLUDED.attempts, error = EXCLUDED.error, \
                   last_failed_at = EXCLUDED.last_failed_at, \
                   status = CASE WHEN dead_letters.payload_sha256 = EXCLUDED.payload_sha256 \
                            THEN dead_letters.status ELSE 'open' END",
        )
    };
    statement
        .bind::<Nullable<Text>, _>(dead.id.as_deref())
        .bind::<Binary, _>(dead.record.value.as_slice())
        .bind::<Binary, _>(dead.sha256.as_slice())
        .bind::<Text, _>(&dead.record.key)
        .bind::<Text, _>(&dead.record.topic)
        .bind::<Integer, _>(dead.record.partition)
        .bind::<BigInt, _>(dead.record.offset)
        .bind::<Text, _>(dead.stage.as_str())
        .bind::<Text, _>(dead.class)
        .bind::<Text, _>(&dead.error)
        .bind::<Integer, _>(i32::try_from(dead.attempts).unwrap_or(i32::MAX))
        .bind::<Timestamptz, _>(failed_at)
        .bind::<Nullable<Text>, _>(trace_id)
        .execute(conn)
}
