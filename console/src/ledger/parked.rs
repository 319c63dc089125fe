//! Events that wait in order behind one that could not be applied.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::{MOST_ROWS, rows};
use crate::failure::Failure;

/// One queue, told by its head, which alone is tried.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct QueueRow {
    /// The booking, or the key that the queue goes by.
    #[diesel(sql_type = Text)]
    pub(crate) booking_id: String,
    /// The head.
    #[diesel(sql_type = Text)]
    pub(crate) event_id: String,
    /// Key of the head's record.
    #[diesel(sql_type = Text)]
    pub(crate) key: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error_class: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error_kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error: Option<String>,
    #[diesel(sql_type = Integer)]
    pub(crate) attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) next_attempt_at: DateTime<Utc>,
    /// When the head became a dead letter: nothing is tried until somebody decides.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) gave_up_at: Option<DateTime<Utc>>,
    /// Events in the queue, the head included.
    #[diesel(sql_type = BigInt)]
    pub(crate) waiting: i64,
    /// When the first of them was parked.
    #[diesel(sql_type = Timestamptz)]
    pub(crate) oldest: DateTime<Utc>,
}

/// One event of a queue.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct ParkedRow {
    #[diesel(sql_type = Text)]
    pub(crate) event_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) booking_id: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub(crate) topic: String,
    #[diesel(sql_type = Integer)]
    pub(crate) partition: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) offset: i64,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) parked_at: DateTime<Utc>,
    /// Times that it was tried itself; 0: it only waits.
    #[diesel(sql_type = Integer)]
    pub(crate) attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) next_attempt_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error_class: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error_kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) first_failed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) last_failed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) gave_up_at: Option<DateTime<Utc>>,
}

/// Which queues.
#[derive(Debug, Default)]
pub(crate) struct Which<'a> {
    /// Only these; none: all.
    pub(crate) names: Option<&'a [String]>,
    /// Only those whose head failed for this reason.
    pub(crate) kind: Option<&'a str>,
}

/// Queues, the oldest first.
pub(crate) fn queues(
    db: &mut PgConnection,
    which: &Which<'_>,
    limit: i64,
) -> Result<Vec<QueueRow>, Failure> {
    let query = sql_query(
        r#"WITH heads AS (
             -- the first of each queue, in the order in which the processor drains it
             SELECT DISTINCT ON (booking_id) *
             FROM parked_events WHERE ($1 IS NULL OR booking_id = ANY($1))
             ORDER BY booking_id, created, partition, "offset", event_id
         ), queues AS (
             -- how much waits, and since when
             SELECT booking_id, count(*) AS waiting, min(parked_at) AS oldest
             FROM parked_events WHERE ($1 IS NULL OR booking_id = ANY($1)) GROUP BY booking_id
         )
         SELECT h.booking_id, h.event_id, h.key, h.error_class, h.error_kind, h.error, h.attempts,
             h.next_attempt_at, h.gave_up_at, q.waiting, q.oldest
         FROM heads h JOIN queues q USING (booking_id)
         WHERE ($2 IS NULL OR h.error_kind = $2)
         ORDER BY q.oldest, h.booking_id LIMIT $3"#,
    )
    .bind::<Nullable<Array<Text>>, _>(which.names)
    .bind::<Nullable<Text>, _>(which.kind)
    .bind::<BigInt, _>(limit);
    rows(db, "reading the queues", query)
}

/// One queue in its order; empty when nothing waits.
pub(crate) fn queue(db: &mut PgConnection, name: &str) -> Result<Vec<ParkedRow>, Failure> {
    let query = sql_query(
        r#"SELECT p.event_id, p.booking_id, p.created, p.topic, p.partition, p."offset",
             p.parked_at, p.attempts, p.next_attempt_at, p.error_class, p.error_kind, p.error,
             p.first_failed_at, p.last_failed_at, p.gave_up_at
         FROM parked_events p WHERE p.booking_id = $1
         ORDER BY p.created, p.partition, p."offset", p.event_id LIMIT $2"#,
    )
    .bind::<Text, _>(name)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading the queue", query)
}

/// The queue that an event waits in, if it does.
pub(crate) fn queue_of(db: &mut PgConnection, event: &str) -> Result<Option<QueueRow>, Failure> {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        booking_id: String,
    }
    let query = sql_query("SELECT p.booking_id FROM parked_events p WHERE p.event_id = $1")
        .bind::<Text, _>(event);
    let names: Vec<Name> = rows(db, "reading the queue", query)?;
    let names: Vec<String> = names.into_iter().map(|row| row.booking_id).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let which = Which {
        names: Some(&names),
        kind: None,
    };
    Ok(queues(db, &which, 1)?.into_iter().next())
}
