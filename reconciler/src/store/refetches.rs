//! The objects that the processor wants retrieved.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Double, Integer, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

/// One wish that is due.
#[derive(Debug, Clone, QueryableByName)]
pub struct Refetch {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Empty: our own account.
    #[diesel(sql_type = Text)]
    pub account: String,
    #[diesel(sql_type = Text)]
    pub object_id: String,
    #[diesel(sql_type = Text)]
    pub object_type: String,
    /// The second that the doubt is about.
    #[diesel(sql_type = Timestamptz)]
    pub tied_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
}

/// At most `limit` wishes whose next attempt's time has come.
pub fn due(connection: &mut PgConnection, limit: i64) -> QueryResult<Vec<Refetch>> {
    sql_query(
        "SELECT id, account, object_id, object_type, tied_at, attempts FROM refetches \
         WHERE state = 'pending' AND next_attempt_at <= now() \
         ORDER BY next_attempt_at, id LIMIT $1",
    )
    .bind::<BigInt, _>(limit)
    .load(connection)
}

/// Its observation was acknowledged by the log.
pub fn done(connection: &mut PgConnection, id: i64, observation_id: &str) -> QueryResult<()> {
    sql_query(
        "UPDATE refetches SET state = 'done', attempts = attempts + 1, done_at = now(), \
         error = NULL, observation_id = $2 WHERE id = $1",
    )
    .bind::<BigInt, _>(id)
    .bind::<Text, _>(observation_id)
    .execute(connection)
    .map(|_rows| ())
}

/// It can never be carried out.
pub fn failed(connection: &mut PgConnection, id: i64, error: &str) -> QueryResult<()> {
    sql_query(
        "UPDATE refetches SET state = 'failed', attempts = attempts + 1, error = $2 WHERE id = $1",
    )
    .bind::<BigInt, _>(id)
    .bind::<Text, _>(error)
    .execute(connection)
    .map(|_rows| ())
}

/// It is tried again after `seconds`.
pub fn later(connection: &mut PgConnection, id: i64, seconds: f64, error: &str) -> QueryResult<()> {
    sql_query(
        "UPDATE refetches SET attempts = attempts + 1, error = $3, \
         next_attempt_at = now() + make_interval(secs => $2) WHERE id = $1",
    )
    .bind::<BigInt, _>(id)
    .bind::<Double, _>(seconds)
    .bind::<Text, _>(error)
    .execute(connection)
    .map(|_rows| ())
}
