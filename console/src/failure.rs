//! How a command ends. Exit codes are part of the interface (docs/exit-codes.md): scripts branch
//! on them, so each failure names its own and nothing else decides.

use std::time::Duration;

/// Why a command did not do what it was asked.
///
/// Exit codes: 1 failed, 2 usage, 3 nothing matched, 4 not allowed, 5 in part, 6 precondition,
/// 7 drift, 78 configuration, 124 timed out, 130 interrupted. Most wrong usage is told by clap, before any of
/// this exists.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was typed does not suffice, and only the whole of it tells.
    #[error("{what}")]
    Usage { what: String },
    /// The database role may not do this. Nothing was done.
    #[error("not allowed: {what}")]
    NotAllowed { what: String },
    /// Some of it was done; the action's items say which.
    #[error("done in part: {what}")]
    InPart { what: String },
    /// None of it was done; the action's items say why.
    #[error("failed: {what}")]
    Undone { what: String },
    /// Everything is in the log and will be carried out, but the answers did not come in time.
    #[error(
        "no result within {}: {waiting} of {published} in the log, which the processor will carry \
         out. See the result with: bookend action show {action}",
        humantime::format_duration(*.limit)
    )]
    Pending {
        action: String,
        waiting: usize,
        published: usize,
        limit: Duration,
    },
    /// The time was over before all was done or seen to be done; how to go on is told.
    #[error("not done within {}: {what}", humantime::format_duration(*.limit))]
    Late { what: String, limit: Duration },
    /// By Ctrl-C, or by an operator who did not say yes.
    #[error("interrupted: {what}")]
    Interrupted { what: String },
    /// Well asked, but no row answers.
    #[error("nothing matched: {what}")]
    NothingMatched { what: String },
    /// The answer exists but its ground is missing: no signature stored, a schema too old.
    #[error("{what}")]
    Precondition { what: String },
    /// The books do not balance; the report on standard output names each difference.
    #[error("{what}")]
    Drift { what: String },
    /// A setting is missing or makes no sense; nothing was tried.
    #[error("configuration: {what}")]
    Configuration { what: String },
    /// The evidence does not hold: bytes, hash and signature disagree.
    #[error("{what}")]
    NotAuthentic { what: String },
    /// The deadline of `--timeout` passed. Whether a write was made is unknown; a command that
    /// writes says which action to look at.
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
    #[error("no producer for Kafka")]
    Producer {
        #[source]
        source: shared::kafka::producer::ConnectError,
    },
    /// Not known to be in the log; what is sent again is recognized there.
    #[error("Kafka did not acknowledge a record: {subject}")]
    Append {
        subject: String,
        #[source]
        source: shared::kafka::producer::AppendError,
    },
    /// Stripe refused, or is not known to have done it.
    #[error("{doing}")]
    Stripe {
        doing: &'static str,
        #[source]
        source: crate::endpoint::StripeError,
    },
    /// What an ingestor itself says is not known.
    #[error("an ingestor was not heard")]
    Ingestors {
        #[source]
        source: crate::ingestors::IngestorError,
    },
    /// `doctor` found something that does not work; its report says what.
    #[error("{failed} of {checks} checks failed")]
    Unwell { failed: usize, checks: usize },
    #[error("cannot start what waits for checks and signals")]
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
            Self::NotAllowed { .. } => 4,
            Self::InPart { .. } => 5,
            Self::Precondition { .. } => 6,
            Self::Drift { .. } => 7,
            Self::Configuration { .. } => 78,
            Self::TimedOut { .. } | Self::Pending { .. } | Self::Late { .. } => 124,
            Self::Interrupted { .. } => 130,
            Self::Undone { .. }
            | Self::Producer { .. }
            | Self::Append { .. }
            | Self::NotAuthentic { .. }
            | Self::Connect { .. }
            | Self::Query { .. }
            | Self::Kafka { .. }
            | Self::Stripe { .. }
            | Self::Ingestors { .. }
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
        let what = || "x".to_owned();
        let limit = Duration::from_secs(1);
        let expected = [
            (Failure::Undone { what: what() }, 1),
            (Failure::NotAuthentic { what: what() }, 1),
            (Failure::Usage { what: what() }, 2),
            (Failure::NothingMatched { what: what() }, 3),
            (Failure::NotAllowed { what: what() }, 4),
            (Failure::InPart { what: what() }, 5),
            (Failure::Precondition { what: what() }, 6),
            (Failure::Drift { what: what() }, 7),
            (Failure::Configuration { what: what() }, 78),
            (Failure::TimedOut { limit }, 124),
            (
                Failure::Pending {
                    action: what(),
                    waiting: 1,
                    published: 2,
                    limit,
                },
                124,
            ),
            (Failure::Interrupted { what: what() }, 130),
        ];
        for (failure, code) in expected {
            assert_eq!(failure.exit_code(), code, "{failure:?}");
        }
    }

    #[test]
    fn the_cause_is_told_after_the_error() {
        let failure = Failure::Output {
            source: std::io::Error::other("disk full\n"),
        };
        assert_eq!(failure.explain(), "cannot write the answer: disk full");
    }
}
