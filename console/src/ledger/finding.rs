//! Findings of sweeps and of folding.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Float, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::page::{Keyed, Page};
use super::walk::{Order, Walk};
use super::{JsonText, MOST_ROWS, rows};
use crate::args::{FindingList, SweepFindings};
use crate::cursor::Cursor;
use crate::failure::Failure;

/// One difference or contradiction.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct FindingRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    /// None: a sweep's finding, or one of older rules.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) identity: Option<String>,
    /// None: found by the processor.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) sweep_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) plan_id: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    /// The thing that decides whether it holds: `object:`, `booking:` or `registration:` and its id.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) scope: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) detail: Option<String>,
    #[diesel(sql_type = Float)]
    pub(crate) confidence: f32,
    #[diesel(sql_type = Text)]
    pub(crate) evidence: JsonText,
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) event_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) object_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) booking_id: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) found_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) repaired_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) closed_at: Option<DateTime<Utc>>,
    /// None: it is open, or closed by itself.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) closed_by: Option<String>,
}

impl FindingRow {
    /// `open`, `closed` or `repaired`.
    pub(crate) fn state(&self) -> &'static str {
        match (self.closed_at, self.repaired_at) {
            (Some(_), _) => "closed",
            (None, Some(_)) => "repaired",
            (None, None) => "open",
        }
    }
}

const COLUMNS: &str = "id, identity, sweep_id, plan_id, kind, scope, detail, confidence,
    evidence::text AS evidence, account, event_id, object_id, booking_id, found_at, repaired_at,
    closed_at, closed_by";

/// A sweep's finding is repaired, a finding of folding is closed; an open one is neither.
const OPEN: &str = "repaired_at IS NULL AND closed_at IS NULL";

/// Most findings that a total counts.
const MAX_COUNTED: i64 = 10_000;

impl Keyed for FindingRow {
    fn cursor(&self) -> String {
        let (at, id) = (self.found_at, self.id);
        Cursor { at, id }.to_string()
    }
}

/// Findings that match all filters of `sweep findings`, the newest first.
pub(crate) fn list(
    db: &mut PgConnection,
    filter: &SweepFindings,
) -> Result<Page<FindingRow>, Failure> {
    let mut walk = newest_first();
    if let Some(event) = &filter.event {
        walk.lead("f.event_id = $", event.as_str());
    }
    if let Some(booking) = &filter.booking {
        walk.lead("f.booking_id = $", booking.as_str());
    }
    if let Some(plan) = filter.plan.as_deref() {
        walk.lead("f.plan_id = $", plan);
    }
    if let Some(sweep) = filter.sweep {
        walk.lead("f.sweep_id = $", sweep);
    }
    only_open(&mut walk, filter.all);
    if let Some(kind) = filter.kind.as_deref() {
        walk.lead("f.kind = $", kind);
    }
    if let Some(since) = filter.since {
        walk.bound("f.found_at >= $", since);
    }
    walk.after(filter.after.as_ref());
    walk.page(db, "reading the findings", COLUMNS, i64::from(filter.limit))
}

fn newest_first() -> Walk {
    Walk::new("findings", "f", Order::NewestFirst("f.found_at", "f.id"))
}

/// Open ones have indexes of their own, by time and by kind; where something else leads, each row
/// is checked.
fn only_open(walk: &mut Walk, all: bool) {
    match (all, walk.has_lead()) {
        (true, _) => {}
        (false, true) => walk.check_plain(OPEN),
        (false, false) => walk.always(OPEN),
    }
}

/// The number of findings that match, counted up to [`MAX_COUNTED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Total {
    /// Those that match, beyond the page too.
    pub(crate) total: i64,
    /// False: there may be more than `total`.
    pub(crate) total_is_exact: bool,
}

/// Findings that match all filters of `finding list`, the newest first, and the number of all that
/// match, before and behind the page too.
pub(crate) fn matching(
    db: &mut PgConnection,
    filter: &FindingList,
) -> Result<(Total, Page<FindingRow>), Failure> {
    let mut walk = newest_first();
    if let Some(booking) = &filter.booking {
        walk.lead("f.booking_id = $", booking.as_str());
    }
    if let Some(object) = &filter.object {
        walk.lead("f.object_id = $", object.as_str());
    }
    only_open(&mut walk, filter.all);
    if let Some(kind) = filter.kind.as_deref() {
        walk.lead("f.kind = $", kind);
    }
    let counted = walk
        .clone()
        .count(db, "counting the findings", MAX_COUNTED)?;
    let (total, total_is_exact) = counted;
    walk.after(filter.after.as_ref());
    let limit = i64::from(filter.limit);
    let page = walk.page(db, "reading the findings", COLUMNS, limit)?;
    let total = Total {
        total,
        total_is_exact,
    };
    Ok((total, page))
}

/// Open findings about a booking, the newest first.
pub(crate) fn open_of_booking(
    db: &mut PgConnection,
    booking: &str,
) -> Result<Vec<FindingRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM findings WHERE booking_id = $1 AND {OPEN}
         ORDER BY found_at DESC, id DESC LIMIT $2"
    ))
    .bind::<Text, _>(booking)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading the booking's findings", query)
}

/// The finding with this identity, or else with this number.
pub(crate) fn find(db: &mut PgConnection, id: &str) -> Result<Option<FindingRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM findings WHERE identity = $1 OR id = $2
         ORDER BY identity IS NOT DISTINCT FROM $1 DESC LIMIT 1"
    ))
    .bind::<Text, _>(id)
    .bind::<Nullable<BigInt>, _>(id.parse::<i64>().ok());
    Ok(rows(db, "reading the finding", query)?.into_iter().next())
}

/// A person's decision that a finding is closed.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Closure {
    #[diesel(sql_type = Text)]
    pub(crate) action_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) reason: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) at: DateTime<Utc>,
}

/// The closure of this identity, if a person closed it.
pub(crate) fn closure(db: &mut PgConnection, identity: &str) -> Result<Option<Closure>, Failure> {
    let query = sql_query("SELECT action_id, reason, at FROM finding_closures WHERE identity = $1")
        .bind::<Text, _>(identity);
    Ok(rows(db, "reading the closure", query)?.into_iter().next())
}
