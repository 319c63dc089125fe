//! Events that wait in order behind one that could not be applied.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::page::{Keyed, More, Page};
use super::{MOST_ROWS, rows};
use crate::args::ParkedList;
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
    /// Events in the queue, the head included, counted up to [`MAX_WAITING`].
    #[diesel(sql_type = BigInt)]
    pub(crate) waiting: i64,
    /// When the first of those that were counted was parked.
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

/// Events of one queue that are counted.
pub(crate) const MAX_WAITING: i64 = 1_000;
/// Queues of one page that are examined.
const MAX_QUEUES: i64 = 10_000;

/// Which queues.
#[derive(Debug, Default)]
pub(crate) struct Which<'a> {
    /// Only these; none: all.
    pub(crate) names: Option<&'a [String]>,
    /// Only those whose head failed for this reason.
    pub(crate) kind: Option<&'a str>,
}

impl Keyed for QueueRow {
    fn cursor(&self) -> String {
        self.booking_id.clone()
    }
}

/// The columns of a head.
macro_rules! head {
    () => {
        "p.booking_id, p.event_id, p.key, p.error_class, p.error_kind, p.error, p.attempts,
             p.next_attempt_at, p.gave_up_at"
    };
}

/// The order of a queue, in which the processor drains it.
macro_rules! in_order {
    () => {
        r#"p.booking_id, p.created, p.partition, p."offset", p.event_id"#
    };
}

/// Each queue's head, from queue to queue by the index parked_events_queue: one entry is read for
/// each, however many events wait behind it. `$1` is the name that they come after.
macro_rules! heads {
    () => {
        concat!(
            "WITH RECURSIVE heads AS (
             (SELECT ",
            head!(),
            " FROM parked_events p WHERE p.booking_id > $1
              ORDER BY ",
            in_order!(),
            " LIMIT 1)
             UNION ALL
             SELECT n.* FROM heads h CROSS JOIN LATERAL (
                 SELECT ",
            head!(),
            " FROM parked_events p WHERE p.booking_id > h.booking_id
                 ORDER BY ",
            in_order!(),
            " LIMIT 1) n
         )"
        )
    };
}

/// Counts the first `$2` events of the queue `h`, and takes the earliest time of parking.
macro_rules! waiting {
    () => {
        concat!(
            "LATERAL (
             SELECT count(*) AS waiting, min(w.parked_at) AS oldest FROM (
                 SELECT p.parked_at FROM parked_events p WHERE p.booking_id = h.booking_id
                 ORDER BY ",
            in_order!(),
            " LIMIT $2) w
         ) q"
        )
    };
}

/// Queues by name, at most `limit`.
pub(crate) fn queues(
    db: &mut PgConnection,
    which: &Which<'_>,
    limit: i64,
) -> Result<Vec<QueueRow>, Failure> {
    match which.names {
        Some(names) => named(db, names, which.kind, limit),
        None => walked(db, "", which.kind, (i64::MAX, limit)),
    }
}

fn named(
    db: &mut PgConnection,
    names: &[String],
    kind: Option<&str>,
    limit: i64,
) -> Result<Vec<QueueRow>, Failure> {
    let query = sql_query(concat!(
        "SELECT h.*, q.waiting, q.oldest
         FROM (SELECT DISTINCT n.name FROM unnest($1) AS n (name)) named
         CROSS JOIN LATERAL (
             SELECT ",
        head!(),
        " FROM parked_events p WHERE p.booking_id = named.name
             ORDER BY ",
        in_order!(),
        " LIMIT 1) h
         CROSS JOIN ",
        waiting!(),
        "
         WHERE ($3 IS NULL OR h.error_kind = $3) ORDER BY h.booking_id LIMIT $4"
    ))
    .bind::<Array<Text>, _>(names)
    .bind::<BigInt, _>(MAX_WAITING)
    .bind::<Nullable<Text>, _>(kind)
    .bind::<BigInt, _>(limit);
    rows(db, "reading the queues", query)
}

/// Queues after this name. Of the first `examined` heads those that fit, at most `limit`.
fn walked(
    db: &mut PgConnection,
    after: &str,
    kind: Option<&str>,
    (examined, limit): (i64, i64),
) -> Result<Vec<QueueRow>, Failure> {
    let query = sql_query(concat!(
        heads!(),
        " SELECT h.*, q.waiting, q.oldest
         FROM (SELECT * FROM (SELECT * FROM heads LIMIT $5) examined
               WHERE ($3 IS NULL OR error_kind = $3) LIMIT $4) h
         CROSS JOIN ",
        waiting!(),
        "
         ORDER BY h.booking_id"
    ))
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(MAX_WAITING)
    .bind::<Nullable<Text>, _>(kind)
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(examined);
    rows(db, "reading the queues", query)
}

/// The last of the first `examined` queues after this name; none when there is no queue behind it.
fn stopped(db: &mut PgConnection, after: &str, examined: i64) -> Result<Option<String>, Failure> {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        booking_id: String,
    }
    let query = sql_query(concat!(
        heads!(),
        " SELECT booking_id FROM heads OFFSET $2 - 1 LIMIT 2"
    ))
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(examined);
    let names: Vec<Name> = rows(db, "reading the queues", query)?;
    let mut names = names.into_iter();
    let last = names.next();
    Ok(names.next().and(last).map(|row| row.booking_id))
}

/// Queues that match all filters, by name.
pub(crate) fn list(db: &mut PgConnection, filter: &ParkedList) -> Result<Page<QueueRow>, Failure> {
    let (kind, limit) = (filter.reason.as_deref(), i64::from(filter.limit));
    if let Some(name) = &filter.booking {
        let rows = named(db, std::slice::from_ref(name), kind, limit)?;
        let more = More::default();
        return Ok(Page { rows, more });
    }
    let after = filter.after.as_deref().unwrap_or_default();
    let examined = limit.saturating_add(MAX_QUEUES);
    let one_more = limit.saturating_add(1);
    let mut rows = walked(db, after, kind, (examined, one_more))?;
    let mut more = More::default();
    let limit = usize::from(filter.limit);
    if rows.len() > limit {
        rows.truncate(limit);
        more.next = rows.last().map(Keyed::cursor);
    } else if kind.is_some() {
        more.next = stopped(db, after, examined)?;
        more.examined = more.next.as_ref().map(|_| examined);
    }
    Ok(Page { rows, more })
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
