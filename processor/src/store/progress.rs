//! `partition_progress` and `log_holes`: the compare-and-set that makes a batch count once.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};
use shared::db::run_tx;
use shared::folding::FOLD_VERSION;

/// Whether the compare-and-set found the row as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It did; the row now says `next`.
    Yes,
    /// It did not: somebody else moved or claimed it. The transaction must be rolled back.
    No,
}

/// Moves the progress from `expected` to `next` if offset *and* epoch still are what the batch
/// was dealt out under. Last statement of the batch's transaction.
///
/// # Errors
/// diesel's.
pub fn advance(
    conn: &mut PgConnection,
    (topic, partition): (&str, i32),
    epoch: i64,
    expected: i64,
    next: i64,
) -> QueryResult<Moved> {
    let rows = diesel::sql_query(
        "UPDATE partition_progress SET next_offset = $5, updated_at = now() \
         WHERE topic = $1 AND partition = $2 AND epoch = $3 AND next_offset = $4 \
           AND $6 >= (SELECT min_version FROM fold_rules)",
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .bind::<BigInt, _>(epoch)
    .bind::<BigInt, _>(expected)
    .bind::<BigInt, _>(next)
    .bind::<Integer, _>(FOLD_VERSION)
    .execute(conn)?;
    Ok(if rows == 1 { Moved::Yes } else { Moved::No })
}

/// The row as it is: `(next_offset, epoch)`.
///
/// # Errors
/// diesel's.
pub fn read(
    conn: &mut PgConnection,
    topic: &str,
    partition: i32,
) -> QueryResult<Option<(i64, i64)>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        next_offset: i64,
        #[diesel(sql_type = BigInt)]
        epoch: i64,
    }
    let row: Option<Row> = diesel::sql_query(
        "SELECT next_offset, epoch FROM partition_progress WHERE topic = $1 AND partition = $2",
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .get_result(conn)
    .optional()?;
    Ok(row.map(|row| (row.next_offset, row.epoch)))
}

/// Every partition's row: `(partition, next_offset, epoch)`.
///
/// # Errors
/// diesel's.
pub fn all(conn: &mut PgConnection, topic: &str) -> QueryResult<Vec<(i32, i64, i64)>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        partition: i32,
        #[diesel(sql_type = BigInt)]
        next_offset: i64,
        #[diesel(sql_type = BigInt)]
        epoch: i64,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT partition, next_offset, epoch FROM partition_progress WHERE topic = $1",
    )
    .bind::<Text, _>(topic)
    .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.partition, row.next_offset, row.epoch))
        .collect())
}

/// Writes down that `[from, to)` was gone before it was applied.
///
/// # Errors
/// diesel's.
pub fn record_hole(
    conn: &mut PgConnection,
    topic: &str,
    partition: i32,
    (from, to): (i64, i64),
    kind: &str,
) -> QueryResult<usize> {
    diesel::sql_query(
        "INSERT INTO log_holes (topic, partition, from_offset, to_offset, kind) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .bind::<BigInt, _>(from)
    .bind::<BigInt, _>(to)
    .bind::<Text, _>(kind)
    .execute(conn)
}

/// How many ranges were ever found gone.
///
/// # Errors
/// diesel's.
pub fn holes(conn: &mut PgConnection) -> QueryResult<i64> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let row: Row = diesel::sql_query("SELECT count(*) AS n FROM log_holes").get_result(conn)?;
    Ok(row.n)
}

/// Name of the probe's transaction.
const PROBE: &str = "probe";

/// A write that changes nothing, under the table locks that a batch takes: tells a database that
/// works from one that does not, and from one whose tables somebody keeps locked.
///
/// # Errors
/// diesel's.
pub fn probe(conn: &mut PgConnection, topic: &str, partition: i32) -> QueryResult<()> {
    run_tx(conn, PROBE, |conn| {
        diesel::sql_query(
            "LOCK TABLE objects, bookings, events, parked_events, outbox IN ROW EXCLUSIVE MODE",
        )
        .execute(conn)?;
        // `updated_at` stays: operators read there when progress last moved.
        diesel::sql_query(
            "UPDATE partition_progress SET next_offset = next_offset \
             WHERE topic = $1 AND partition = $2",
        )
        .bind::<Text, _>(topic)
        .bind::<Integer, _>(partition)
        .execute(conn)
        .map(drop)
    })
}
