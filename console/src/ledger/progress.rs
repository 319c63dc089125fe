//! How far each partition has been applied, and what waits behind it.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::rows;
use crate::failure::Failure;

/// Progress of one partition: what Postgres says, which is the truth.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Progress {
    #[diesel(sql_type = Integer)]
    pub(crate) partition: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) next_offset: i64,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) updated_at: DateTime<Utc>,
}

/// Work that waits outside of the log: how much, and since when.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Waiting {
    /// `parked`: events behind one that could not be applied; `outbox`: facts not published; `refetches`: objects to retrieve; `dead_letters`: not looked
    /// at yet; `sweep`: accounts whose past is proved complete up to `since`.
    #[diesel(sql_type = Text)]
    pub(crate) what: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) count: i64,
    /// The oldest of them.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) since: Option<DateTime<Utc>>,
}

/// Progress of every partition that was ever owned.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn of_topic(
    connection: &mut PgConnection,
    topic: &str,
) -> Result<Vec<Progress>, Failure> {
    rows(
        connection,
        "progress",
        sql_query(
            "SELECT partition, next_offset, updated_at FROM partition_progress WHERE topic = $1",
        )
        .bind::<Text, _>(topic),
    )
}

/// What waits; each of these is found by a partial index or in a small table.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn waiting(connection: &mut PgConnection) -> Result<Vec<Waiting>, Failure> {
    rows(
        connection,
        "what waits",
        sql_query(
            "SELECT 'outbox' AS what, count(*) AS count, min(created_at) AS since
               FROM outbox WHERE published_at IS NULL
             UNION ALL
             SELECT 'refetches', count(*), min(requested_at) FROM refetches WHERE state = 'pending'
             UNION ALL
             SELECT 'parked', count(*), min(parked_at) FROM parked_events
             UNION ALL
             SELECT 'dead_letters', count(*), min(first_failed_at)
               FROM dead_letters WHERE status = 'open'
             UNION ALL
             SELECT 'sweep', count(*), min(position) FROM cursors WHERE sweep = 'tail'",
        ),
    )
}
