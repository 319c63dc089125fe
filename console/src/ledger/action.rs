//! What was done by hand.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::page::{Keyed, Page};
use super::walk::{Order, Walk};
use super::{JsonText, MOST_ROWS, rows};
use crate::args::ActionList;
use crate::cursor::Cursor;
use crate::failure::Failure;

/// One action, or a refused attempt.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct ActionRow {
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub(crate) who: String,
    #[diesel(sql_type = Text)]
    pub(crate) database_role: String,
    #[diesel(sql_type = Text)]
    pub(crate) host: String,
    #[diesel(sql_type = Text)]
    pub(crate) verb: String,
    #[diesel(sql_type = Text)]
    pub(crate) reason: String,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) denied_because: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) request: JsonText,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) plan: Option<JsonText>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) result: Option<JsonText>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "
    a.id, a.at, a.who, a.database_role, a.host, a.verb, a.reason, a.state, a.denied_because,
    a.request::text AS request, a.plan::text AS plan, a.result::text AS result, a.finished_at";

/// One thing that an action touched.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct ItemRow {
    #[diesel(sql_type = Text)]
    pub(crate) subject: String,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) topic: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub(crate) partition: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) offset: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) detail: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) published_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) done_at: Option<DateTime<Utc>>,
}

impl Keyed for ActionRow {
    fn cursor(&self) -> String {
        let (at, id) = (self.at, &self.id);
        Cursor { at, id }.to_string()
    }
}

/// Actions that match all filters, the newest first.
pub(crate) fn list(db: &mut PgConnection, filter: &ActionList) -> Result<Page<ActionRow>, Failure> {
    let mut walk = Walk::new("operator_actions", "a", Order::NewestFirst("a.at", "a.id"));
    match filter.state.as_deref() {
        Some("done") => walk.check("a.state = $", "done"),
        Some(state) => walk.lead("a.state = $", state),
        None => {}
    }
    if let Some(who) = filter.who.as_deref() {
        walk.lead("a.who = $", who);
    }
    if let Some(since) = filter.since {
        walk.bound("a.at >= $", since);
    }
    walk.after(filter.after.as_ref());
    walk.page(db, "reading the actions", COLUMNS, i64::from(filter.limit))
}

/// One end of an action, or its resumption.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct ResultRow {
    #[diesel(sql_type = Timestamptz)]
    pub(crate) at: DateTime<Utc>,
    /// running: it was resumed.
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) result: Option<JsonText>,
    #[diesel(sql_type = Text)]
    pub(crate) database_role: String,
}

/// Every end of an action and every resumption, in order.
pub(crate) fn history(db: &mut PgConnection, id: &str) -> Result<Vec<ResultRow>, Failure> {
    let query = sql_query(
        "SELECT r.at, r.state, r.result::text AS result, r.database_role
         FROM operator_action_results r WHERE r.action_id = $1 ORDER BY r.seq LIMIT $2",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading the action's results", query)
}

/// One action, if it is known.
pub(crate) fn find(db: &mut PgConnection, id: &str) -> Result<Option<ActionRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM operator_actions a WHERE a.id = $1"
    ))
    .bind::<Text, _>(id);
    Ok(rows(db, "reading the actions", query)?.into_iter().next())
}

/// What it touched, in the order of its plan.
pub(crate) fn items(db: &mut PgConnection, id: &str) -> Result<Vec<ItemRow>, Failure> {
    let query = sql_query(
        "SELECT i.subject, i.state, i.topic, i.partition, i.\"offset\", i.detail, i.published_at,
             i.done_at
         FROM operator_action_items i WHERE i.action_id = $1
         ORDER BY i.seq, i.subject LIMIT $2",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading the action's items", query)
}
