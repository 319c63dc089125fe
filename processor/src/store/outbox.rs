//! `outbox`: facts, written in the transaction of the change they tell, and what the relay reads
//! and marks.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use crate::apply::world::Fact;

/// Writes facts in order; one that was written before (the same state reached again after a
/// restore) is left as it is.
///
/// # Errors
/// diesel's.
pub fn insert(conn: &mut PgConnection, facts: &[Fact]) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO outbox (id, key, kind, payload) \
         SELECT f.id, f.key, f.kind, f.payload::json \
         FROM UNNEST($1, $2, $3, $4) WITH ORDINALITY AS f (id, key, kind, payload, n) \
         ORDER BY f.n ON CONFLICT ON CONSTRAINT outbox_id_once DO NOTHING",
    )
    .bind::<Array<Text>, _>(
        facts
            .iter()
            .map(|fact| fact.id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        facts
            .iter()
            .map(|fact| fact.key.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(facts.iter().map(|fact| fact.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(
        facts
            .iter()
            .map(|fact| fact.payload.as_str())
            .collect::<Vec<_>>(),
    )
    .execute(conn)
}

/// First half of the advisory locks' keys ("bkox"); the second is the slot.
const LOCKS: i32 = 0x626b_6f78;

/// A fact that waits to be published.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Waiting {
    /// Order of writing.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    /// The fact's id.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// Key of its record.
    #[diesel(sql_type = Text)]
    pub key: String,
    /// What kind of fact.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// The fact, JSON.
    #[diesel(sql_type = Text)]
    pub payload: String,
    /// When it was written.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// How much waits, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Backlog {
    /// Facts not published, counted up to 100,000.
    #[diesel(sql_type = BigInt)]
    pub facts: i64,
    /// When the oldest was written, seconds since 1970; 0: none waits.
    #[diesel(sql_type = BigInt)]
    pub oldest: i64,
}

#[derive(QueryableByName)]
struct Slot {
    #[diesel(sql_type = Integer)]
    slot: i32,
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Bool)]
    held: bool,
}

/// The slots in which something waits. Reads one index entry a slot.
///
/// # Errors
/// diesel's.
pub fn slots(conn: &mut PgConnection) -> QueryResult<Vec<i32>> {
    let rows: Vec<Slot> = sql_query(
        "SELECT slot FROM generate_series(0, 15) AS s (slot) WHERE EXISTS \
         (SELECT FROM outbox o WHERE o.slot = s.slot::smallint AND o.published_at IS NULL)",
    )
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.slot).collect())
}

/// Takes a slot for this session, or says that another session has it. Taken until
/// [`free_slot`], or the session's end.
///
/// # Errors
/// diesel's.
pub fn take_slot(conn: &mut PgConnection, slot: i32) -> QueryResult<bool> {
    let row: Held = sql_query("SELECT pg_try_advisory_lock($1, $2) AS held")
        .bind::<Integer, _>(LOCKS)
        .bind::<Integer, _>(slot)
        .get_result(conn)?;
    Ok(row.held)
}

/// Gives a slot back; `false`: it was not ours.
///
/// # Errors
/// diesel's.
pub fn free_slot(conn: &mut PgConnection, slot: i32) -> QueryResult<bool> {
    let row: Held = sql_query("SELECT pg_advisory_unlock($1, $2) AS held")
        .bind::<Integer, _>(LOCKS)
        .bind::<Integer, _>(slot)
        .get_result(conn)?;
    Ok(row.held)
}

/// The oldest `limit` facts of a slot, in the order of writing. A subject's facts are written
/// under its row's lock, so their order of writing is their order of commit.
///
/// # Errors
/// diesel's.
pub fn waiting(conn: &mut PgConnection, slot: i32, limit: i64) -> QueryResult<Vec<Waiting>> {
    sql_query(
        "SELECT seq, id, key, kind, payload::text AS payload, created_at FROM outbox \
         WHERE slot = $1::smallint AND published_at IS NULL ORDER BY seq LIMIT $2",
    )
    .bind::<Integer, _>(slot)
    .bind::<BigInt, _>(limit)
    .load(conn)
}

/// Notes that these were acknowledged by the broker.
///
/// # Errors
/// diesel's; they are then published again.
pub fn mark_published(conn: &mut PgConnection, seqs: &[i64]) -> QueryResult<usize> {
    sql_query(
        "UPDATE outbox SET published_at = clock_timestamp() \
         WHERE seq = ANY ($1) AND published_at IS NULL",
    )
    .bind::<Array<BigInt>, _>(seqs)
    .execute(conn)
}

/// What waits.
///
/// # Errors
/// diesel's.
pub fn backlog(conn: &mut PgConnection) -> QueryResult<Backlog> {
    sql_query(
        "SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE published_at IS NULL \
                 LIMIT 100000) AS counted) AS facts, \
         coalesce((SELECT extract(epoch FROM min(o.created_at))::bigint \
                   FROM generate_series(0, 15) AS s (slot), LATERAL \
                   (SELECT created_at FROM outbox WHERE slot = s.slot::smallint \
                    AND published_at IS NULL ORDER BY seq LIMIT 1) AS o), 0) AS oldest",
    )
    .get_result(conn)
}
