//! Repairs that wait for a person: written by the sweep that stopped, approved by an operator, carried
//! out by the reconciler.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::ids::{AccountId, EventId};
use shared::windows::Window;

use super::at;
use super::sweeps::{count, key};

/// A plan to write down.
#[derive(Debug)]
pub struct NewPlan<'a> {
    pub sweep: i64,
    pub account: Option<&'a AccountId>,
    pub window: Window,
    pub missing: usize,
    /// What the sweep might still have published.
    pub cap: usize,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Text)]
    id: String,
}

/// Opens a plan, or finds the undecided one for the same window; returns its id.
pub fn open(connection: &mut PgConnection, new: &NewPlan<'_>) -> QueryResult<String> {
    let id = format!("plan_{:016x}", rand::random::<u64>());
    sql_query(
        "INSERT INTO repair_plans (id, sweep_id, account, window_from, window_to, missing, cap) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (account, window_from, window_to) WHERE state IN ('open', 'approved') \
         DO UPDATE SET missing = CASE repair_plans.state WHEN 'open' \
           THEN repair_plans.missing + excluded.missing ELSE repair_plans.missing END \
         RETURNING id",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(new.sweep)
    .bind::<Text, _>(key(new.account))
    .bind::<Timestamptz, _>(at(new.window.from()))
    .bind::<Timestamptz, _>(at(new.window.to()))
    .bind::<Integer, _>(count(new.missing))
    .bind::<Integer, _>(count(new.cap))
    .get_result::<Id>(connection)
    .map(|row| row.id)
}

/// This approved plan is not carried out: another takes its place.
pub fn supersede(connection: &mut PgConnection, plan: &str) -> QueryResult<usize> {
    sql_query(
        "UPDATE repair_plans SET state = 'failed', finished_at = now() \
         WHERE id = $1 AND state = 'approved'",
    )
    .bind::<Text, _>(plan)
    .execute(connection)
}

/// These findings' repairs wait in this plan.
pub fn assign(connection: &mut PgConnection, plan: &str, findings: &[i64]) -> QueryResult<usize> {
    sql_query("UPDATE findings SET plan_id = $1 WHERE id = ANY($2) AND repaired_at IS NULL")
        .bind::<Text, _>(plan)
        .bind::<Array<BigInt>, _>(findings)
        .execute(connection)
}

/// Those of `ids` that wait in an undecided plan, but for `carried_out`'s own.
pub fn waiting(
    connection: &mut PgConnection,
    ids: &[EventId],
    carried_out: Option<&str>,
) -> QueryResult<HashSet<String>> {
    let rows: Vec<Id> = sql_query(
        "SELECT f.event_id AS id FROM findings f JOIN repair_plans p ON p.id = f.plan_id \
         WHERE f.event_id = ANY($1) AND f.repaired_at IS NULL AND p.state IN ('open', 'approved') \
           AND p.id IS DISTINCT FROM $2",
    )
    .bind::<Array<Text>, _>(ids.iter().map(EventId::as_str).collect::<Vec<_>>())
    .bind::<Nullable<Text>, _>(carried_out)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// A plan that a person approved.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Approved {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Text)]
    pub account: String,
    #[diesel(sql_type = Timestamptz)]
    pub window_from: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub window_to: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    pub missing: i32,
    #[diesel(sql_type = Integer)]
    pub published: i32,
}

/// The plan that is to be carried out next: of those never tried the one approved first, then the
/// one whose last try is longest ago.
pub fn next_approved(connection: &mut PgConnection) -> QueryResult<Option<Approved>> {
    sql_query(
        "SELECT id, account, window_from, window_to, missing, published FROM repair_plans \
         WHERE state = 'approved' ORDER BY tried_at NULLS FIRST, approved_at, id LIMIT 1",
    )
    .get_result(connection)
    .optional()
}

/// How carrying out ended, or why it has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// It will never be done under this approval.
    Failed(String),
    /// It is tried again.
    Waits(String),
}

/// Notes how a plan stands, and how much of it is published.
pub fn progressed(
    connection: &mut PgConnection,
    plan: &str,
    progress: &Progress,
) -> QueryResult<()> {
    let (state, error) = match progress {
        Progress::Done => ("done", None),
        Progress::Failed(why) => ("failed", Some(why.as_str())),
        Progress::Waits(why) => ("approved", Some(why.as_str())),
    };
    sql_query(
        "UPDATE repair_plans SET state = $2, error = $3, tried_at = now(), \
         published = (SELECT count(*) FROM findings WHERE plan_id = $1 AND repaired_at IS NOT NULL), \
         finished_at = CASE WHEN $2 = 'approved' THEN NULL ELSE now() END \
         WHERE id = $1 AND (state = 'approved' OR (state = 'failed' AND $2 = 'failed'))",
    )
    .bind::<Text, _>(plan)
    .bind::<Text, _>(state)
    .bind::<Nullable<Text>, _>(error)
    .execute(connection)
    .map(|_rows| ())
}

/// Plans that wait for a person.
pub fn open_count(connection: &mut PgConnection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    sql_query("SELECT count(*) AS n FROM repair_plans WHERE state = 'open'")
        .get_result::<Count>(connection)
        .map(|row| row.n)
}
