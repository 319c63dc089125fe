//! Findings of sweeps and of folding.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Float, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::{JsonText, MOST_ROWS, rows};
use crate::args::{FindingList, SweepFindings};
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

/// Findings that match all filters of `sweep findings`, the newest first.
pub(crate) fn list(
    db: &mut PgConnection,
    filter: &SweepFindings,
) -> Result<Vec<FindingRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM findings
         WHERE ($1 OR ({OPEN})) AND ($2 IS NULL OR kind = $2)
           AND ($3 IS NULL OR booking_id = $3) AND ($4 IS NULL OR event_id = $4)
           AND ($5 IS NULL OR sweep_id = $5) AND ($6 IS NULL OR plan_id = $6)
           AND ($7 IS NULL OR found_at >= $7)
         ORDER BY found_at DESC, id DESC LIMIT $8"
    ))
    .bind::<Bool, _>(filter.all)
    .bind::<Nullable<Text>, _>(filter.kind.as_deref())
    .bind::<Nullable<Text>, _>(filter.booking.as_ref().map(ToString::to_string))
    .bind::<Nullable<Text>, _>(filter.event.as_ref().map(ToString::to_string))
    .bind::<Nullable<BigInt>, _>(filter.sweep)
    .bind::<Nullable<Text>, _>(filter.plan.as_deref())
    .bind::<Nullable<Timestamptz>, _>(filter.since)
    .bind::<BigInt, _>(i64::from(filter.limit));
    rows(db, "reading the findings", query)
}

/// Findings that match all filters of `finding list`, the newest first, and the number of all that
/// match, beyond the limit too.
pub(crate) fn matching(
    db: &mut PgConnection,
    filter: &FindingList,
) -> Result<(i64, Vec<FindingRow>), Failure> {
    #[derive(QueryableByName)]
    struct Total {
        #[diesel(sql_type = BigInt)]
        total: i64,
    }
    // Written for each case, so that the index of open findings serves the usual one.
    let state = if filter.all { "true" } else { OPEN };
    let from = format!(
        "FROM findings WHERE {state} AND ($1 IS NULL OR kind = $1)
           AND ($2 IS NULL OR booking_id = $2) AND ($3 IS NULL OR object_id = $3)"
    );
    let booking = filter.booking.as_ref().map(ToString::to_string);
    let object = filter.object.as_ref().map(ToString::to_string);
    let count = sql_query(format!("SELECT count(*) AS total {from}"))
        .bind::<Nullable<Text>, _>(filter.kind.as_deref())
        .bind::<Nullable<Text>, _>(booking.as_deref())
        .bind::<Nullable<Text>, _>(object.as_deref());
    let total: Vec<Total> = rows(db, "counting the findings", count)?;
    let page = sql_query(format!(
        "SELECT {COLUMNS} {from} ORDER BY found_at DESC, id DESC LIMIT $4"
    ))
    .bind::<Nullable<Text>, _>(filter.kind.as_deref())
    .bind::<Nullable<Text>, _>(booking.as_deref())
    .bind::<Nullable<Text>, _>(object.as_deref())
    .bind::<BigInt, _>(i64::from(filter.limit));
    let found = rows(db, "reading the findings", page)?;
    Ok((total.first().map_or(0, |row| row.total), found))
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
