//! `parked_events`: the queues behind bookings that are blocked.
//!
//! A queue goes by its booking's id, or, for events without a booking, by their record's key. Its
//! order is (created, partition, offset, id), the same whoever reads it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{
    Array, BigInt, Binary, Bool, Double, Integer, Nullable, Text, Timestamptz,
};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl, sql_query};

use crate::item::{Readable, Reason};
use crate::raw_headers;

/// Which of these names have a queue.
///
/// # Errors
/// diesel's.
pub fn queues(conn: &mut PgConnection, names: &[&str]) -> QueryResult<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        booking_id: String,
    }
    // EXISTS stops at a queue's first row, however long it is.
    let rows: Vec<Row> = sql_query(
        "SELECT n.name AS booking_id FROM UNNEST($1) AS n (name) \
         WHERE EXISTS (SELECT 1 FROM parked_events p WHERE p.booking_id = n.name)",
    )
    .bind::<Array<Text>, _>(names)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.booking_id).collect())
}

/// An event that goes into a queue.
#[derive(Debug, Clone, Copy)]
pub struct Parking<'a> {
    /// The event.
    pub item: &'a Readable,
    /// The queue.
    pub queue: &'a str,
    /// Why it failed; none: it only waits behind another.
    pub reason: Option<&'a Reason>,
}

/// Puts events into their queues. One that failed itself is tried again `after` so long, by the
/// database's clock: two processors need not agree on the time.
///
/// # Errors
/// diesel's.
pub fn insert(
    conn: &mut PgConnection,
    rows: &[Parking<'_>],
    after: Duration,
) -> QueryResult<usize> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    sql_query(
        "INSERT INTO parked_events (event_id, booking_id, created, topic, partition, \"offset\", key, \
           headers, record_timestamp, error_class, error_kind, error, first_failed_at, \
           last_failed_at, attempts, next_attempt_at) \
         SELECT n.event_id, n.booking_id, n.created, n.topic, n.partition, n.o, n.key, \
           n.headers::json, n.record_timestamp, n.error_class, n.error_kind, n.error, n.failed_at, \
           n.failed_at, CASE WHEN n.error IS NULL THEN 0 ELSE 1 END, \
           now() + CASE WHEN n.error IS NULL THEN interval '0' ELSE make_interval(secs => $14) END \
         FROM UNNEST($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
           AS n (event_id, booking_id, created, topic, partition, o, key, headers, \
                 record_timestamp, error_class, error_kind, error, failed_at) \
         ORDER BY n.event_id ON CONFLICT ON CONSTRAINT parked_events_pkey DO NOTHING",
    )
    .bind::<Array<Text>, _>(column!(row => row.item.id.as_str()))
    .bind::<Array<Text>, _>(column!(row => row.queue))
    .bind::<Array<Timestamptz>, _>(
        column!(row => DateTime::from_timestamp(row.item.created, 0).unwrap_or_default()),
    )
    .bind::<Array<Text>, _>(column!(row => row.item.record.topic.as_str()))
    .bind::<Array<Integer>, _>(column!(row => row.item.record.partition))
    .bind::<Array<BigInt>, _>(column!(row => row.item.record.offset))
    .bind::<Array<Text>, _>(column!(row => row.item.record.key.as_str()))
    .bind::<Array<Text>, _>(column!(row => raw_headers::to_json(&row.item.record.raw_headers)))
    .bind::<Array<Nullable<Timestamptz>>, _>(
        column!(row => row.item.record.timestamp_ms.and_then(DateTime::from_timestamp_millis)),
    )
    .bind::<Array<Nullable<Text>>, _>(column!(row => row.reason.map(|why| why.class.as_str())))
    .bind::<Array<Nullable<Text>>, _>(column!(row => row.reason.map(|why| why.kind)))
    .bind::<Array<Nullable<Text>>, _>(column!(row => row.reason.map(|why| why.error.as_str())))
    .bind::<Array<Nullable<Timestamptz>>, _>(column!(row => row.reason.map(|why| why.at)))
    .bind::<Double, _>(after.as_secs_f64())
    .execute(conn)
}

/// A queue whose head is due.
#[derive(Debug, Clone, diesel::QueryableByName)]
pub struct Due {
    /// The queue.
    #[diesel(sql_type = Text)]
    pub booking_id: String,
    /// Class of the head's last failure.
    #[diesel(sql_type = Nullable<Text>)]
    pub error_class: Option<String>,
    /// Attempts of that class.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
}

/// The head of each queue. Steps from queue to queue by the index parked_events_queue: one entry is
/// read for each, however many events wait behind it. The brake bounds the number of queues.
macro_rules! heads {
    () => {
        "WITH RECURSIVE heads AS ( \
           (SELECT booking_id, error_class, error_kind, attempts, next_attempt_at, gave_up_at, \
              parked_at FROM parked_events \
            ORDER BY booking_id, created, partition, \"offset\", event_id LIMIT 1) \
           UNION ALL \
           SELECT n.* FROM heads h CROSS JOIN LATERAL ( \
             SELECT p.booking_id, p.error_class, p.error_kind, p.attempts, p.next_attempt_at, \
               p.gave_up_at, p.parked_at FROM parked_events p WHERE p.booking_id > h.booking_id \
             ORDER BY p.booking_id, p.created, p.partition, p.\"offset\", p.event_id LIMIT 1) n \
         ) "
    };
}

/// Queues whose head is due, the longest due first; at most `limit`. Looks without a lock.
///
/// # Errors
/// diesel's.
pub fn due(conn: &mut PgConnection, limit: i64) -> QueryResult<Vec<Due>> {
    sql_query(concat!(
        heads!(),
        "SELECT booking_id, error_class, attempts FROM heads \
         WHERE gave_up_at IS NULL AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT $1",
    ))
    .bind::<BigInt, _>(limit)
    .load(conn)
}

/// An event of a queue, with what its record was.
#[derive(Debug, Clone, diesel::QueryableByName)]
pub struct Waiting {
    /// The event.
    #[diesel(sql_type = Text)]
    pub event_id: String,
    /// Coordinates.
    #[diesel(sql_type = Text)]
    pub topic: String,
    /// Coordinates.
    #[diesel(sql_type = Integer)]
    pub partition: i32,
    /// Coordinates.
    #[diesel(sql_type = BigInt)]
    pub record_offset: i64,
    /// Key of the record.
    #[diesel(sql_type = Text)]
    pub key: String,
    /// As [`raw_headers`] writes them.
    #[diesel(sql_type = Text)]
    pub headers: String,
    /// Timestamp of the record.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub record_timestamp: Option<DateTime<Utc>>,
    /// Exact bytes, from the ledger.
    #[diesel(sql_type = Binary)]
    pub payload: Vec<u8>,
    /// Attempts of its own.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// Class of its last failure.
    #[diesel(sql_type = Nullable<Text>)]
    pub error_class: Option<String>,
    /// Its last failure.
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    /// First failure of its own.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub first_failed_at: Option<DateTime<Utc>>,
    /// When it became a dead letter.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub gave_up_at: Option<DateTime<Utc>>,
    /// Whether it may be tried now, by the database's clock.
    #[diesel(sql_type = Bool)]
    pub is_due: bool,
}

/// The first events of a queue, in its order, without a lock. Joined by the id alone: a row that
/// was dead before its bytes could be read lies under another `created`.
///
/// # Errors
/// diesel's.
pub fn first(conn: &mut PgConnection, queue: &str, limit: i64) -> QueryResult<Vec<Waiting>> {
    sql_query(
        "SELECT p.event_id, p.topic, p.partition, p.\"offset\" AS record_offset, p.key, \
           p.headers::text AS headers, p.record_timestamp, e.payload, p.attempts, p.error_class, \
           p.error, p.first_failed_at, p.gave_up_at, \
           p.gave_up_at IS NULL AND p.next_attempt_at <= now() AS is_due \
         FROM parked_events p JOIN events e ON e.id = p.event_id \
         WHERE p.booking_id = $1 \
         ORDER BY p.created, p.partition, p.\"offset\", p.event_id LIMIT $2",
    )
    .bind::<Text, _>(queue)
    .bind::<BigInt, _>(limit)
    .load(conn)
}

/// Locks the first events of a queue and one more: their ids, in its order.
///
/// # Errors
/// diesel's.
pub fn lock(conn: &mut PgConnection, queue: &str, limit: i64) -> QueryResult<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        event_id: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT event_id FROM parked_events WHERE booking_id = $1 \
         ORDER BY created, partition, \"offset\", event_id LIMIT $2 FOR UPDATE",
    )
    .bind::<Text, _>(queue)
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.event_id).collect())
}

/// Takes these out: they are applied, or skipped.
///
/// # Errors
/// diesel's.
pub fn remove(conn: &mut PgConnection, events: &[&str]) -> QueryResult<usize> {
    sql_query("DELETE FROM parked_events WHERE event_id = ANY ($1)")
        .bind::<Array<Text>, _>(events)
        .execute(conn)
}

/// Moves an event to the queue of another booking that it touches, too.
///
/// # Errors
/// diesel's.
pub fn move_to(conn: &mut PgConnection, event: &str, queue: &str) -> QueryResult<usize> {
    sql_query("UPDATE parked_events SET booking_id = $2 WHERE event_id = $1")
        .bind::<Text, _>(event)
        .bind::<Text, _>(queue)
        .execute(conn)
}

/// Writes a head's failure down, if nobody else tried it meanwhile.
///
/// # Errors
/// diesel's.
pub fn failed(
    conn: &mut PgConnection,
    event: &str,
    seen_attempts: i32,
    reason: &Reason,
    attempts: u32,
    after: Duration,
) -> QueryResult<usize> {
    sql_query(
        "UPDATE parked_events SET attempts = $3, error_class = $4, error_kind = $5, error = $6, \
           first_failed_at = coalesce(first_failed_at, $7), last_failed_at = $7, \
           next_attempt_at = now() + make_interval(secs => $8) \
         WHERE event_id = $1 AND attempts = $2 AND gave_up_at IS NULL",
    )
    .bind::<Text, _>(event)
    .bind::<Integer, _>(seen_attempts)
    .bind::<Integer, _>(i32::try_from(attempts).unwrap_or(i32::MAX))
    .bind::<Text, _>(reason.class.as_str())
    .bind::<Text, _>(reason.kind)
    .bind::<Text, _>(&reason.error)
    .bind::<Timestamptz, _>(reason.at)
    .bind::<Double, _>(after.as_secs_f64())
    .execute(conn)
}

/// Marks an event as given up on, if its attempts still are those that were seen; how many were
/// marked (0: somebody else was faster, or an operator released it).
///
/// # Errors
/// diesel's.
pub fn give_up(
    conn: &mut PgConnection,
    event: &str,
    seen_attempts: i32,
    at: DateTime<Utc>,
) -> QueryResult<usize> {
    sql_query(
        "UPDATE parked_events SET gave_up_at = $3, last_failed_at = $3 \
         WHERE event_id = $1 AND gave_up_at IS NULL AND attempts = $2",
    )
    .bind::<Text, _>(event)
    .bind::<Integer, _>(seen_attempts)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
}

/// Lets an event be tried now, with all its attempts before it; how many there were.
///
/// # Errors
/// diesel's.
pub fn release(conn: &mut PgConnection, event: &str) -> QueryResult<usize> {
    sql_query(
        "UPDATE parked_events SET attempts = 0, next_attempt_at = now(), gave_up_at = NULL \
         WHERE event_id = $1",
    )
    .bind::<Text, _>(event)
    .execute(conn)
}

/// The head of a queue, locked.
///
/// # Errors
/// diesel's.
pub fn head(conn: &mut PgConnection, queue: &str) -> QueryResult<Option<String>> {
    Ok(lock(conn, queue, 0)?.into_iter().next())
}

/// One figure of all queues, for metrics.
#[derive(Debug, Clone, diesel::QueryableByName)]
pub struct Standing {
    /// Kind of the head's failure.
    #[diesel(sql_type = Text)]
    pub reason: String,
    /// Queues.
    #[diesel(sql_type = BigInt)]
    pub queues: i64,
    /// When the oldest head was parked, seconds since 1970.
    #[diesel(sql_type = BigInt)]
    pub oldest: i64,
}

/// Queues by the kind of their head's failure.
///
/// # Errors
/// diesel's.
pub fn standing(conn: &mut PgConnection) -> QueryResult<Vec<Standing>> {
    sql_query(concat!(
        heads!(),
        "SELECT coalesce(error_kind, 'waiting') AS reason, count(*) AS queues, \
           coalesce(min(extract(epoch FROM parked_at)), 0)::bigint AS oldest FROM heads GROUP BY 1",
    ))
    .load(conn)
}

/// Whether an event waits in any queue: its queue's name.
///
/// # Errors
/// diesel's.
pub fn queue_of(conn: &mut PgConnection, event: &str) -> QueryResult<Option<String>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        booking_id: String,
    }
    let row: Option<Row> = sql_query("SELECT booking_id FROM parked_events WHERE event_id = $1")
        .bind::<Text, _>(event)
        .get_result(conn)
        .optional()?;
    Ok(row.map(|row| row.booking_id))
}
