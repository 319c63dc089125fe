//! Postgres: is it there, of our schema, durable, of our time?

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};
use shared::clock::{Clock as _, SystemClock};
use shared::config::ExposeSecret as _;
use shared::db::{self, Limits};

use super::settings::Settings;
use super::{Check, clock, completeness, findings};
use crate::failure::chain;

const NAMES: [&str; 4] = ["schema", "durability", "clock of Postgres", "progress"];

/// What one look at the server told.
#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    database: String,
    #[diesel(sql_type = Text)]
    synchronous_commit: String,
    #[diesel(sql_type = Text)]
    fsync: String,
    #[diesel(sql_type = Text)]
    full_page_writes: String,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

const LOOK: &str = "SELECT current_setting('server_version') AS version,
        current_user::text AS role, current_database()::text AS database,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS full_page_writes, clock_timestamp() AS now";

pub(super) fn examine(settings: &Settings, limit: Duration) -> Vec<Check> {
    let Some(url) = &settings.database else {
        return without("Postgres", "DATABASE_URL is missing");
    };
    let limits = Limits {
        statement: limit,
        lock: limit,
        idle_in_transaction: limit,
        connect: limit,
        tcp_user: limit,
    };
    let mut connection = match db::connect(url.expose_secret(), "bookend-doctor", limits) {
        Ok(connection) => connection,
        Err(error) => {
            let fix = "is it running, may this host and role connect, is the password right?";
            let mut checks = vec![Check::failed("Postgres", chain(&error), fix)];
            checks.extend(skipped("Postgres does not answer"));
            return checks;
        }
    };
    let before = SystemClock.now();
    let server: Server = match sql_query(LOOK).get_result(&mut connection) {
        Ok(server) => server,
        Err(error) => {
            let fix = "look into the server's log";
            let mut checks = vec![Check::failed("Postgres", chain(&error), fix)];
            checks.extend(skipped("Postgres does not answer"));
            return checks;
        }
    };
    let after = SystemClock.now();
    let mut checks = vec![
        Check::ok(
            "Postgres",
            format!(
                "{}, database {}, role {}",
                server.version, server.database, server.role
            ),
        ),
        schema(&mut connection),
        durability(&server),
        clock::judge("clock of Postgres", server.now, before, after),
        progress(&mut connection, settings),
    ];
    checks.extend(completeness::examine(&mut connection));
    checks.push(findings::examine(&mut connection));
    checks
}

fn schema(connection: &mut PgConnection) -> Check {
    match db::require_schema(connection) {
        Ok(()) => Check::ok("schema", "every migration of this program is there"),
        Err(error) => Check::failed(
            "schema",
            chain(&error),
            "run `processor migrate` as the owner",
        ),
    }
}

/// A commit must be on disk when it is answered: progress moves in it.
fn durability(server: &Server) -> Check {
    let off: Vec<&str> = [
        ("synchronous_commit", &server.synchronous_commit),
        ("fsync", &server.fsync),
        ("full_page_writes", &server.full_page_writes),
    ]
    .into_iter()
    .filter(|(_, value)| *value == "off")
    .map(|(name, _)| name)
    .collect();
    if off.is_empty() {
        Check::ok("durability", "a commit that was answered is on disk")
    } else {
        Check::failed(
            "durability",
            format!("off: {}", off.join(", ")),
            "switch them on: a crash of the server would lose what was applied",
        )
    }
}

fn progress(connection: &mut PgConnection, settings: &Settings) -> Check {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        partitions: i64,
    }
    let query = "SELECT count(*) AS partitions FROM partition_progress WHERE topic = $1";
    let row: Result<Row, _> = sql_query(query)
        .bind::<Text, _>(&settings.topics.events_topic)
        .get_result(connection);
    match row {
        Ok(row) => judge_progress(row.partitions, settings.topics.events_partitions),
        Err(error) => Check::failed(
            "progress",
            chain(&error),
            "run `processor migrate`; the role must be one of Bookend's",
        ),
    }
}

fn judge_progress(owned: i64, partitions: usize) -> Check {
    let found = format!("{owned} of {partitions} partitions have been owned by a processor");
    if usize::try_from(owned).is_ok_and(|owned| owned == partitions) {
        Check::ok("progress", found)
    } else {
        Check::warning(
            "progress",
            found,
            "start a processor; `bookend lag` shows what waits",
        )
    }
}

fn without(name: &str, because: &str) -> Vec<Check> {
    let mut checks = vec![Check::skipped(name, because)];
    checks.extend(skipped(because));
    checks
}

fn skipped(because: &str) -> impl Iterator<Item = Check> {
    let names = NAMES
        .iter()
        .chain(&completeness::NAMES)
        .chain([&findings::NAME]);
    names.map(move |name| Check::skipped(*name, because))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn server(fsync: &str) -> Server {
        Server {
            version: "17.0".into(),
            role: "r".into(),
            database: "d".into(),
            synchronous_commit: "on".into(),
            fsync: fsync.into(),
            full_page_writes: "on".into(),
            now: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_server_that_may_forget_a_commit_fails() {
        assert_eq!(durability(&server("on")).outcome, Outcome::Ok);
        let judged = durability(&server("off"));
        assert_eq!(judged.outcome, Outcome::Failed);
        assert!(judged.found.contains("fsync"));
    }

    #[test]
    fn partitions_that_nobody_ever_owned_are_a_warning() {
        assert_eq!(judge_progress(12, 12).outcome, Outcome::Ok);
        assert_eq!(judge_progress(0, 12).outcome, Outcome::Warning);
    }
}
