//! `consumer_control`, `processor_instances`, and the brake's mark in `partition_progress`.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl, sql_query};

/// What operators want of consumption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, diesel::QueryableByName)]
pub struct Wanted {
    /// Nothing is to be applied.
    #[diesel(sql_type = Bool)]
    pub paused: bool,
    /// Raised by each resume.
    #[diesel(sql_type = BigInt)]
    pub resumes: i64,
}

/// What operators want of this topic; without a row: that it runs.
///
/// # Errors
/// diesel's.
pub fn wanted(conn: &mut PgConnection, topic: &str) -> QueryResult<Wanted> {
    let row: Option<Wanted> = sql_query(
        "SELECT state = 'paused' AS paused, resumes FROM consumer_control WHERE topic = $1",
    )
    .bind::<Text, _>(topic)
    .get_result(conn)
    .optional()?;
    Ok(row.unwrap_or_default())
}

/// What this process says of itself.
#[derive(Debug)]
pub struct Instance<'a> {
    /// Host and process id.
    pub name: &'a str,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// `running`, `paused`, `held` or `stopped`.
    pub state: &'static str,
    /// Why it does not run.
    pub reason: Option<String>,
    /// Partitions it reads.
    pub partitions: Vec<i32>,
}

/// Says so, and forgets those not seen for a day.
///
/// # Errors
/// diesel's.
pub fn say(conn: &mut PgConnection, instance: &Instance<'_>) -> QueryResult<usize> {
    sql_query("DELETE FROM processor_instances WHERE seen_at < now() - interval '1 day'")
        .execute(conn)?;
    sql_query(
        "INSERT INTO processor_instances (instance, version, started_at, seen_at, state, reason, partitions) \
         VALUES ($1, $2, $3, now(), $4, $5, $6) \
         ON CONFLICT ON CONSTRAINT processor_instances_pkey DO UPDATE \
           SET seen_at = now(), state = EXCLUDED.state, reason = EXCLUDED.reason, \
               partitions = EXCLUDED.partitions, version = EXCLUDED.version",
    )
    .bind::<Text, _>(instance.name)
    .bind::<Text, _>(env!("CARGO_PKG_VERSION"))
    .bind::<Timestamptz, _>(instance.started_at)
    .bind::<Text, _>(instance.state)
    .bind::<Nullable<Text>, _>(instance.reason.as_deref())
    .bind::<Array<Integer>, _>(&instance.partitions)
    .execute(conn)
}

/// Marks a partition as held, or (without a reason) as held no more, if it still is ours.
///
/// # Errors
/// diesel's.
pub fn hold(
    conn: &mut PgConnection,
    (topic, partition): (&str, i32),
    epoch: i64,
    reason: Option<&str>,
) -> QueryResult<usize> {
    sql_query(
        "UPDATE partition_progress SET held_reason = $4, \
           held_since = CASE WHEN $4 IS NULL THEN NULL ELSE coalesce(held_since, now()) END \
         WHERE topic = $1 AND partition = $2 AND epoch = $3 \
           AND (held_since IS NULL) = ($4 IS NOT NULL)",
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .bind::<BigInt, _>(epoch)
    .bind::<Nullable<Text>, _>(reason)
    .execute(conn)
}
