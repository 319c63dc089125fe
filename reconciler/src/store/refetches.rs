//! The objects that the processor wants retrieved.
//!
//! Invariants: a request that is not due hides none that is; an object that was asked for the same
//! reason again and again is asked less and less often.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Double, Integer, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use super::at;

/// Observations of one object for one reason within a day, at most.
const MAX_A_DAY: i64 = 20;
/// Pause after the first of them, in seconds; doubles with each up to [`STEP_CAP_S`].
const STEP_S: f64 = 2.0;
/// Longest pause between two of them, in seconds.
const STEP_CAP_S: f64 = 6.0 * 3_600.0;
/// A settlement is asked about so long after the invoice was paid, in seconds: its payments may
/// still be on their way.
const SETTLEMENT_S: f64 = 60.0;

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

/// At most `limit` wishes that are due, the longest due first. `now` is Stripe's, in seconds since
/// 1970; `pause`: seconds between the second in doubt and its refetch.
pub fn due(
    connection: &mut PgConnection,
    now: i64,
    pause: f64,
    limit: i64,
) -> QueryResult<Vec<Refetch>> {
    sql_query(
        // Everything that decides is in the WHERE clause, before the limit: a tie in the future of
        // a test clock, and an object that was asked too often, take no place. The pending rows
        // come in the order of refetches_pending; each is counted by refetches_done_by_object.
        // Wishes that one call answered share its observation and count once.
        "SELECT r.id, r.account, r.object_id, r.object_type, r.tied_at, r.attempts \
         FROM refetches r CROSS JOIN LATERAL ( \
           SELECT count(DISTINCT d.observation_id) AS times, max(d.done_at) AS last \
           FROM refetches d \
           WHERE d.account = r.account AND d.object_id = r.object_id AND d.reason = r.reason \
             AND d.state = 'done' AND d.done_at > now() - interval '1 day' \
         ) asked \
         WHERE r.state = 'pending' AND r.next_attempt_at <= now() \
           AND r.tied_at <= $1 - make_interval(secs => CASE r.reason \
             WHEN 'settlement' THEN greatest($2, $3) ELSE $2 END) \
           AND asked.times < $4 \
           AND (asked.times = 0 OR asked.last + make_interval( \
             secs => least($5 * power(2, asked.times - 1), $6)) <= now()) \
         ORDER BY r.next_attempt_at, r.id LIMIT $7",
    )
    .bind::<Timestamptz, _>(at(now))
    .bind::<Double, _>(pause)
    .bind::<Double, _>(SETTLEMENT_S)
    .bind::<BigInt, _>(MAX_A_DAY)
    .bind::<Double, _>(STEP_S)
    .bind::<Double, _>(STEP_CAP_S)
    .bind::<BigInt, _>(limit)
    .load(connection)
}

/// An observation that the log acknowledged.
#[derive(Debug, Clone)]
pub struct Answer {
    pub id: String,
    /// Seconds since 1970.
    pub observed_at: i64,
}

/// Marks these wishes as done, and all others about the same object (that of the first) that the
/// observation is late enough for. Returns how many.
pub fn done(
    connection: &mut PgConnection,
    wishes: &[Refetch],
    answer: &Answer,
) -> QueryResult<usize> {
    let Some(first) = wishes.first() else {
        return Ok(0);
    };
    let ids: Vec<i64> = wishes.iter().map(|wish| wish.id).collect();
    sql_query(
        // refetches_once begins with the object.
        "UPDATE refetches SET state = 'done', attempts = attempts + 1, done_at = now(), \
           error = NULL, observation_id = $5 \
         WHERE account = $1 AND object_id = $2 AND state = 'pending' \
           AND (id = ANY($3) OR tied_at < $4 - make_interval( \
             secs => CASE reason WHEN 'settlement' THEN $6 ELSE 0 END))",
    )
    .bind::<Text, _>(&first.account)
    .bind::<Text, _>(&first.object_id)
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Timestamptz, _>(at(answer.observed_at))
    .bind::<Text, _>(&answer.id)
    .bind::<Double, _>(SETTLEMENT_S)
    .execute(connection)
}

/// These can never be carried out.
pub fn failed(connection: &mut PgConnection, wishes: &[Refetch], error: &str) -> QueryResult<()> {
    sql_query(
        "UPDATE refetches SET state = 'failed', attempts = attempts + 1, error = $2 \
         WHERE id = ANY($1)",
    )
    .bind::<Array<BigInt>, _>(wishes.iter().map(|wish| wish.id).collect::<Vec<_>>())
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
