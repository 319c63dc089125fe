//! What could not be had or done, with the name of it.

use std::io;
use std::path::PathBuf;

/// Why the stack could not be started, changed or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A file or a directory.
    #[error("cannot {what} {path}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// A program that does not start.
    #[error("cannot run {program}")]
    Spawn {
        program: String,
        #[source]
        cause: io::Error,
    },
    /// A program that ended badly.
    #[error("{program} failed ({status}): {output}")]
    Failed {
        program: String,
        status: String,
        output: String,
    },
    /// Neither found nor installed.
    #[error("{what} is missing, and could not be installed: {why}")]
    Missing { what: String, why: String },
    /// A file that is not the one its manifest names.
    #[error("{file} is not what {manifest} names: sha256 {found}, expected {expected}")]
    Hash {
        file: String,
        found: String,
        expected: String,
        manifest: &'static str,
    },
    /// A line of the manifest that can't be read.
    #[error("testbed/kafka-jars.txt, line {line}: expected `group:artifact:version sha256`")]
    Manifest { line: usize },
    /// A file that can't be fetched.
    #[error("cannot fetch {what}: {why}")]
    Fetch { what: String, why: String },
    /// A fault proxy.
    #[error("cannot start a fault proxy")]
    Proxy(#[source] io::Error),
    /// No answer in time.
    #[error("{what} was not ready within {seconds} s; the end of {log}: {tail}")]
    NotReady {
        what: String,
        seconds: u64,
        log: PathBuf,
        tail: String,
    },
    /// A signal that could not be sent.
    #[error("cannot signal {what} (process {pid})")]
    Signal {
        what: String,
        pid: i32,
        #[source]
        cause: nix::Error,
    },
    /// No port to listen on.
    #[error("no free loopback port between 15000 and 32000")]
    NoPort,
    /// Kafka's administration refused something.
    #[error("Kafka: {what}: {why}")]
    Kafka { what: String, why: String },
    /// Postgres refused something.
    #[error("Postgres: {what}: {why}")]
    Postgres { what: String, why: String },
}

/// Names what was done to which path.
pub(crate) fn file(
    what: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> StackError {
    let path = path.into();
    move |cause| StackError::File { what, path, cause }
}
