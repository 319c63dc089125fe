//! The one way this program reaches Postgres: one read-only transaction a command.
//!
//! *Invariant:* nothing is written. The transaction is READ ONLY by the server's own rule, and
//! REPEATABLE READ, so that a booking and its history are of one moment.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use shared::db::{self, Limits};

use crate::failure::{Failure, chain};
use crate::settings;

/// libpq reckons in whole seconds of the clock: a connection is given up this much early.
const CONNECT_EARLY: Duration = Duration::from_secs(1);

/// A connection whose transactions each have the same limit.
pub(crate) struct Session {
    connection: PgConnection,
    limit: Duration,
}

impl Session {
    /// Connects with `DATABASE_URL` and checks the schema.
    ///
    /// # Errors
    /// 78 without a URL, 6 on a schema older than this program, 124 when `limit` was reached.
    pub(crate) fn open(limit: Duration) -> Result<Self, Failure> {
        let url = settings::secret("DATABASE_URL")?.ok_or_else(|| Failure::Configuration {
            what: "DATABASE_URL (or DATABASE_URL_FILE) is not set".to_owned(),
        })?;
        let started = Instant::now();
        let connection = timed(started, limit, connect(&url, limit))?;
        Ok(Self { connection, limit })
    }

    /// What bounds the connecting and each statement.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs `work` in a READ ONLY, REPEATABLE READ transaction.
    ///
    /// # Errors
    /// 124 when the limit was reached, else `work`'s own. Nothing was changed in any case.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.write(name, |connection| {
            connection
                .batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                .map_err(|source| Failure::Query {
                    doing: "a read-only transaction",
                    source,
                })?;
            work(connection)
        })
    }

    /// Runs `work` in a transaction that may write what the console's role may.
    ///
    /// # Errors
    /// 124 when the limit was reached, else `work`'s own. Nothing was changed, but after an error
    /// of COMMIT the outcome is unknown.
    pub(crate) fn write<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        timed(
            started,
            self.limit,
            db::run_tx(&mut self.connection, name, work),
        )
    }
}

/// Connects, runs `work` in a read-only transaction and ends it.
///
/// # Errors
/// As [`Session::open`] and [`Session::read`].
pub(crate) fn read<T>(
    limit: Duration,
    name: &'static str,
    work: impl FnOnce(&mut PgConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    Session::open(limit)?.read(name, work)
}

/// diesel shows no SQLSTATE, and the text of "statement timeout" depends on the server's language:
/// the clock tells what the error does not.
fn timed<T>(
    started: Instant,
    limit: Duration,
    outcome: Result<T, Failure>,
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
