//! The reconciler's own rows: sweeps, findings, certificates, cursors.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Float, Integer, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::diffs::Comparison;
use shared::ids::{AccountId, EventId};
use shared::windows::Window;

use super::at;
use crate::evidence::Verdict;

/// Our own account as a key column holds it.
pub(crate) fn key(account: Option<&AccountId>) -> &str {
    account.map_or("", AccountId::as_str)
}

/// Why a sweep runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By the clock, behind a cursor.
    Tail,
    /// On demand.
    Window,
    /// Bookings that wait too long.
    Pending,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tail => "tail",
            Self::Window => "window",
            Self::Pending => "pending",
        }
    }
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was missing.
    Complete,
    /// Everything that was missing was published and acknowledged.
    Repaired,
    /// Nothing could be compared: the window stays open and is swept again.
    Open,
    /// It broke off; the window stays open.
    Failed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Repaired => "repaired",
            Self::Open => "open",
            Self::Failed => "failed",
        }
    }
}

/// The figures of one sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub listed: usize,
    pub missing: usize,
    pub repaired: usize,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Begins a sweep; returns its id.
pub fn begin(
    connection: &mut PgConnection,
    kind: Kind,
    account: Option<&AccountId>,
    window: Window,
) -> QueryResult<i64> {
    sql_query(
        "INSERT INTO sweeps (kind, account, window_from, window_to) \
         VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind::<Text, _>(kind.as_str())
    .bind::<Text, _>(key(account))
    .bind::<Timestamptz, _>(at(window.from()))
    .bind::<Timestamptz, _>(at(window.to()))
    .get_result::<Id>(connection)
    .map(|row| row.id)
}

/// Ends a sweep.
pub fn finish(
    connection: &mut PgConnection,
    sweep: i64,
    outcome: Outcome,
    counts: Counts,
    error: Option<&str>,
) -> QueryResult<()> {
    sql_query(
        "UPDATE sweeps SET finished_at = now(), outcome = $2, listed = $3, missing = $4, \
         repaired = $5, error = $6 WHERE id = $1",
    )
    .bind::<BigInt, _>(sweep)
    .bind::<Text, _>(outcome.as_str())
    .bind::<Integer, _>(count(counts.listed))
    .bind::<Integer, _>(count(counts.missing))
    .bind::<Integer, _>(count(counts.repaired))
    .bind::<Nullable<Text>, _>(error)
    .execute(connection)
    .map(|_rows| ())
}

/// One difference to write down.
#[derive(Debug, Clone)]
pub struct NewFinding {
    pub verdict: Verdict,
    pub event_id: Option<EventId>,
    pub object_id: Option<String>,
    pub booking_id: Option<String>,
}

/// Writes findings of a sweep; one that is known from an earlier sweep and was never acted on is
/// not written again. Returns for each its row's id, the old or the new one.
pub fn find(
    connection: &mut PgConnection,
    sweep: i64,
    account: Option<&AccountId>,
    findings: &[NewFinding],
) -> QueryResult<Vec<i64>> {
    findings
        .iter()
        .map(|finding| find_one(connection, sweep, account, finding))
        .collect()
}

fn find_one(
    connection: &mut PgConnection,
    sweep: i64,
    account: Option<&AccountId>,
    finding: &NewFinding,
) -> QueryResult<i64> {
    let event_id = finding.event_id.as_ref().map(EventId::as_str);
    let known: Option<Id> = sql_query(
        "SELECT id FROM findings WHERE event_id = $1 AND kind = $2 AND repaired_at IS NULL \
         ORDER BY id LIMIT 1",
    )
    .bind::<Nullable<Text>, _>(event_id)
    .bind::<Text, _>(finding.verdict.kind.as_str())
    .get_result(connection)
    .optional()?;
    if let Some(known) = known {
        return Ok(known.id);
    }
    sql_query(
        "INSERT INTO findings (sweep_id, kind, confidence, evidence, account, event_id, \
         object_id, booking_id) VALUES ($1, $2, $3, $4::json, $5, $6, $7, $8) RETURNING id",
    )
    .bind::<BigInt, _>(sweep)
    .bind::<Text, _>(finding.verdict.kind.as_str())
    .bind::<Float, _>(finding.verdict.confidence)
    .bind::<Text, _>(finding.verdict.evidence.to_string())
    .bind::<Text, _>(key(account))
    .bind::<Nullable<Text>, _>(event_id)
    .bind::<Nullable<Text>, _>(finding.object_id.as_deref())
    .bind::<Nullable<Text>, _>(finding.booking_id.as_deref())
    .get_result::<Id>(connection)
    .map(|row| row.id)
}

/// Where in the log a repair lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    pub finding: i64,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// Notes what was published and acknowledged.
pub fn repaired(connection: &mut PgConnection, repairs: &[Repair]) -> QueryResult<()> {
    sql_query(
        "UPDATE findings f SET topic = r.topic, partition = r.partition, \
         \"offset\" = r.record_offset, repaired_at = now() \
         FROM unnest($1, $2, $3, $4) AS r(id, topic, partition, record_offset) WHERE f.id = r.id",
    )
    .bind::<Array<BigInt>, _>(repairs.iter().map(|r| r.finding).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(repairs.iter().map(|r| r.topic.as_str()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(repairs.iter().map(|r| r.partition).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(repairs.iter().map(|r| r.offset).collect::<Vec<_>>())
    .execute(connection)
    .map(|_rows| ())
}

/// Closes the open findings about those of `ids` that the ledger holds and that neither wait nor
/// were given up: whoever published them, nothing is left to do.
pub fn close_settled(connection: &mut PgConnection, ids: &[EventId]) -> QueryResult<usize> {
    sql_query(
        "UPDATE findings f SET topic = e.topic, partition = e.partition, \
         \"offset\" = e.\"offset\", repaired_at = now() \
         FROM events e WHERE e.id = f.event_id AND f.repaired_at IS NULL AND f.event_id = ANY($1) \
           AND e.disposition NOT IN ('parked', 'dead')",
    )
    .bind::<Array<Text>, _>(ids.iter().map(EventId::as_str).collect::<Vec<_>>())
    .execute(connection)
}

/// How often each of `ids` was published by a repair, for those that were.
pub fn times_repaired(
    connection: &mut PgConnection,
    ids: &[EventId],
) -> QueryResult<std::collections::HashMap<String, i64>> {
    #[derive(QueryableByName)]
    struct Times {
        #[diesel(sql_type = Text)]
        event_id: String,
        #[diesel(sql_type = BigInt)]
        times: i64,
    }
    let rows: Vec<Times> = sql_query(
        "SELECT event_id, count(*) AS times FROM findings \
         WHERE event_id = ANY($1) AND repaired_at IS NOT NULL GROUP BY event_id",
    )
    .bind::<Array<Text>, _>(ids.iter().map(EventId::as_str).collect::<Vec<_>>())
    .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.event_id, row.times))
        .collect())
}

/// Issues the certificate of a window.
pub fn certify(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    window: Window,
    comparison: &Comparison,
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO certificates (account, window_from, window_to, stripe_count, ledger_count, \
         ids_hash, ledger_hash, complete, issued_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind::<Text, _>(key(account))
    .bind::<Timestamptz, _>(at(window.from()))
    .bind::<Timestamptz, _>(at(window.to()))
    .bind::<Integer, _>(count(comparison.stripe.count))
    .bind::<Integer, _>(count(comparison.ledger.count))
    .bind::<Text, _>(&comparison.stripe.hash)
    .bind::<Text, _>(&comparison.ledger.hash)
    .bind::<Bool, _>(comparison.is_complete())
    .bind::<Text, _>(concat!("reconciler ", env!("CARGO_PKG_VERSION")))
    .execute(connection)
    .map(|_rows| ())
}

/// The tail's cursor in seconds since 1970: the end of the last window that is done.
pub fn cursor(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
) -> QueryResult<Option<i64>> {
    #[derive(QueryableByName)]
    struct Position {
        #[diesel(sql_type = Timestamptz)]
        position: DateTime<Utc>,
    }
    sql_query("SELECT position FROM cursors WHERE account = $1 AND sweep = 'tail'")
        .bind::<Text, _>(key(account))
        .get_result::<Position>(connection)
        .optional()
        .map(|row| row.map(|row| row.position.timestamp()))
}

/// Moves the tail's cursor to `to`, never backwards. The caller has had everything before `to`
/// acknowledged.
pub fn move_cursor(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    to: i64,
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO cursors (account, sweep, position) VALUES ($1, 'tail', $2) \
         ON CONFLICT (account, sweep) DO UPDATE \
         SET position = excluded.position, updated_at = now() \
         WHERE cursors.position < excluded.position",
    )
    .bind::<Text, _>(key(account))
    .bind::<Timestamptz, _>(at(to))
    .execute(connection)
    .map(|_rows| ())
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
