//! Ledger rows and what hangs on one: its transitions and its dead letter.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::json::JsonText;
use super::page::{Keyed, Page};
use super::rows;
use super::walk::{Order, Walk};
use crate::args::EventList;
use crate::cursor::Cursor;
use crate::failure::Failure;

/// One row of the ledger without its payload.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct EventRow {
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Text)]
    pub(crate) record_kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) account: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    pub(crate) livemode: Option<bool>,
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "type")]
    pub(crate) r#type: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) api_version: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) object_type: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) object_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) snapshot_event: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) booking_id: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) source: String,
    #[diesel(sql_type = Text)]
    pub(crate) disposition: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) received_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) applied_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub(crate) apply_seq: i64,
    #[diesel(sql_type = Text)]
    pub(crate) topic: String,
    #[diesel(sql_type = Integer)]
    pub(crate) partition: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) offset: i64,
    /// Length of the exact body, bytes.
    #[diesel(sql_type = Integer)]
    pub(crate) payload_length: i32,
    #[diesel(sql_type = Text)]
    pub(crate) payload_sha256: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) payload_removed_at: Option<DateTime<Utc>>,
    /// `retention`, or the action that erased it.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) payload_removed_by: Option<String>,
    #[diesel(sql_type = Bool)]
    pub(crate) signed: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) verified_by: Option<String>,
    #[diesel(sql_type = Integer)]
    pub(crate) fold_version: i32,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) trace_id: Option<String>,
}

/// The columns of [`EventRow`], of a table called `e`.
pub(super) const COLUMNS: &str = r#"
    e.id, e.record_kind, e.account, e.livemode, e.type, e.api_version, e.created, e.object_type,
    e.object_id, e.snapshot_event, e.booking_id, e.source, e.disposition, e.received_at,
    e.applied_at, e.apply_seq, e.topic, e.partition, e."offset",
    octet_length(e.payload) AS payload_length, encode(e.payload_sha256, 'hex') AS payload_sha256,
    e.payload_removed_at, e.payload_removed_by, e.signature IS NOT NULL AS signed, e.verified_by, e.fold_version, e.trace_id"#;

/// One change of a booking, as the audit trail has it.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Transition {
    #[diesel(sql_type = Text)]
    pub(crate) booking_id: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    #[diesel(sql_type = Text)]
    pub(crate) cause_kind: String,
    #[diesel(sql_type = Text)]
    pub(crate) cause_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) from_status: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) to_status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) before: Option<JsonText>,
    #[diesel(sql_type = Text)]
    pub(crate) after: JsonText,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) at: DateTime<Utc>,
}

/// The columns of [`Transition`], of a table called `t`.
pub(super) const TRANSITION: &str = "t.booking_id, t.version, t.cause_kind, t.cause_id, \
    t.from_status, t.to_status, t.before::text AS before, t.after::text AS after, t.at";

/// Why an event was given up on.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct DeadLetter {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) event_id: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) stage: String,
    #[diesel(sql_type = Text)]
    pub(crate) error_class: String,
    #[diesel(sql_type = Text)]
    pub(crate) error: String,
    #[diesel(sql_type = Integer)]
    pub(crate) attempts: i32,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) last_failed_at: DateTime<Utc>,
}

/// The columns of [`DeadLetter`], of a table called `d`.
pub(super) const DEAD_LETTER: &str = "d.id, d.event_id, d.stage, d.error_class, d.error, \
    d.attempts, d.status, d.last_failed_at";

/// What is needed to judge a row again, years later.
#[derive(Debug, QueryableByName)]
pub(crate) struct Evidence {
    #[diesel(sql_type = Binary)]
    pub(crate) payload: Vec<u8>,
    #[diesel(sql_type = Binary)]
    pub(crate) payload_sha256: Vec<u8>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) signature: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) verified_by: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) source: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) payload_removed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) payload_removed_by: Option<String>,
}

impl Keyed for EventRow {
    fn cursor(&self) -> String {
        let (at, id) = (self.created, &self.id);
        Cursor { at, id }.to_string()
    }
}

/// Rows that match all filters, newest first, at most `filter.limit`.
pub(crate) fn list(
    connection: &mut PgConnection,
    filter: &EventList,
) -> Result<Page<EventRow>, Failure> {
    let limit = i64::from(filter.limit);
    walk(filter).page(connection, "reading the ledger", COLUMNS, limit)
}

/// The first of these filters leads: few rows are of one booking, failing or not from a webhook.
fn walk(filter: &EventList) -> Walk {
    let mut walk = Walk::new("events", "e", Order::NewestFirst("e.created", "e.id"));
    if let Some(booking) = &filter.booking {
        walk.lead("e.booking_id = $", booking.as_str());
    }
    match filter.disposition.as_deref() {
        Some(what @ ("parked" | "dead")) => walk.lead("e.disposition = $", what),
        Some(what) => walk.check("e.disposition = $", what),
        None => {}
    }
    match filter.source.as_deref() {
        Some("webhook") => walk.check("e.source = $", "webhook"),
        Some(source) => walk.lead("e.source = $", source),
        None => {}
    }
    // `charge.*` is a prefix, anything else the whole type.
    match filter
        .r#type
        .as_deref()
        .map(|text| (text, text.strip_suffix('*')))
    {
        Some((_, Some(prefix))) => walk.check("starts_with(e.type, $)", prefix),
        Some((exact, None)) => walk.lead("e.type = $", exact),
        None => {}
    }
    if let Some(since) = filter.since {
        walk.bound("e.created >= $", since);
    }
    if let Some(until) = filter.until {
        walk.bound("e.created < $", until);
    }
    walk.after(filter.after.as_ref());
    walk
}

/// The row with this id, if there is one.
pub(crate) fn find(connection: &mut PgConnection, id: &str) -> Result<Option<EventRow>, Failure> {
    let query =
        sql_query(format!("SELECT {COLUMNS} FROM events e WHERE e.id = $1")).bind::<Text, _>(id);
    Ok(rows(connection, "reading the ledger", query)?
        .into_iter()
        .next())
}

/// Every change that this event caused, in the order of versions.
pub(crate) fn transitions(
    connection: &mut PgConnection,
    id: &str,
) -> Result<Vec<Transition>, Failure> {
    let query = sql_query(format!(
        "SELECT {TRANSITION} FROM booking_transitions t
         WHERE t.cause_id = $1 AND t.cause_kind IN ('event', 'observation')
         ORDER BY t.booking_id, t.version"
    ))
    .bind::<Text, _>(id);
    rows(connection, "reading the transitions", query)
}

/// The dead letters of these events, and those whose record had this key.
pub(crate) fn dead_letters(
    connection: &mut PgConnection,
    ids: &[String],
    key: Option<&str>,
) -> Result<Vec<DeadLetter>, Failure> {
    let query = sql_query(format!(
        "SELECT {DEAD_LETTER} FROM dead_letters d
         WHERE d.event_id = ANY($1) OR (d.event_id IS NULL AND d.key = $2)
         ORDER BY d.id LIMIT $3"
    ))
    .bind::<Array<Text>, _>(ids)
    .bind::<Nullable<Text>, _>(key)
    .bind::<BigInt, _>(super::MOST_ROWS);
    rows(connection, "reading the dead letters", query)
}

/// The exact body, if the event is known.
pub(crate) fn evidence(
    connection: &mut PgConnection,
    id: &str,
) -> Result<Option<Evidence>, Failure> {
    let query = sql_query(
        "SELECT e.payload, e.payload_sha256, e.signature, e.verified_by, e.source,
                e.payload_removed_at, e.payload_removed_by
         FROM events e WHERE e.id = $1",
    )
    .bind::<Text, _>(id);
    Ok(rows(connection, "reading the payload", query)?
        .into_iter()
        .next())
}
