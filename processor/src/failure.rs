//! What to do when something was not applied: two pure decisions.
//!
//! Invariant: trouble of the infrastructure is retried in place, for ever, and is never anybody's
//! fault; only what fails *alone*, while the database demonstrably works, is parked; only a named
//! rule's failure counts towards a dead letter.

use std::time::Duration;

use shared::backoff::{self, Policy};
use shared::db::{DatabaseFault, fault};
use shared::error::Class;

use crate::apply::ApplyError;

/// Why an attempt failed, whichever way it failed.
#[derive(Debug)]
pub enum Failure {
    /// The batch was refused.
    Refused(ApplyError),
    /// The database could not be reached.
    Unreachable(shared::db::ConnectError),
    /// Folding panicked: a bug of ours that this data triggers.
    Panicked,
    /// It was readable when it was parked, and is not by this version.
    Unreadable,
}

impl Failure {
    /// The booking that could not be folded, where the error names one.
    #[must_use]
    pub fn booking(&self) -> Option<&str> {
        match self {
            Self::Refused(ApplyError::Fold(failed)) => Some(&failed.booking_id),
            Self::Refused(_) | Self::Unreachable(_) | Self::Panicked | Self::Unreadable => None,
        }
    }

    /// The chain of causes, without payload data.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Refused(error) => shared::error::chain(error),
            Self::Unreachable(error) => shared::error::chain(error),
            Self::Panicked => "folding panicked".to_owned(),
            Self::Unreadable => "this version cannot read it".to_owned(),
        }
    }
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The same again, after a pause.
    Retry,
    /// The same again at once: the look before the locks was out of date.
    StartOver,
    /// Halves, to find the record that cannot be applied.
    Split,
    /// This one record waits apart, its booking with it; its reason is kept.
    Park {
        /// Business or unclassified.
        class: Class,
        /// Stable name of the error.
        kind: &'static str,
    },
    /// Somebody else moved the progress: read the row and act on it.
    ReadProgress,
}

/// Attempts after which an error that nobody named is looked into by splitting.
pub const ATTEMPTS_BEFORE_SPLIT: u32 = 4;
/// Attempts after which a record that keeps failing alone, by an error that nobody named and
/// while the database takes other writes, is parked.
pub const ATTEMPTS_ALONE: u32 = 8;

/// What an error means by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    ProgressLost,
    Moved,
    Infrastructure,
    /// diesel gives it no name: infrastructure until it is seen to fail alone.
    Unnamed,
    Fault(Class, &'static str),
}

fn meaning(failure: &Failure) -> Meaning {
    let error = match failure {
        Failure::Unreachable(_) => return Meaning::Infrastructure,
        Failure::Panicked => return Meaning::Fault(Class::Unclassified, "panic"),
        Failure::Unreadable => return Meaning::Fault(Class::Unclassified, "unreadable"),
        Failure::Refused(error) => error,
    };
    match error {
        ApplyError::ProgressLost => Meaning::ProgressLost,
        ApplyError::Moved | ApplyError::Outdated { .. } => Meaning::Moved,
        ApplyError::CannotUpgrade(_) => Meaning::Fault(Class::Unclassified, "older_rules"),
        ApplyError::Fold(_) => Meaning::Fault(Class::Business, "fold"),
        ApplyError::TooManyObjects { .. } => Meaning::Fault(Class::Business, "too_many_objects"),
        // Written by another version: the data is not to blame.
        ApplyError::State { .. } => Meaning::Fault(Class::Unclassified, "object_state"),
        ApplyError::Database(cause) => match fault(cause) {
            DatabaseFault::Infrastructure => Meaning::Infrastructure,
            DatabaseFault::Rule(_) => Meaning::Fault(Class::Business, "constraint"),
            DatabaseFault::Bug => Meaning::Fault(Class::Unclassified, "statement"),
            DatabaseFault::Unknown => Meaning::Unnamed,
        },
    }
}

/// Decides on a batch. `attempt` counts from 1 for this very set of records; `size` is how many
/// they are; `database_works` tells whether a write of another kind succeeded since the failure.
#[must_use]
pub fn next_step(failure: &Failure, attempt: u32, size: usize, database_works: bool) -> Step {
    match meaning(failure) {
        Meaning::ProgressLost => Step::ReadProgress,
        Meaning::Infrastructure => Step::Retry,
        Meaning::Moved if attempt < ATTEMPTS_BEFORE_SPLIT => Step::StartOver,
        // What one record does to another of the batch can hide what must be locked; alone it cannot.
        Meaning::Moved if size > 1 => Step::Split,
        Meaning::Moved => Step::Retry,
        Meaning::Fault(class, kind) => isolate(size, class, kind),
        Meaning::Unnamed if !database_works => Step::Retry,
        Meaning::Unnamed if size > 1 && attempt >= ATTEMPTS_BEFORE_SPLIT => Step::Split,
        Meaning::Unnamed if size == 1 && attempt >= ATTEMPTS_ALONE => {
            isolate(size, Class::Unclassified, "unclassified")
        }
        Meaning::Unnamed => Step::Retry,
    }
}

fn isolate(size: usize, class: Class, kind: &'static str) -> Step {
    if size > 1 {
        Step::Split
    } else {
        Step::Park { class, kind }
    }
}

/// What becomes of the head of a queue that failed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadStep {
    /// Not its fault, or nobody's: the queue is looked at again soon, nothing is counted.
    LookAgain,
    /// Counted, and tried again after this.
    Later {
        /// Business or unclassified.
        class: Class,
        /// Stable name of the error.
        kind: &'static str,
        /// Attempts of this class so far, this one included.
        attempts: u32,
        /// Pause.
        after: Duration,
    },
    /// Given up on: a dead letter, and its booking stays held until somebody decides.
    GiveUp {
        /// Stable name of the error.
        kind: &'static str,
        /// Attempts, this one included.
        attempts: u32,
    },
}

/// When the head of a queue is tried again, and when no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadPolicy {
    /// Attempts after which a business failure becomes a dead letter, the first included.
    pub attempts: u32,
    /// Pauses between them; unclassified failures go on at its cap for ever.
    pub backoff: Policy,
}

/// Decides on a head that was tried alone. `before` is the class and number of its attempts so
/// far; an error of another class starts the count anew.
#[must_use]
pub fn head_step(
    failure: &Failure,
    before: (Option<Class>, u32),
    database_works: bool,
    policy: &HeadPolicy,
    jitter: f64,
) -> HeadStep {
    let (class, kind) = match meaning(failure) {
        Meaning::ProgressLost | Meaning::Moved | Meaning::Infrastructure => {
            return HeadStep::LookAgain;
        }
        Meaning::Unnamed if !database_works => return HeadStep::LookAgain,
        Meaning::Unnamed => (Class::Unclassified, "unclassified"),
        Meaning::Fault(class, kind) => (class, kind),
    };
    let attempts = match before {
        (Some(earlier), attempts) if earlier == class => attempts.saturating_add(1),
        (Some(_) | None, _) => 1,
    };
    if class == Class::Business && attempts >= policy.attempts {
        return HeadStep::GiveUp { kind, attempts };
    }
    HeadStep::Later {
        class,
        kind,
        attempts,
        after: backoff::delay(attempts, &policy.backoff, jitter),
    }
}

#[cfg(test)]
mod tests;
