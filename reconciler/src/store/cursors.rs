//! How far sweeps have got: the tail behind the clock, and passes that have an end.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::ids::AccountId;
use shared::windows::Pass;

use super::at;
use super::sweeps::{Kind, key};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Timestamptz)]
    position: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    target: Option<DateTime<Utc>>,
}

fn row(
    connection: &mut PgConnection,
    kind: Kind,
    account: Option<&AccountId>,
) -> QueryResult<Option<Row>> {
    sql_query("SELECT position, target FROM cursors WHERE account = $1 AND sweep = $2")
        .bind::<Text, _>(key(account))
        .bind::<Text, _>(kind.as_str())
        .get_result(connection)
        .optional()
}

/// The tail's cursor in seconds since 1970: the end of the last window that is done.
pub fn tail(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
) -> QueryResult<Option<i64>> {
    Ok(row(connection, Kind::Tail, account)?.map(|row| row.position.timestamp()))
}

/// Moves the tail's cursor to `to`, never backwards. The caller has had everything before `to`
/// acknowledged, or written down in a plan.
pub fn move_tail(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    to: i64,
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO cursors (account, sweep, position) VALUES ($1, 'tail', $2) \
         ON CONFLICT (account, sweep) DO UPDATE \
         SET position = excluded.position, updated_at = now() \
         WHERE cursors.position < excluded.position",
    )
    .bind::<Text, _>(key(account))
    .bind::<Timestamptz, _>(at(to))
    .execute(connection)
    .map(|_rows| ())
}

/// Where a pass of this kind stands.
pub fn pass(
    connection: &mut PgConnection,
    kind: Kind,
    account: Option<&AccountId>,
) -> QueryResult<Option<Pass>> {
    let row = row(connection, kind, account)?;
    Ok(row.and_then(|row| {
        Some(Pass {
            position: row.position.timestamp(),
            target: row.target?.timestamp(),
        })
    }))
}

/// Notes where a pass stands. The caller has had everything before its position acknowledged, or
/// written down in a plan.
pub fn note_pass(
    connection: &mut PgConnection,
    kind: Kind,
    account: Option<&AccountId>,
    pass: Pass,
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO cursors (account, sweep, position, target) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, sweep) DO UPDATE \
         SET position = excluded.position, target = excluded.target, updated_at = now()",
    )
    .bind::<Text, _>(key(account))
    .bind::<Text, _>(kind.as_str())
    .bind::<Timestamptz, _>(at(pass.position))
    .bind::<Timestamptz, _>(at(pass.target))
    .execute(connection)
    .map(|_rows| ())
}
