//! `restores`: what of the log a restored database has forgotten, and the generation of booking events.
//!
//! Invariant: generations only rise, also over a restore that forgets this table: each is the second
//! in which it was noticed.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

/// Notes that `[from, to)` of a partition was applied once and is forgotten. A range that is still
/// being caught up with is widened; partitions of one restore share their generation.
///
/// # Errors
/// diesel's.
pub fn notice(
    conn: &mut PgConnection,
    (topic, partition): (&str, i32),
    (from, to): (i64, i64),
) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO restores (topic, partition, from_offset, to_offset, generation) \
         SELECT $1, $2, $3, $4, coalesce( \
           (SELECT max(generation) FROM restores WHERE caught_up_at IS NULL), \
           greatest(extract(epoch FROM now())::bigint, \
             (SELECT coalesce(max(generation), 0) + 1 FROM restores))) \
         ON CONFLICT (topic, partition) WHERE caught_up_at IS NULL \
         DO UPDATE SET to_offset = greatest(restores.to_offset, EXCLUDED.to_offset)",
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .bind::<BigInt, _>(from)
    .bind::<BigInt, _>(to)
    .execute(conn)
}

/// The partition's log is gone: there is nothing to catch up with any more.
///
/// # Errors
/// diesel's.
pub fn give_up(conn: &mut PgConnection, topic: &str, partition: i32) -> QueryResult<usize> {
    sql_query(
        "UPDATE restores SET caught_up_at = now() \
         WHERE topic = $1 AND partition = $2 AND caught_up_at IS NULL",
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .execute(conn)
}

/// How far the database has caught up with what it has forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Standing {
    /// Generation of the booking events that leave now; 0: never restored.
    #[diesel(sql_type = BigInt)]
    pub generation: i64,
    /// Ranges that are not closed.
    #[diesel(sql_type = BigInt)]
    pub open: i64,
    /// Records that are still to be applied again.
    #[diesel(sql_type = BigInt)]
    pub behind: i64,
}

/// What the ranges that are open still lack. A partition without progress lacks all of it.
///
/// # Errors
/// diesel's.
pub fn standing(conn: &mut PgConnection) -> QueryResult<Standing> {
    sql_query(
        "SELECT (SELECT coalesce(max(generation), 0) FROM restores) AS generation, \
           count(r.topic) AS open, \
           coalesce(sum(greatest(r.to_offset - coalesce(p.next_offset, r.from_offset), 0)), 0)::bigint \
             AS behind \
         FROM restores r LEFT JOIN partition_progress p USING (topic, partition) \
         WHERE r.caught_up_at IS NULL",
    )
    .get_result(conn)
}

/// Closes the ranges that are applied again.
///
/// # Errors
/// diesel's.
pub fn close(conn: &mut PgConnection) -> QueryResult<usize> {
    sql_query(
        "UPDATE restores r SET caught_up_at = now() FROM partition_progress p \
         WHERE r.caught_up_at IS NULL AND p.topic = r.topic AND p.partition = r.partition \
           AND p.next_offset >= r.to_offset",
    )
    .execute(conn)
}
