//! Who applies which partition, and what operators want of them.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::rows;
use crate::failure::Failure;

/// Not seen for so long: gone, or cut off. A processor says so every second.
pub(crate) const GONE_AFTER_SECONDS: i64 = 10;

/// One partition's progress.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct PartitionRow {
    #[diesel(sql_type = Integer)]
    pub(crate) partition: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) next_offset: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) held_since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) held_reason: Option<String>,
}

/// One processor, as it last said.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct InstanceRow {
    #[diesel(sql_type = Text)]
    pub(crate) instance: String,
    #[diesel(sql_type = Text)]
    pub(crate) version: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) started_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) seen_at: DateTime<Utc>,
    /// Seconds since then, by the database's clock.
    #[diesel(sql_type = BigInt)]
    pub(crate) seen_seconds: i64,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) reason: Option<String>,
    #[diesel(sql_type = Array<Integer>)]
    pub(crate) partitions: Vec<i32>,
}

impl InstanceRow {
    /// Whether it is there, as far as the database can tell.
    pub(crate) fn is_live(&self) -> bool {
        self.state != "stopped" && self.seen_seconds <= GONE_AFTER_SECONDS
    }
}

/// What operators want.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Wanted {
    /// `running` or `paused`.
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) resumes: i64,
    /// The action that changed it last.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) action_id: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) changed_at: Option<DateTime<Utc>>,
}

/// Progress of every partition that was ever owned.
pub(crate) fn partitions(db: &mut PgConnection, topic: &str) -> Result<Vec<PartitionRow>, Failure> {
    let query = sql_query(
        "SELECT partition, next_offset, held_since, held_reason FROM partition_progress
         WHERE topic = $1 ORDER BY partition",
    )
    .bind::<Text, _>(topic);
    rows(db, "progress", query)
}

/// Every processor of the last day, the one seen last first.
pub(crate) fn instances(db: &mut PgConnection) -> Result<Vec<InstanceRow>, Failure> {
    let query = sql_query(
        "SELECT instance, version, started_at, seen_at, state, reason, partitions,
             greatest(extract(epoch FROM now() - seen_at), 0)::bigint AS seen_seconds
         FROM processor_instances ORDER BY seen_at DESC, instance LIMIT 1000",
    );
    rows(db, "the processors", query)
}

/// What operators want; without a row: that it runs.
pub(crate) fn wanted(db: &mut PgConnection, topic: &str) -> Result<Wanted, Failure> {
    let query = sql_query(
        "SELECT state, resumes, action_id, changed_at FROM consumer_control WHERE topic = $1",
    )
    .bind::<Text, _>(topic);
    let row = rows(db, "what is wanted of consumption", query)?
        .into_iter()
        .next();
    Ok(row.unwrap_or_else(|| Wanted {
        state: "running".to_owned(),
        resumes: 0,
        action_id: None,
        changed_at: None,
    }))
}
