//! The reconciler's own rows: sweeps and what they found.

use std::collections::HashMap;

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Float, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::ids::{AccountId, EventId};
use shared::windows::Window;

use super::at;
use crate::evidence::{Gap, Verdict};

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
    /// What the log lost before it was applied.
    Hole,
    /// All that Stripe lists, once a day.
    Deep,
    /// A repair that was too large for a sweep and that a person approved.
    Plan,
    /// An empty system.
    Backfill,
    /// Bookings that wait too long or are held.
    Pending,
    /// Settled bookings, a few a day.
    Sample,
    /// Objects and bookings against the ledger.
    Ledger,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tail => "tail",
            Self::Window => "window",
            Self::Hole => "hole",
            Self::Deep => "deep",
            Self::Plan => "plan",
            Self::Backfill => "backfill",
            Self::Pending => "pending",
            Self::Sample => "sample",
            Self::Ledger => "ledger",
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
    /// Too much was missing for one sweep: nothing was published, a plan waits for a person.
    Planned,
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
            Self::Planned => "planned",
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
/// not written again, but takes a class where it had none. Returns for each its row's id, the old or
/// the new one.
pub fn find(
    connection: &mut PgConnection,
    sweep: i64,
    account: Option<&AccountId>,
    findings: &[NewFinding],
) -> QueryResult<Vec<i64>> {
    let open = open_of(connection, findings)?;
    findings
        .iter()
        .map(|finding| {
            let event = finding.event_id.as_ref().map(EventId::as_str);
            let known = event.and_then(|event| same(open.get(event)?, finding.verdict.kind));
            match known {
                Some((id, false)) => Ok(id),
                Some((id, true)) => classify(connection, id, &finding.verdict).map(|()| id),
                None => insert(connection, sweep, account, finding),
            }
        })
        .collect()
}

/// The open finding that says the same, if one does, and whether it had no class until now.
fn same(open: &[(i64, String)], kind: Gap) -> Option<(i64, bool)> {
    let of = |kind: Gap| open.iter().find(|(_, known)| known == kind.as_str());
    match (of(kind), of(Gap::Unknown), kind) {
        (Some((id, _)), _, _) => Some((*id, false)),
        (None, Some((id, _)), _) => Some((*id, true)),
        // It has a class already; what is not known now takes none away.
        (None, None, Gap::Unknown) => open.first().map(|(id, _)| (*id, false)),
        (None, None, _) => None,
    }
}

/// The open findings of sweeps about the same events, by event, oldest first.
fn open_of(
    connection: &mut PgConnection,
    findings: &[NewFinding],
) -> QueryResult<HashMap<String, Vec<(i64, String)>>> {
    #[derive(QueryableByName)]
    struct Open {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        event_id: String,
        #[diesel(sql_type = Text)]
        kind: String,
    }
    let ids: Vec<&str> = findings
        .iter()
        .filter_map(|finding| finding.event_id.as_ref().map(EventId::as_str))
        .collect();
    let rows: Vec<Open> = sql_query(
        "SELECT id, event_id, kind FROM findings \
         WHERE event_id = ANY($1) AND repaired_at IS NULL AND sweep_id IS NOT NULL ORDER BY id",
    )
    .bind::<Array<Text>, _>(ids)
    .load(connection)?;
    let mut open: HashMap<String, Vec<(i64, String)>> = HashMap::new();
    for row in rows {
        open.entry(row.event_id)
            .or_default()
            .push((row.id, row.kind));
    }
    Ok(open)
}

/// A finding without a class, and what is known of its event.
#[derive(Debug)]
pub struct Unknown {
    pub id: i64,
    pub event_id: EventId,
    pub evidence: serde_json::Value,
}

/// Findings of the last day about missing events that have no class, though counts may have come
/// since; newest first.
pub fn unknown(connection: &mut PgConnection, limit: i64) -> QueryResult<Vec<Unknown>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        event_id: String,
        #[diesel(sql_type = Text)]
        evidence: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT id, event_id, evidence::text AS evidence FROM findings \
         WHERE kind = 'unknown' AND event_id IS NOT NULL AND found_at > now() - interval '1 day' \
           AND evidence ->> 'delivery_success' = 'false' \
           AND evidence ->> 'endpoints' = '1' \
           AND evidence ->> 'answers_complete' IS DISTINCT FROM 'true' \
         ORDER BY found_at DESC, id DESC LIMIT $1",
    )
    .bind::<BigInt, _>(limit)
    .load(connection)?;
    let read = |row: Row| {
        Some(Unknown {
            id: row.id,
            event_id: EventId::parse(&row.event_id).ok()?,
            evidence: serde_json::from_str(&row.evidence).ok()?,
        })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Gives a finding its class.
pub fn classify(connection: &mut PgConnection, id: i64, verdict: &Verdict) -> QueryResult<()> {
    sql_query("UPDATE findings SET kind = $2, confidence = $3, evidence = $4::json WHERE id = $1")
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(verdict.kind.as_str())
        .bind::<Float, _>(verdict.confidence)
        .bind::<Text, _>(verdict.evidence.to_string())
        .execute(connection)
        .map(|_rows| ())
}

fn insert(
    connection: &mut PgConnection,
    sweep: i64,
    account: Option<&AccountId>,
    finding: &NewFinding,
) -> QueryResult<i64> {
    sql_query(
        "INSERT INTO findings (sweep_id, kind, confidence, evidence, account, event_id, \
         object_id, booking_id) VALUES ($1, $2, $3, $4::json, $5, $6, $7, $8) RETURNING id",
    )
    .bind::<BigInt, _>(sweep)
    .bind::<Text, _>(finding.verdict.kind.as_str())
    .bind::<Float, _>(finding.verdict.confidence)
    .bind::<Text, _>(finding.verdict.evidence.to_string())
    .bind::<Text, _>(key(account))
    .bind::<Nullable<Text>, _>(finding.event_id.as_ref().map(EventId::as_str))
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
           AND f.sweep_id IS NOT NULL \
           AND e.disposition NOT IN ('parked', 'dead')",
    )
    .bind::<Array<Text>, _>(ids.iter().map(EventId::as_str).collect::<Vec<_>>())
    .execute(connection)
}

/// How often each of `ids` was published by a repair, for those that were.
pub fn times_repaired(
    connection: &mut PgConnection,
    ids: &[EventId],
) -> QueryResult<HashMap<String, i64>> {
    #[derive(QueryableByName)]
    struct Times {
        #[diesel(sql_type = Text)]
        event_id: String,
        #[diesel(sql_type = BigInt)]
        times: i64,
    }
    let rows: Vec<Times> = sql_query(
        "SELECT event_id, count(*) AS times FROM findings \
         WHERE event_id = ANY($1) AND repaired_at IS NOT NULL AND sweep_id IS NOT NULL \
         GROUP BY event_id",
    )
    .bind::<Array<Text>, _>(ids.iter().map(EventId::as_str).collect::<Vec<_>>())
    .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.event_id, row.times))
        .collect())
}

/// Open findings of these kinds, those of sweeps and those of folding, each counted up to 10,000.
pub fn open_counts(
    connection: &mut PgConnection,
    kinds: &[&str],
) -> QueryResult<Vec<(String, i64)>> {
    #[derive(QueryableByName)]
    struct Open {
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let rows: Vec<Open> = sql_query(
        // Kind by kind, by findings_open_of_sweeps and findings_open_of_folding.
        "SELECT k.kind, s.n + f.n AS n FROM unnest($1) AS k (kind) \
         CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT FROM findings o \
           WHERE o.kind = k.kind AND o.repaired_at IS NULL AND o.sweep_id IS NOT NULL \
           LIMIT 10000) c) s \
         CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT FROM findings o \
           WHERE o.kind = k.kind AND o.identity IS NOT NULL AND o.closed_at IS NULL \
             AND o.sweep_id IS NULL LIMIT 10000) c) f",
    )
    .bind::<Array<Text>, _>(kinds)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.kind, row.n)).collect())
}

/// A count as its column holds it.
pub(crate) fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
