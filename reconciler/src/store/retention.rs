//! Steps of the retention jobs. All but the payloads' are one call of a function that the database
//! owns: the reconciler's role may delete none of these rows by itself.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Integer, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::db::ledger::LedgerRow;
use shared::db::payloads::{self, Unreadable};

use crate::retention::{Job, Level};

/// Rows that one step removes at most.
pub const STEP: i32 = 5_000;
/// Payloads that are in memory at a time.
const PAGE: i64 = 500;

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Rows, or payloads, that went.
    pub removed: i64,
    /// There is nothing more to do for now.
    pub is_last: bool,
}

/// One step of a job.
pub fn step(
    connection: &mut PgConnection,
    job: Job,
    before: DateTime<Utc>,
    span: TimeDelta,
) -> QueryResult<Step> {
    let removed = match job {
        Job::Payloads => return payloads(connection, before, span),
        Job::Outbox | Job::Refetches | Job::ActionItems | Job::Shadows => {
            expired(connection, job.name(), before)?
        }
        Job::Sweeps(level) => rolled_up(
            connection,
            "SELECT roll_up_sweeps($1, $2, $3) AS removed",
            level,
            before,
        )?,
        Job::Certificates(level) => rolled_up(
            connection,
            "SELECT roll_up_certificates($1, $2, $3) AS removed",
            level,
            before,
        )?,
    };
    Ok(Step {
        removed,
        is_last: removed == 0,
    })
}

#[derive(QueryableByName)]
struct Removed {
    #[diesel(sql_type = BigInt)]
    removed: i64,
}

fn expired(connection: &mut PgConnection, table: &str, before: DateTime<Utc>) -> QueryResult<i64> {
    sql_query("SELECT remove_expired($1, $2, $3) AS removed")
        .bind::<Text, _>(table)
        .bind::<Timestamptz, _>(before)
        .bind::<Integer, _>(STEP)
        .get_result::<Removed>(connection)
        .map(|row| row.removed)
}

fn rolled_up(
    connection: &mut PgConnection,
    statement: &str,
    level: Level,
    before: DateTime<Utc>,
) -> QueryResult<i64> {
    sql_query(statement)
        .bind::<Text, _>(level.as_str())
        .bind::<Timestamptz, _>(before)
        .bind::<Integer, _>(STEP)
        .get_result::<Removed>(connection)
        .map(|row| row.removed)
}

/// Removes a page of payloads of events that were received in the `span` behind the job's position.
/// Events are received in the order of time, whenever they were made: none comes in behind it.
fn payloads(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    span: TimeDelta,
) -> QueryResult<Step> {
    let from = position(connection)?;
    let to = from.checked_add_signed(span).unwrap_or(before).min(before);
    let rows = page(connection, from, to, before)?;
    let is_whole = i64::try_from(rows.len()).is_ok_and(|read| read < PAGE);
    let removed = payloads::remove(connection, &rows, payloads::BY_RETENTION, Unreadable::Keep)?;
    let removed = i64::try_from(removed.len()).unwrap_or(i64::MAX);
    // What no step can remove (an unreadable payload) must not hold up the others.
    let is_over = is_whole || removed == 0;
    let reached = if is_over { to.max(from) } else { from };
    note(connection, reached, removed, before)?;
    Ok(Step {
        removed,
        is_last: is_over && reached >= before,
    })
}

fn position(connection: &mut PgConnection) -> QueryResult<DateTime<Utc>> {
    #[derive(QueryableByName)]
    struct Position {
        #[diesel(sql_type = BigInt)]
        position: i64,
    }
    let row: Position =
        sql_query("SELECT position FROM retention_jobs WHERE job = 'payloads' FOR UPDATE")
            .get_result(connection)?;
    Ok(DateTime::from_timestamp_micros(row.position).unwrap_or(DateTime::UNIX_EPOCH))
}

fn page(
    connection: &mut PgConnection,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    before: DateTime<Utc>,
) -> QueryResult<Vec<LedgerRow>> {
    sql_query(
        // Each partition's ranges of pages are found by events_received_brin.
        "SELECT e.id, e.created, e.record_kind, coalesce(e.account, '') AS account, \
           coalesce(e.object_id, '') AS object_id, e.payload, NULL AS reading, NULL AS kept_key \
         FROM events e WHERE e.received_at >= $1 AND e.received_at < $2 AND e.created < $3 \
           AND e.payload_removed_at IS NULL AND e.disposition IN ('applied', 'no_change', 'ignored') \
         LIMIT $4",
    )
    .bind::<Timestamptz, _>(from)
    .bind::<Timestamptz, _>(to)
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(PAGE)
    .load(connection)
}

fn note(
    connection: &mut PgConnection,
    reached: DateTime<Utc>,
    removed: i64,
    before: DateTime<Utc>,
) -> QueryResult<()> {
    sql_query(
        "UPDATE retention_jobs SET position = $1, removed = removed + $2, kept_from = $3, \
         ran_at = now() WHERE job = 'payloads'",
    )
    .bind::<BigInt, _>(reached.timestamp_micros())
    .bind::<BigInt, _>(removed)
    .bind::<Timestamptz, _>(before)
    .execute(connection)
    .map(|_rows| ())
}
