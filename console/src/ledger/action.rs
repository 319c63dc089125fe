//! What was done by hand.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::{JsonText, MOST_ROWS, rows};
use crate::args::ActionList;
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

/// Actions that match all filters, the newest first.
pub(crate) fn list(db: &mut PgConnection, filter: &ActionList) -> Result<Vec<ActionRow>, Failure> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM operator_actions a
         WHERE ($1 IS NULL OR a.state = $1) AND ($2 IS NULL OR a.who = $2)
           AND ($3 IS NULL OR a.at >= $3)
         ORDER BY a.at DESC, a.id DESC LIMIT $4"
    ))
    .bind::<Nullable<Text>, _>(filter.state.as_deref())
    .bind::<Nullable<Text>, _>(filter.who.as_deref())
    .bind::<Nullable<Timestamptz>, _>(filter.since)
    .bind::<BigInt, _>(i64::from(filter.limit));
    rows(db, "reading the actions", query)
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
