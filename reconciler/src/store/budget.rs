//! The token bucket's row, and the count of calls by day.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use crate::budget::{self, Bucket, Grant, Purpose, Rate};
use std::time::Duration;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    due_us: i64,
    #[diesel(sql_type = BigInt)]
    held_until_us: i64,
    /// By the server's clock, so that hosts need not agree on the time.
    #[diesel(sql_type = BigInt)]
    now_us: i64,
}

fn locked(connection: &mut PgConnection) -> QueryResult<Row> {
    sql_query(
        "SELECT due_us, held_until_us, \
           floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us \
         FROM api_budget WHERE name = 'stripe' FOR UPDATE",
    )
    .get_result(connection)
}

fn store(connection: &mut PgConnection, bucket: Bucket) -> QueryResult<()> {
    sql_query("UPDATE api_budget SET due_us = $1, held_until_us = $2 WHERE name = 'stripe'")
        .bind::<BigInt, _>(bucket.due_us)
        .bind::<BigInt, _>(bucket.held_until_us)
        .execute(connection)
        .map(|_rows| ())
}

/// Asks for one token; a call that is granted is counted.
pub fn take(connection: &mut PgConnection, rate: Rate, purpose: Purpose) -> QueryResult<Grant> {
    let row = locked(connection)?;
    let bucket = Bucket {
        due_us: row.due_us,
        held_until_us: row.held_until_us,
    };
    let (after, grant) = budget::take(bucket, row.now_us, rate, purpose);
    if let Grant::Taken(_) = grant {
        store(connection, after)?;
        sql_query(
            "INSERT INTO api_calls (day, purpose, calls) \
             VALUES ((now() AT TIME ZONE 'UTC')::date, $1, 1) \
             ON CONFLICT (day, purpose) DO UPDATE SET calls = api_calls.calls + 1",
        )
        .bind::<Text, _>(purpose.as_str())
        .execute(connection)?;
    }
    Ok(grant)
}

/// Holds everyone back for `pause`.
pub fn hold(connection: &mut PgConnection, pause: Duration) -> QueryResult<()> {
    let row = locked(connection)?;
    let bucket = Bucket {
        due_us: row.due_us,
        held_until_us: row.held_until_us,
    };
    store(connection, budget::hold(bucket, row.now_us, pause))
}

/// Calls of the last 30 days and what Stripe allows in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Used {
    #[diesel(sql_type = BigInt)]
    pub calls: i64,
    #[diesel(sql_type = BigInt)]
    pub transactions: i64,
}

/// Counts them; a transaction is a charge that succeeded.
pub fn used(connection: &mut PgConnection) -> QueryResult<Used> {
    sql_query(
        "SELECT (SELECT coalesce(sum(calls), 0)::bigint FROM api_calls \
                 WHERE day > (now() AT TIME ZONE 'UTC')::date - $1) AS calls, \
                (SELECT count(*) FROM events WHERE created > now() - make_interval(days => $1) \
                 AND type = 'charge.succeeded') AS transactions",
    )
    .bind::<Integer, _>(budget::ALLOWANCE_DAYS)
    .get_result(connection)
}
