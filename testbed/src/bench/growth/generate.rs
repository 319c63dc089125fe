//! Growth: a layer of generated bookings at a time, in the same database.
//!
//! Two connections work at a time, one for the ledger and one for all other tables. After a layer the
//! statistics are true, all pages are known to be visible, and nothing waits to be written.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use crate::bench::drain::Number;
use crate::stack::postgres::execute;

/// Events of a generated booking, on average.
const EVENTS_EACH: u64 = 8;
/// Seconds in a year.
const YEAR_S: i64 = 365 * 86_400;
/// The generated bookings end this long ago: later rows are those of the measurements.
const ENDS_BEFORE_S: i64 = 3 * 86_400;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Bytes of one table.
#[derive(Debug, QueryableByName)]
pub(super) struct Bytes {
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    /// Rows and what they keep out of line.
    #[diesel(sql_type = BigInt)]
    pub(super) rows: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) indexes: i64,
}

/// Makes the functions of generation, and the ledger's partitions of the past year.
///
/// # Errors
/// The database's.
pub(super) fn prepare(url: &str) -> anyhow::Result<()> {
    execute(url, include_str!("generate.sql"))?;
    execute(url, "CALL growth.past_partitions()")?;
    Ok(())
}

/// Keeps the seeds' rows, of which copies are made.
///
/// # Errors
/// The database's.
pub(super) fn capture(url: &str) -> anyhow::Result<()> {
    execute(url, "CALL growth.capture()")?;
    Ok(())
}

/// Adds the bookings of `more` events, spread over the year before `now`; returns the time it took.
///
/// # Errors
/// The database's.
pub(super) fn grow(url: &str, more: u64, now: i64) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let mut conn = PgConnection::establish(url)?;
    let last: Number =
        sql_query("SELECT coalesce(max(last), 0) AS n FROM growth.layers").get_result(&mut conn)?;
    let (layer, bookings) = (last.n.saturating_add(1), more / EVENTS_EACH);
    let until = last.n.saturating_add(i64::try_from(bookings)?);
    let to = now.saturating_sub(ENDS_BEFORE_S);
    let (from_base, to_base) = (to.saturating_sub(YEAR_S) / 100, to / 100);
    conn.batch_execute(&format!(
        "INSERT INTO growth.layers VALUES ({layer}, {until}, {from_base}, {to_base})"
    ))?;
    // Nobody else reads the tables meanwhile.
    switch_autovacuum(&mut conn, "off")?;
    let names: Vec<Name> = sql_query(
        "SELECT tablename::text AS name FROM pg_tables \
         WHERE schemaname = 'growth' AND tablename NOT IN ('layers', 'indexes') ORDER BY 1",
    )
    .load(&mut conn)?;
    let (ledger, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|it| it.name == "events");
    std::thread::scope(|scope| {
        let ledger = scope.spawn(|| fill(url, &ledger, layer));
        let others = fill(url, &others, layer);
        let failed = || anyhow::anyhow!("the ledger's generation panicked");
        ledger.join().map_err(|_panic| failed())??;
        others
    })?;
    let troubles = include_str!("troubles.sql").replace(":layer", &layer.to_string());
    conn.batch_execute(&troubles)?;
    conn.batch_execute("VACUUM (ANALYZE)")?;
    switch_autovacuum(&mut conn, "on")?;
    conn.batch_execute("CHECKPOINT")?;
    Ok(began.elapsed())
}

fn switch_autovacuum(conn: &mut PgConnection, to: &str) -> QueryResult<()> {
    conn.batch_execute(&format!("ALTER SYSTEM SET autovacuum = {to}"))?;
    conn.batch_execute("SELECT pg_reload_conf()")
}

/// Fills tables one after another, without their indexes.
fn fill(url: &str, tables: &[Name], layer: i64) -> anyhow::Result<()> {
    let mut conn = PgConnection::establish(url)?;
    conn.batch_execute(
        "SET synchronous_commit = off; SET maintenance_work_mem = '1GB'; \
         SET max_parallel_maintenance_workers = 1",
    )?;
    for Name { name } in tables {
        for statement in [
            format!("CALL growth.drop_indexes('{name}')"),
            format!("CALL growth.clone('{name}', {layer})"),
            format!("CALL growth.make_indexes('{name}')"),
            format!("VACUUM {name}"),
        ] {
            conn.batch_execute(&statement)?;
        }
    }
    Ok(())
}

/// The bytes of every table, the largest first.
///
/// # Errors
/// The database's.
pub(super) fn sizes(conn: &mut PgConnection) -> QueryResult<Vec<Bytes>> {
    sql_query(include_str!("sizes.sql")).load(conn)
}
