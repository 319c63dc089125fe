//! One connection to Postgres with every limit set.

use std::time::Duration;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;

/// What the server may take before it ends something of ours. All are passed to the server or
/// to libpq as whole milliseconds or seconds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One statement.
    pub statement: Duration,
    /// Waiting for one lock.
    pub lock: Duration,
    /// A transaction in which nothing happens: a frozen process loses it, and its locks.
    pub idle_in_transaction: Duration,
    /// Establishing the connection; whole seconds, at least 2 (libpq's minimum).
    pub connect: Duration,
    /// Unacknowledged bytes on the wire: how long a blackholed server goes unnoticed.
    pub tcp_user: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            statement: Duration::from_secs(10),
            lock: Duration::from_secs(5),
            idle_in_transaction: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            tcp_user: Duration::from_secs(10),
        }
    }
}

/// Why there is no connection. Both are infrastructure: worth trying again.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server could not be reached or refused us.
    #[error("cannot connect to Postgres")]
    Unreachable(#[source] diesel::ConnectionError),
    /// It was reached, but would not take our limits.
    #[error("Postgres refused the session's limits")]
    Limits(#[source] diesel::result::Error),
}

/// Connects, names the session and sets its limits.
///
/// `url` is a libpq URL (`postgresql://…`) or a `key=value` conninfo string; `application` is
/// what `pg_stat_activity` shows. Blocks for at most `limits.connect`.
///
/// # Errors
/// [`ConnectError`]; no session is left behind.
///
/// Source: PostgreSQL manual, libpq "Parameter Key Words" and "Client Connection Defaults".
pub fn connect(url: &str, application: &str, limits: Limits) -> Result<PgConnection, ConnectError> {
    let mut connection = PgConnection::establish(&with_parameters(url, application, limits))
        .map_err(ConnectError::Unreachable)?;
    connection
        .batch_execute(&session_limits(limits))
        .map_err(ConnectError::Limits)?;
    Ok(connection)
}

/// Also without just-in-time compilation, which Postgres chooses by estimated cost: compiling a
/// statement takes it longer than all of ours take to run.
fn session_limits(limits: Limits) -> String {
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = {}; SET TIME ZONE 'UTC'; \
         SET client_min_messages = warning; SET jit = off",
        limits.statement.as_millis(),
        limits.lock.as_millis(),
        limits.idle_in_transaction.as_millis(),
    )
}

/// Adds libpq's own parameters; what the URL already says stays, because libpq lets the last
/// of two equal parameters win and ours are put first only where the syntax allows: so ours
/// are skipped where the URL names them.
fn with_parameters(url: &str, application: &str, limits: Limits) -> String {
    let ours = [
        ("application_name", application.to_owned()),
        (
            "connect_timeout",
            limits.connect.as_secs().max(2).to_string(),
        ),
        ("tcp_user_timeout", limits.tcp_user.as_millis().to_string()),
        ("keepalives_idle", "5".to_owned()),
        ("keepalives_interval", "2".to_owned()),
        ("keepalives_count", "3".to_owned()),
    ];
    let is_uri = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let mut full = url.to_owned();
    for (key, value) in ours {
        if url.contains(&format!("{key}=")) {
            continue;
        }
        let separator = match (is_uri, full.contains('?')) {
            (true, true) => '&',
            (true, false) => '?',
            (false, _) => ' ',
        };
        full.push(separator);
        full.push_str(key);
        full.push('=');
        full.push_str(&value);
    }
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_join_a_url_and_a_conninfo_string_each_in_its_own_syntax() {
        let url = with_parameters(
            "postgresql://u@h/db?sslmode=require",
            "p",
            Limits::default(),
        );
        assert!(url.starts_with("postgresql://u@h/db?sslmode=require&application_name=p&"));
        let plain = with_parameters("postgresql://u@h/db", "p", Limits::default());
        assert!(plain.starts_with("postgresql://u@h/db?application_name=p&"));
        let words = with_parameters("host=h dbname=db", "p", Limits::default());
        assert!(words.starts_with("host=h dbname=db application_name=p connect_timeout=5"));
    }

    #[test]
    fn what_the_url_says_is_not_said_again() {
        let url = with_parameters(
            "postgresql://h/db?connect_timeout=9",
            "p",
            Limits::default(),
        );
        assert_eq!(url.matches("connect_timeout=").count(), 1);
        assert!(url.contains("connect_timeout=9"));
    }
}
