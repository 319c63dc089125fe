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

/// Wishes that one look judges.
const WALK: i64 = 200;
/// Looks in one pass where all that were judged had to wait.
const ROUNDS: usize = 10;

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
///
/// A wish whose time has not come is postponed to that time, so each is judged once and not at every
/// look.
pub fn due(
    connection: &mut PgConnection,
    now: i64,
    pause: f64,
    limit: i64,
) -> QueryResult<Vec<Refetch>> {
    for _round in 0..ROUNDS {
        let postponed = postpone(connection, now, pause)?;
        let wishes = ready(connection, now, pause, limit)?;
        let is_all = i64::try_from(postponed).is_ok_and(|postponed| postponed < WALK);
        if is_all || !wishes.is_empty() {
            return Ok(wishes);
        }
    }
    Ok(Vec::new())
}

/// How long each of these wishes is held, in seconds; 0 or less: it is due. Each object's earlier
/// ones are counted by refetches_done_by_object; wishes that one call answered share its observation
/// and count once.
const HELD: &str = "SELECT r.*, greatest( \
       extract(epoch FROM r.tied_at - $1)::float8 + \
         CASE r.reason WHEN 'settlement' THEN greatest($2, $3) ELSE $2 END, \
       CASE WHEN asked.times >= $4 \
         THEN extract(epoch FROM asked.first + interval '1 day' - now())::float8 END, \
       CASE WHEN asked.times > 0 \
         THEN extract(epoch FROM asked.last - now())::float8 + least($5 * power(2, asked.times - 1), $6) END \
     ) AS held \
     FROM (SELECT * FROM refetches \
           WHERE state = 'pending' AND next_attempt_at <= now() \
           ORDER BY next_attempt_at, id LIMIT $7) r \
     CROSS JOIN LATERAL ( \
       SELECT count(DISTINCT d.observation_id) AS times, min(d.done_at) AS first, max(d.done_at) AS last \
       FROM refetches d \
       WHERE d.account = r.account AND d.object_id = r.object_id AND d.reason = r.reason \
         AND d.state = 'done' AND d.done_at > now() - interval '1 day' \
     ) asked";

/// Postpones those of the longest waiting that are held; returns how many.
fn postpone(connection: &mut PgConnection, now: i64, pause: f64) -> QueryResult<usize> {
    sql_query(format!(
        // At most an hour: clocks are set, and test clocks are moved.
        "UPDATE refetches p SET next_attempt_at = now() + make_interval(secs => least(h.held, 3600)) \
         FROM ({HELD}) h WHERE p.id = h.id AND h.held > 0"
    ))
    .bind::<Timestamptz, _>(at(now))
    .bind::<Double, _>(pause)
    .bind::<Double, _>(SETTLEMENT_S)
    .bind::<BigInt, _>(MAX_A_DAY)
    .bind::<Double, _>(STEP_S)
    .bind::<Double, _>(STEP_CAP_S)
    .bind::<BigInt, _>(WALK)
    .execute(connection)
}

fn ready(
    connection: &mut PgConnection,
    now: i64,
    pause: f64,
    limit: i64,
) -> QueryResult<Vec<Refetch>> {
    sql_query(format!(
        "SELECT h.id, h.account, h.object_id, h.object_type, h.tied_at, h.attempts \
         FROM ({HELD}) h WHERE h.held <= 0 ORDER BY h.next_attempt_at, h.id LIMIT $8"
    ))
    .bind::<Timestamptz, _>(at(now))
    .bind::<Double, _>(pause)
    .bind::<Double, _>(SETTLEMENT_S)
    .bind::<BigInt, _>(MAX_A_DAY)
    .bind::<Double, _>(STEP_S)
    .bind::<Double, _>(STEP_CAP_S)
    .bind::<BigInt, _>(WALK)
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
