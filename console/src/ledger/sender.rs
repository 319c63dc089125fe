//! Who sends to us, and what is wrong with it, as the reconciler last saw it.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::{MOST_ROWS, rows};
use crate::failure::Failure;

/// A webhook endpoint at Stripe, as seen and as accepted.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct EndpointRow {
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Text)]
    pub(crate) url: String,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) api_version: Option<String>,
    #[diesel(sql_type = Array<Text>)]
    pub(crate) enabled_events: Vec<String>,
    #[diesel(sql_type = Bool)]
    pub(crate) livemode: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) ours: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) accepted_url: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) accepted_version: Option<String>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    pub(crate) accepted_events: Option<Vec<String>>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) first_seen_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) seen_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) gone_at: Option<DateTime<Utc>>,
}

/// Something that is wrong with the sender, or was.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct AlarmRow {
    #[diesel(sql_type = Text)]
    pub(crate) alarm: String,
    /// The endpoint or account concerned; empty: all.
    #[diesel(sql_type = Text)]
    pub(crate) subject: String,
    #[diesel(sql_type = Text)]
    pub(crate) detail: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) since: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) seen_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) cleared_at: Option<DateTime<Utc>>,
}

/// Endpoints, ours first; with `all` those that are gone, too.
pub(crate) fn endpoints(db: &mut PgConnection, all: bool) -> Result<Vec<EndpointRow>, Failure> {
    let query = sql_query(
        "SELECT id, url, status, api_version, enabled_events, livemode, ours, accepted_url,
             accepted_version, accepted_events, first_seen_at, seen_at, gone_at
         FROM webhook_endpoints WHERE ($1 OR gone_at IS NULL)
         ORDER BY ours DESC, first_seen_at, id LIMIT $2",
    )
    .bind::<Bool, _>(all)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading the endpoints", query)
}

#[derive(QueryableByName)]
struct Gone {
    #[diesel(sql_type = Timestamptz)]
    gone_at: DateTime<Utc>,
}

/// When the reconciler saw that this endpoint was gone, if it did.
pub(crate) fn gone_at(db: &mut PgConnection, id: &str) -> Result<Option<DateTime<Utc>>, Failure> {
    let query =
        sql_query("SELECT gone_at FROM webhook_endpoints WHERE id = $1 AND gone_at IS NOT NULL")
            .bind::<Text, _>(id);
    let found: Vec<Gone> = rows(db, "reading when the endpoint went", query)?;
    Ok(found.first().map(|row| row.gone_at))
}

/// Alarms, the oldest first; with `all` those that are over, too.
pub(crate) fn alarms(db: &mut PgConnection, all: bool) -> Result<Vec<AlarmRow>, Failure> {
    let query = sql_query(
        "SELECT alarm, subject, detail, since, seen_at, cleared_at FROM sender_alarms
         WHERE ($1 OR cleared_at IS NULL)
         ORDER BY cleared_at IS NOT NULL, since, alarm, subject LIMIT $2",
    )
    .bind::<Bool, _>(all)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading the alarms", query)
}
