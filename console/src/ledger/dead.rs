//! Dead letters and their groups.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::page::{Keyed, Page};
use super::rows;
use super::walk::{Order, Walk};
use crate::args::{DeadGroups, DeadList, Letter};
use crate::cursor::Cursor;
use crate::failure::Failure;

/// One dead letter without its bytes and headers.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct DeadRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) event_id: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) payload_sha256: String,
    /// Length of the exact bytes.
    #[diesel(sql_type = Integer)]
    pub(crate) payload_length: i32,
    #[diesel(sql_type = Text)]
    pub(crate) event_type: String,
    #[diesel(sql_type = Text)]
    pub(crate) key: String,
    #[diesel(sql_type = Text)]
    pub(crate) topic: String,
    #[diesel(sql_type = Integer)]
    pub(crate) partition: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) offset: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) record_timestamp: Option<DateTime<Utc>>,
    #[diesel(sql_type = Text)]
    pub(crate) stage: String,
    #[diesel(sql_type = Text)]
    pub(crate) error_class: String,
    #[diesel(sql_type = Text)]
    pub(crate) error_kind: String,
    #[diesel(sql_type = Text)]
    pub(crate) error: String,
    #[diesel(sql_type = Integer)]
    pub(crate) attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) first_failed_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) last_failed_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) status_changed_at: Option<DateTime<Utc>>,
    /// The operator's action that changed the status.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) status_action_id: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) fingerprint: String,
    /// The booking that is held because of it.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) booking_id: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) processor_version: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) trace_id: Option<String>,
}

const COLUMNS: &str = r#"
    d.id, d.event_id, encode(d.payload_sha256, 'hex') AS payload_sha256,
    octet_length(d.payload) AS payload_length, d.event_type, d.key, d.topic, d.partition,
    d."offset", d.record_timestamp, d.stage, d.error_class, d.error_kind, d.error, d.attempts,
    d.first_failed_at, d.last_failed_at, d.status, d.status_changed_at, d.status_action_id,
    d.fingerprint, d.booking_id, d.processor_version, d.trace_id"#;

impl DeadRow {
    /// What an action's item calls it.
    pub(crate) fn subject(&self) -> String {
        match &self.event_id {
            Some(id) => id.clone(),
            None => format!("sha256:{}", self.payload_sha256),
        }
    }
}

/// A group of the same failure.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct GroupRow {
    #[diesel(sql_type = Text)]
    pub(crate) fingerprint: String,
    #[diesel(sql_type = Text)]
    pub(crate) stage: String,
    #[diesel(sql_type = Text)]
    pub(crate) error_class: String,
    #[diesel(sql_type = Text)]
    pub(crate) error_kind: String,
    #[diesel(sql_type = Text)]
    pub(crate) event_type: String,
    #[diesel(sql_type = Text)]
    pub(crate) error: String,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    /// Times that it happened, repetitions of one letter included.
    #[diesel(sql_type = BigInt)]
    pub(crate) occurrences: i64,
    /// Its letters that are open or acknowledged, counted up to a bound.
    #[diesel(sql_type = BigInt)]
    pub(crate) unsettled: i64,
    #[diesel(sql_type = Integer)]
    pub(crate) reopened: i32,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) first_seen: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) last_seen: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) status_changed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) status_action_id: Option<String>,
}

/// The columns of [`GroupRow`] but the last, of a table called `g`.
const GROUP: &str = "
    g.fingerprint, g.stage, g.error_class, g.error_kind, g.event_type, g.error, g.status,
    g.occurrences, g.reopened, g.first_seen, g.last_seen, g.status_changed_at, g.status_action_id";

/// Most unsettled letters that a list counts of each group.
pub(crate) const MAX_LISTED_UNSETTLED: i64 = 1_000;

/// [`GROUP`] and its letters that are open or acknowledged, counted up to `most`.
fn group_columns(most: i64) -> String {
    format!(
        "{GROUP}, (SELECT count(*) FROM (SELECT FROM dead_letters d
             WHERE d.fingerprint = g.fingerprint AND d.status IN ('open', 'acknowledged')
             LIMIT {most}) AS counted) AS unsettled"
    )
}

/// What is needed to publish one again.
#[derive(Debug, QueryableByName)]
pub(crate) struct Bytes {
    #[diesel(sql_type = Binary)]
    pub(crate) payload: Vec<u8>,
    #[diesel(sql_type = Text)]
    pub(crate) headers: String,
}

impl Keyed for DeadRow {
    fn cursor(&self) -> String {
        let (at, id) = (self.last_failed_at, self.id);
        Cursor { at, id }.to_string()
    }
}

/// Dead letters that match all filters, the last failure first.
pub(crate) fn list(db: &mut PgConnection, filter: &DeadList) -> Result<Page<DeadRow>, Failure> {
    let limit = i64::from(filter.limit);
    walk(filter).page(db, "reading the dead letters", COLUMNS, limit)
}

/// The first of these filters leads.
fn walk(filter: &DeadList) -> Walk {
    let mut walk = Walk::new(
        "dead_letters",
        "d",
        Order::NewestFirst("d.last_failed_at", "d.id"),
    );
    if let Some(booking) = &filter.booking {
        // Two indexes, by the booking that is held and by the record's key.
        walk.lead(
            "d.id IN (SELECT id FROM dead_letters WHERE booking_id = $
                      UNION SELECT id FROM dead_letters WHERE key = $)",
            booking.as_str(),
        );
    }
    if let Some(group) = filter.group.as_deref() {
        walk.lead("d.fingerprint = $", group);
    }
    if let Some(status) = filter.status.as_deref() {
        walk.lead("d.status = $", status);
    }
    // `charge.*` is a prefix, anything else the whole type.
    match filter
        .r#type
        .as_deref()
        .map(|text| (text, text.strip_suffix('*')))
    {
        Some((_, Some(prefix))) => walk.check("starts_with(d.event_type, $)", prefix),
        Some((exact, None)) => walk.lead("d.event_type = $", exact),
        None => {}
    }
    if let Some(class) = filter.class.as_deref() {
        walk.check("d.error_class = $", class);
    }
    if let Some(since) = filter.since {
        walk.bound("d.last_failed_at >= $", since);
    }
    walk.after(filter.after.as_ref());
    walk
}

impl Keyed for GroupRow {
    fn cursor(&self) -> String {
        let (at, id) = (self.last_seen, &self.fingerprint);
        Cursor { at, id }.to_string()
    }
}

/// Groups, the last seen first.
pub(crate) fn groups(
    db: &mut PgConnection,
    filter: &DeadGroups,
) -> Result<Page<GroupRow>, Failure> {
    let order = Order::NewestFirst("g.last_seen", "g.fingerprint");
    let mut walk = Walk::new("dead_letter_groups", "g", order);
    if let Some(status) = filter.status.as_deref() {
        walk.lead("g.status = $", status);
    }
    walk.after(filter.after.as_ref());
    let columns = group_columns(MAX_LISTED_UNSETTLED);
    walk.page(db, "reading the groups", &columns, i64::from(filter.limit))
}

/// One group, its unsettled letters counted up to `most`.
///
/// # Errors
/// 3 when there is none of that name.
pub(crate) fn group(
    db: &mut PgConnection,
    fingerprint: &str,
    most: i64,
) -> Result<GroupRow, Failure> {
    let columns = group_columns(most);
    let query = sql_query(format!(
        "SELECT {columns} FROM dead_letter_groups g WHERE g.fingerprint = $1"
    ))
    .bind::<Text, _>(fingerprint);
    let found = rows(db, "reading the groups", query)?.into_iter().next();
    found.ok_or_else(|| Failure::NothingMatched {
        what: format!("no group {fingerprint}"),
    })
}

/// One dead letter, whatever it is called by.
///
/// # Errors
/// 3 when there is none.
pub(crate) fn find(db: &mut PgConnection, letter: &Letter) -> Result<DeadRow, Failure> {
    let (number, event, hash) = match letter {
        Letter::Number(number) => (Some(*number), None, None),
        Letter::Event(id) => (None, Some(id.as_str()), None),
        Letter::Hash(hash) => (None, None, Some(hash.as_str())),
    };
    // A hash may name letters of several events: the one without an event is meant first.
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM dead_letters d
         WHERE d.id = $1 OR d.event_id = $2 OR d.payload_sha256 = decode($3, 'hex')
         ORDER BY d.event_id NULLS FIRST LIMIT 1"
    ))
    .bind::<Nullable<BigInt>, _>(number)
    .bind::<Nullable<Text>, _>(event)
    .bind::<Nullable<Text>, _>(hash);
    let found = rows(db, "reading the dead letters", query)?
        .into_iter()
        .next();
    found.ok_or_else(|| Failure::NothingMatched {
        what: format!("no dead letter {letter}"),
    })
}

/// What is open or acknowledged of a group, the first failure first; at most `limit`.
pub(crate) fn unsettled(
    db: &mut PgConnection,
    fingerprint: &str,
    limit: i64,
) -> Result<Vec<DeadRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM dead_letters d
         WHERE d.fingerprint = $1 AND d.status IN ('open', 'acknowledged')
         ORDER BY d.first_failed_at, d.id LIMIT $2"
    ))
    .bind::<Text, _>(fingerprint)
    .bind::<BigInt, _>(limit);
    rows(db, "reading the group's dead letters", query)
}

/// Its exact bytes and headers.
///
/// # Errors
/// 3 when it is gone.
pub(crate) fn bytes(db: &mut PgConnection, id: i64) -> Result<Bytes, Failure> {
    let query = sql_query(
        "SELECT d.payload, d.headers::text AS headers FROM dead_letters d WHERE d.id = $1",
    )
    .bind::<BigInt, _>(id);
    let found = rows(db, "reading a dead letter", query)?.into_iter().next();
    found.ok_or_else(|| Failure::NothingMatched {
        what: format!("no dead letter {id}"),
    })
}
