//! The retention jobs, and the months of the ledger.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Date, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::rows;
use crate::failure::Failure;

/// How far a job has got.
#[derive(Debug, Serialize, QueryableByName)]
pub(crate) struct JobRow {
    #[diesel(sql_type = Text)]
    pub(crate) job: String,
    /// Everything from here on is kept; none: it never ran.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) kept_from: Option<DateTime<Utc>>,
    /// Rows, or payloads, removed in all.
    #[diesel(sql_type = BigInt)]
    pub(crate) removed: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) ran_at: Option<DateTime<Utc>>,
}

/// Every job.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn jobs(db: &mut PgConnection) -> Result<Vec<JobRow>, Failure> {
    let query =
        sql_query("SELECT job, kept_from, removed, ran_at FROM retention_jobs ORDER BY job");
    rows(db, "reading the retention jobs", query)
}

/// A month of the ledger that may be detached, or why not.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Month {
    #[diesel(sql_type = Text)]
    pub(crate) partition: String,
    /// Rows, as the planner's statistics say.
    #[diesel(sql_type = BigInt)]
    pub(crate) rows: i64,
    /// An event that still has its payload.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) with_payload: Option<String>,
}

/// The partition of this month; none: the ledger has none.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn month(db: &mut PgConnection, month: NaiveDate) -> Result<Option<Month>, Failure> {
    let query = sql_query(
        "SELECT c.relname::text AS partition, greatest(c.reltuples, 0)::bigint AS rows,
            (SELECT e.id FROM events e WHERE e.created >= $1::timestamp AT TIME ZONE 'UTC'
                AND e.created < ($1 + interval '1 month')::timestamp AT TIME ZONE 'UTC'
                AND e.payload_removed_at IS NULL LIMIT 1) AS with_payload
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'events'::regclass AND c.relname = 'events_' || to_char($1, 'YYYY_MM')",
    )
    .bind::<Date, _>(month);
    Ok(rows(db, "reading the month", query)?.into_iter().next())
}

/// Detaches a month; returns how many ids dedupe keeps of it.
///
/// # Errors
/// [`Failure::Query`], with the database's reason.
pub(crate) fn detach(
    db: &mut PgConnection,
    month: NaiveDate,
    action: &str,
) -> Result<i64, Failure> {
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = BigInt)]
        ids: i64,
    }
    let query = sql_query("SELECT detach_event_month($1, $2) AS ids")
        .bind::<Date, _>(month)
        .bind::<Text, _>(action);
    let kept: Vec<Kept> = rows(db, "detaching the month", query)?;
    Ok(kept.first().map_or(0, |row| row.ids))
}
