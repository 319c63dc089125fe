//! The two ways this program reaches Postgres: one read-only transaction a question, and a
//! connection for what an operator's action writes.
//!
//! *Invariant:* [`read`] writes nothing. Its transaction is READ ONLY by the server's own rule, and
//! REPEATABLE READ, so that a booking and its history are of one moment. A [`Writer`] is asked for
//! by `action` only, and by what keeps a table of the console's own.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use shared::db::{self, Limits};

use crate::failure::{Failure, chain};
use crate::settings;

/// libpq reckons in whole seconds of the clock: a connection is given up this much early.
const CONNECT_EARLY: Duration = Duration::from_secs(1);

/// Connects with `DATABASE_URL`, checks the schema, runs `work` and ends the transaction.
///
/// `limit` bounds the connecting and each statement; the server ends what takes longer.
///
/// # Errors
/// 78 without a URL, 6 on a schema older than this program, 124 when `limit` was reached, else
/// `work`'s own. Nothing was changed in any case.
pub(crate) fn read<T>(
    limit: Duration,
    name: &'static str,
    work: impl FnOnce(&mut PgConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    Writer::connect(limit)?.read(name, work)
}

/// A connection that may write, for as long as an action takes.
pub(crate) struct Writer {
    connection: PgConnection,
    limit: Duration,
}

impl Writer {
    /// Connects with `DATABASE_URL` and checks the schema.
    ///
    /// # Errors
    /// As [`read`]'s.
    pub(crate) fn connect(limit: Duration) -> Result<Self, Failure> {
        let url = url()?;
        let started = Instant::now();
        let connection = in_time(connect(&url, limit), started, limit)?;
        Ok(Self { connection, limit })
    }

    /// What bounds the connecting and each statement.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs `work` in a READ ONLY, REPEATABLE READ transaction called `name`.
    ///
    /// # Errors
    /// 124 when the limit was reached, else `work`'s own. Nothing was changed in any case.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.run(name, |connection| {
            connection
                .batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                .map_err(|source| Failure::Query {
                    doing: "a read-only transaction",
                    source,
                })?;
            work(connection)
        })
    }

    /// Runs `work` in one transaction called `name`. READ COMMITTED.
    ///
    /// # Errors
    /// 124 when the limit was reached, else `work`'s own; then nothing was written, unless it was
    /// the commit that failed.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let outcome = db::run_tx(&mut self.connection, name, work);
        in_time(outcome, started, self.limit)
    }
}

/// diesel shows no SQLSTATE, and the text of "statement timeout" depends on the server's language:
/// the clock tells what the error does not.
fn in_time<T>(
    outcome: Result<T, Failure>,
    started: Instant,
    limit: Duration,
) -> Result<T, Failure> {
    match outcome {
        Err(Failure::Query { .. }) if started.elapsed() >= limit => {
            Err(Failure::TimedOut { limit })
        }
        Err(Failure::Connect { .. }) if started.elapsed() + CONNECT_EARLY >= limit => {
            Err(Failure::TimedOut { limit })
        }
        outcome => outcome,
    }
}

fn url() -> Result<String, Failure> {
    settings::secret("DATABASE_URL")?.ok_or_else(|| Failure::Configuration {
        what: "DATABASE_URL (or DATABASE_URL_FILE) is not set".to_owned(),
    })
}

fn connect(url: &str, limit: Duration) -> Result<PgConnection, Failure> {
    let limits = Limits {
        statement: limit,
        lock: limit,
        idle_in_transaction: limit,
        connect: limit,
        tcp_user: limit,
    };
    let mut connection =
        db::connect(url, "bookend", limits).map_err(|source| Failure::Connect { source })?;
    db::require_schema(&mut connection).map_err(|error| Failure::Precondition {
        what: chain(&error),
    })?;
    Ok(connection)
}
