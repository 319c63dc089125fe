//! One line of the report.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// As it must be.
    Ok,
    /// It works, but not as it should in production or for long.
    Warning,
    /// Something will not work, or will not be safe.
    Failed,
    /// It could not be looked at, because something else failed.
    Skipped,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What was looked at, how it came out, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) check: String,
    pub(crate) outcome: Outcome,
    /// What was seen; never a secret.
    pub(crate) found: String,
    /// What to do about it; null when there is nothing to do.
    pub(crate) fix: Option<String>,
}

impl Check {
    pub(crate) fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(check, Outcome::Ok, found, None)
    }

    pub(crate) fn warning(
        check: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(check, Outcome::Warning, found, Some(fix.into()))
    }

    pub(crate) fn failed(
        check: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(check, Outcome::Failed, found, Some(fix.into()))
    }

    pub(crate) fn skipped(check: impl Into<String>, because: impl Into<String>) -> Self {
        Self::new(check, Outcome::Skipped, because, None)
    }

    fn new(
        check: impl Into<String>,
        outcome: Outcome,
        found: impl Into<String>,
        fix: Option<String>,
    ) -> Self {
        Self {
            check: check.into(),
            outcome,
            found: found.into(),
            fix,
        }
    }
}
