//! Repairs that were too large for one sweep.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::page::{Keyed, Page};
use super::rows;
use super::walk::{Order, Walk};
use crate::args::SweepPlans;
use crate::cursor::Cursor;
use crate::failure::Failure;

/// One plan.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct PlanRow {
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) sweep_id: i64,
    /// Empty: our own.
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) window_from: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) window_to: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    pub(crate) missing: i32,
    #[diesel(sql_type = Integer)]
    pub(crate) cap: i32,
    /// open, approved, done, failed.
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) action_id: Option<String>,
    #[diesel(sql_type = Integer)]
    pub(crate) published: i32,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) approved_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "
    id, sweep_id, account, window_from, window_to, missing, cap, state, action_id, published, error,
    created_at, approved_at, finished_at";

impl Keyed for PlanRow {
    fn cursor(&self) -> String {
        let (at, id) = (self.created_at, &self.id);
        Cursor { at, id }.to_string()
    }
}

/// Plans that match all filters, the newest first.
pub(crate) fn list(db: &mut PgConnection, filter: &SweepPlans) -> Result<Page<PlanRow>, Failure> {
    let mut walk = Walk::new(
        "repair_plans",
        "p",
        Order::NewestFirst("p.created_at", "p.id"),
    );
    if !filter.all {
        walk.always("p.state IN ('open', 'approved')");
    }
    if let Some(account) = filter.account.as_deref() {
        walk.check("p.account = $", account);
    }
    walk.after(filter.after.as_ref());
    walk.page(db, "reading the plans", COLUMNS, i64::from(filter.limit))
}

/// One plan, if there is one.
pub(crate) fn find(db: &mut PgConnection, id: &str) -> Result<Option<PlanRow>, Failure> {
    let query =
        sql_query(format!("SELECT {COLUMNS} FROM repair_plans WHERE id = $1")).bind::<Text, _>(id);
    Ok(rows(db, "reading the plan", query)?.into_iter().next())
}

/// Some of the events that wait for it.
pub(crate) fn sample(db: &mut PgConnection, id: &str, most: i64) -> Result<Vec<String>, Failure> {
    #[derive(QueryableByName)]
    struct Event {
        #[diesel(sql_type = Text)]
        event_id: String,
    }
    let query = sql_query(
        "SELECT f.event_id FROM findings f WHERE f.plan_id = $1 AND f.event_id IS NOT NULL
         ORDER BY f.id LIMIT $2",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(most);
    let events: Vec<Event> = rows(db, "reading the plan's events", query)?;
    Ok(events.into_iter().map(|row| row.event_id).collect())
}
