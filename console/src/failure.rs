//! How a command ends. Exit codes are part of the interface (docs/exit-codes.md): scripts branch
//! on them, so each failure names its own and nothing else decides.

use std::time::Duration;

/// Why a command did not do what it was asked.
///
/// Exit codes: 1 failed, 3 nothing matched, 6 precondition, 78 configuration, 124 timed out. Wrong
/// usage is 2, by clap, before any of this exists.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Asked in a way that makes no sense; nothing was tried.
    #[error("{what}")]
    Usage { what: String },
    /// Well asked, but no row answers.
    #[error("nothing matched: {what}")]
    NothingMatched { what: String },
    /// The answer exists but its ground is missing: no signature stored, a schema too old.
    #[error("{what}")]
    Precondition { what: String },
    /// A setting is missing or makes no sense; nothing was tried.
    #[error("configuration: {what}")]
    Configuration { what: String },
    /// The evidence does not hold: bytes, hash and signature disagree.
    #[error("{what}")]
    NotAuthentic { what: String },
    /// Done in part; what is left is told, and how to go on.
    #[error("{what}")]
    Partly { what: String },
    /// A signal asked it to end, and it ended in order.
    #[error("{what}")]
    Interrupted { what: String },
    /// The deadline of `--timeout` passed. Nothing was changed: every command only reads.
    #[error("no answer within {}", humantime::format_duration(*.limit))]
    TimedOut { limit: Duration },
    #[error("the database is away")]
    Connect {
        #[source]
        source: shared::db::ConnectError,
    },
    #[error("the database refused: {doing}")]
    Query {
        doing: &'static str,
        #[source]
        source: diesel::result::Error,
    },
    #[error("Kafka did not answer: {doing}")]
    Kafka {
        doing: &'static str,
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// `doctor` found something that does not work; its report says what.
    #[error("{failed} of {checks} checks failed")]
    Unwell { failed: usize, checks: usize },
    #[error("cannot start what runs the checks")]
    Runtime {
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write the answer")]
    Output {
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write the answer as JSON")]
    Json {
        #[source]
        source: serde_json::Error,
    },
}

impl Failure {
    /// The process's exit code, as docs/exit-codes.md lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 2,
            Self::NothingMatched { .. } => 3,
            Self::Partly { .. } => 5,
            Self::Precondition { .. } => 6,
            Self::Configuration { .. } => 78,
            Self::TimedOut { .. } => 124,
            Self::Interrupted { .. } => 130,
            Self::NotAuthentic { .. }
            | Self::Connect { .. }
            | Self::Query { .. }
            | Self::Kafka { .. }
            | Self::Unwell { .. }
            | Self::Runtime { .. }
            | Self::Output { .. }
            | Self::Json { .. } => 1,
        }
    }

    /// One line: this error and each of its causes.
    pub(crate) fn explain(&self) -> String {
        chain(self)
    }
}

impl From<diesel::result::Error> for Failure {
    /// Errors of BEGIN and COMMIT; statements say what they were doing.
    fn from(source: diesel::result::Error) -> Self {
        Self::Query {
            doing: "a transaction",
            source,
        }
    }
}

/// An error and its causes in one line, `: ` between them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // libpq ends its messages with a line feed.
        line.push_str(": ");
        line.push_str(error.to_string().trim());
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_keeps_its_documented_exit_code() {
        let nothing = Failure::NothingMatched { what: "x".into() };
        let precondition = Failure::Precondition { what: "x".into() };
        let configuration = Failure::Configuration { what: "x".into() };
        let late = Failure::TimedOut {
            limit: Duration::from_secs(1),
        };
        let forged = Failure::NotAuthentic { what: "x".into() };
        let codes = [nothing, precondition, configuration, late, forged].map(|f| f.exit_code());
        assert_eq!(codes, [3, 6, 78, 124, 1]);
    }

    #[test]
    fn the_cause_is_told_after_the_error() {
        let failure = Failure::Output {
            source: std::io::Error::other("disk full\n"),
        };
        assert_eq!(failure.explain(), "cannot write the answer: disk full");
    }
}
