//! `dead_letters` and their groups: one row an event id, else one a payload.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};
use shared::commands::Decision;

use crate::dead_letter::VERSION;
use crate::fingerprint::{fingerprint, normalize};
use crate::item::Dead;
use crate::raw_headers;

/// Writes one dead letter down, and its group. The same bytes again only count; other bytes under
/// the same id open it again, as does a recurrence after it was resolved. The bytes of the first
/// stay. One that was replayed was applied: a copy that another partition brings at that moment
/// does not undo that.
///
/// # Errors
/// diesel's.
pub fn upsert(
    conn: &mut PgConnection,
    dead: &Dead,
    failed_at: DateTime<Utc>,
    trace_id: Option<&str>,
) -> QueryResult<usize> {
    let event_type = dead.event_type.as_deref().unwrap_or("unknown");
    let normalized = normalize(&dead.error);
    let (stage, class) = (dead.stage.as_str(), dead.class.as_str());
    let group = fingerprint(stage, class, event_type, &normalized);
    write_group(conn, &group, dead, event_type, &normalized, failed_at)?;
    // Two partial unique indexes: which applies depends on the id.
    let conflict = if dead.id.is_some() {
        "(event_id) WHERE event_id IS NOT NULL"
    } else {
        "(payload_sha256) WHERE event_id IS NULL"
    };
    sql_query(format!(
        "INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition, \
           \"offset\", stage, error_class, error, attempts, first_failed_at, last_failed_at, trace_id, \
           headers, record_timestamp, error_kind, event_type, fingerprint, booking_id, \
           processor_version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::json, $16, $17, \
           $18, $19, $20, $21) \
         ON CONFLICT {conflict} DO UPDATE \
           SET attempts = dead_letters.attempts + EXCLUDED.attempts, error = EXCLUDED.error, \
               error_class = EXCLUDED.error_class, error_kind = EXCLUDED.error_kind, \
               fingerprint = EXCLUDED.fingerprint, booking_id = EXCLUDED.booking_id, \
               processor_version = EXCLUDED.processor_version, \
               last_failed_at = EXCLUDED.last_failed_at, \
               status = CASE WHEN dead_letters.payload_sha256 = EXCLUDED.payload_sha256 \
                          AND dead_letters.status <> 'resolved' \
                        THEN dead_letters.status ELSE 'open' END"
    ))
    .bind::<Nullable<Text>, _>(dead.id.as_deref())
    .bind::<Binary, _>(dead.record.value.as_slice())
    .bind::<Binary, _>(dead.sha256.as_slice())
    .bind::<Text, _>(&dead.record.key)
    .bind::<Text, _>(&dead.record.topic)
    .bind::<Integer, _>(dead.record.partition)
    .bind::<BigInt, _>(dead.record.offset)
    .bind::<Text, _>(stage)
    .bind::<Text, _>(class)
    .bind::<Text, _>(&dead.error)
    .bind::<Integer, _>(i32::try_from(dead.attempts).unwrap_or(i32::MAX))
    .bind::<Timestamptz, _>(dead.first_failed_at.unwrap_or(failed_at))
    .bind::<Timestamptz, _>(failed_at)
    .bind::<Nullable<Text>, _>(trace_id)
    .bind::<Text, _>(raw_headers::to_json(&dead.record.raw_headers))
    .bind::<Nullable<Timestamptz>, _>(
        dead.record
            .timestamp_ms
            .and_then(DateTime::from_timestamp_millis),
    )
    .bind::<Text, _>(dead.kind)
    .bind::<Text, _>(event_type)
    .bind::<Text, _>(group)
    .bind::<Nullable<Text>, _>(dead.booking.as_deref())
    .bind::<Text, _>(VERSION)
    .execute(conn)
}

/// A group that was resolved opens again when it comes back; what is ignored stays ignored.
fn write_group(
    conn: &mut PgConnection,
    group: &str,
    dead: &Dead,
    event_type: &str,
    normalized: &str,
    failed_at: DateTime<Utc>,
) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO dead_letter_groups (fingerprint, stage, error_class, error_kind, event_type, \
           error, first_seen, last_seen) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
         ON CONFLICT ON CONSTRAINT dead_letter_groups_pkey DO UPDATE \
           SET occurrences = dead_letter_groups.occurrences + 1, last_seen = EXCLUDED.last_seen, \
               reopened = dead_letter_groups.reopened \
                 + CASE WHEN dead_letter_groups.status = 'resolved' THEN 1 ELSE 0 END, \
               status_changed_at = CASE WHEN dead_letter_groups.status = 'resolved' \
                 THEN EXCLUDED.last_seen ELSE dead_letter_groups.status_changed_at END, \
               status_action_id = CASE WHEN dead_letter_groups.status = 'resolved' \
                 THEN NULL ELSE dead_letter_groups.status_action_id END, \
               status = CASE WHEN dead_letter_groups.status = 'resolved' \
                 THEN 'open' ELSE dead_letter_groups.status END",
    )
    .bind::<Text, _>(group)
    .bind::<Text, _>(dead.stage.as_str())
    .bind::<Text, _>(dead.class.as_str())
    .bind::<Text, _>(dead.kind)
    .bind::<Text, _>(event_type)
    .bind::<Text, _>(normalized)
    .bind::<Timestamptz, _>(failed_at)
    .execute(conn)
}

/// These events were applied after all.
///
/// # Errors
/// diesel's.
pub fn replayed(conn: &mut PgConnection, events: &[&str]) -> QueryResult<usize> {
    sql_query(
        "UPDATE dead_letters SET status = 'replayed', status_changed_at = now(), \
           status_action_id = NULL \
         WHERE event_id = ANY ($1) AND status <> 'replayed'",
    )
    .bind::<Array<Text>, _>(events)
    .execute(conn)
}

/// A person's decision about a group and its letters; how many rows changed.
///
/// # Errors
/// diesel's.
pub fn decide_group(
    conn: &mut PgConnection,
    group: &str,
    decision: Decision,
    action_id: &str,
) -> QueryResult<usize> {
    let groups = sql_query(
        "UPDATE dead_letter_groups SET status = $2, status_changed_at = now(), status_action_id = $3 \
         WHERE fingerprint = $1 AND status <> $2",
    )
    .bind::<Text, _>(group)
    .bind::<Text, _>(decision.as_str())
    .bind::<Text, _>(action_id)
    .execute(conn)?;
    // What was replayed has its own end.
    let letters = sql_query(
        "UPDATE dead_letters SET status = $2, status_changed_at = now(), status_action_id = $3 \
         WHERE fingerprint = $1 AND status NOT IN ($2, 'replayed')",
    )
    .bind::<Text, _>(group)
    .bind::<Text, _>(decision.as_str())
    .bind::<Text, _>(action_id)
    .execute(conn)?;
    Ok(groups.saturating_add(letters))
}

/// A person's decision about one dead letter; how many rows changed.
///
/// # Errors
/// diesel's.
pub fn decide_one(
    conn: &mut PgConnection,
    id: i64,
    decision: Decision,
    action_id: &str,
) -> QueryResult<usize> {
    sql_query(
        "UPDATE dead_letters SET status = $2, status_changed_at = now(), status_action_id = $3 \
         WHERE id = $1 AND status NOT IN ($2, 'replayed')",
    )
    .bind::<BigInt, _>(id)
    .bind::<Text, _>(decision.as_str())
    .bind::<Text, _>(action_id)
    .execute(conn)
}

/// A decision about every letter of one event, because the event was skipped.
///
/// # Errors
/// diesel's.
pub fn decide_event(
    conn: &mut PgConnection,
    event: &str,
    decision: Decision,
    action_id: &str,
) -> QueryResult<usize> {
    sql_query(
        "UPDATE dead_letters SET status = $2, booking_id = NULL, status_changed_at = now(), \
           status_action_id = $3 WHERE event_id = $1",
    )
    .bind::<Text, _>(event)
    .bind::<Text, _>(decision.as_str())
    .bind::<Text, _>(action_id)
    .execute(conn)
}

/// Dead letters that nobody has looked at, counted up to 100,000.
///
/// # Errors
/// diesel's.
pub fn open(conn: &mut PgConnection) -> QueryResult<i64> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let row: Row = sql_query(
        "SELECT count(*) AS n FROM \
         (SELECT FROM dead_letters WHERE status = 'open' LIMIT 100000) AS counted",
    )
    .get_result(conn)?;
    Ok(row.n)
}
