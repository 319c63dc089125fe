//! What to do when something was not applied: two pure decisions.
//!
//! Invariant: an outage counts no failure and parks nothing: after each failure that may be the
//! database's, the caller waits until a fresh connection takes a write, and only then asks here.
//! What fails again and again with a database that works is split, whatever the error is called,
//! and what fails *alone* is parked. Only a named rule's failure counts towards a dead letter.
//!
//! A whole outage counts as one failure at most (of the batch that was under way when it began):
//! no attempt is made while it lasts.

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
    /// The same again at once: what was read before the locks is out of date.
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

/// Failures of one batch, with a database that works, after which it is split.
pub const FAILURES_BEFORE_SPLIT: u32 = 4;
/// Failures of one record alone, with a database that works, after which it is parked.
pub const FAILURES_ALONE: u32 = 8;
/// Rounds without the locks it needs after which a record alone is parked. Many: others that move
/// its objects at the same time are not its fault.
pub const MOVES_ALONE: u32 = 32;

/// What an error means by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    ProgressLost,
    Moved,
    /// There was no attempt: no connection.
    Away,
    /// The database's trouble or the data's: the error does not tell. A backend that was ended and a
    /// time-out are here, too, because a record can cause them.
    Unclear,
    Fault(Class, &'static str),
}

fn meaning(failure: &Failure) -> Meaning {
    let error = match failure {
        Failure::Unreachable(_) => return Meaning::Away,
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
            DatabaseFault::Infrastructure | DatabaseFault::Unknown => Meaning::Unclear,
            DatabaseFault::Rule(_) => Meaning::Fault(Class::Business, "constraint"),
            DatabaseFault::Bug => Meaning::Fault(Class::Unclassified, "statement"),
        },
    }
}

impl Failure {
    /// Whether it may be the database's: its connection is not used again, and the database is
    /// asked on a fresh one before anything is decided.
    #[must_use]
    pub fn may_be_the_databases(&self) -> bool {
        match meaning(self) {
            Meaning::Away | Meaning::Unclear => true,
            Meaning::ProgressLost | Meaning::Moved | Meaning::Fault(..) => false,
        }
    }
}

/// How often one set of records failed, since it is this set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// Attempts that failed.
    pub attempts: u32,
    /// Those by an error that does not tell whose fault it is, with a database that works.
    pub unclear: u32,
    /// Those for want of locks.
    pub moves: u32,
    /// It is a part of a set that was split for this: its own first failure splits it further.
    pub suspected: bool,
}

impl Failures {
    /// None yet.
    #[must_use]
    pub fn none(suspected: bool) -> Self {
        Self {
            suspected,
            ..Self::default()
        }
    }

    /// Counts one. If it may be the database's, the database has taken a write since.
    pub fn count(&mut self, failure: &Failure) {
        self.attempts = self.attempts.saturating_add(1);
        match meaning(failure) {
            Meaning::Unclear => self.unclear = self.unclear.saturating_add(1),
            Meaning::Moved => self.moves = self.moves.saturating_add(1),
            Meaning::Away | Meaning::ProgressLost | Meaning::Fault(..) => {}
        }
    }

    const fn before_split(self) -> u32 {
        if self.suspected {
            1
        } else {
            FAILURES_BEFORE_SPLIT
        }
    }
}

/// Decides on a set of `size` records that failed; `failures` counts this failure, too. If it may
/// be the database's, the database has taken a write on a fresh connection since.
#[must_use]
pub fn next_step(failure: &Failure, failures: Failures, size: usize) -> Step {
    match meaning(failure) {
        Meaning::ProgressLost => Step::ReadProgress,
        Meaning::Away => Step::Retry,
        Meaning::Moved if failures.moves < FAILURES_BEFORE_SPLIT => Step::StartOver,
        // What one record does to another of the batch can hide what must be locked.
        Meaning::Moved if size > 1 || failures.moves >= MOVES_ALONE => {
            isolate(size, Class::Unclassified, "unclassified")
        }
        Meaning::Unclear if size > 1 && failures.unclear >= failures.before_split() => Step::Split,
        Meaning::Unclear if size == 1 && failures.unclear >= FAILURES_ALONE => {
            isolate(size, Class::Unclassified, "unclassified")
        }
        Meaning::Moved | Meaning::Unclear => Step::Retry,
        Meaning::Fault(class, kind) => isolate(size, class, kind),
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
    /// Not its fault, or nobody's: the queue is tried again soon, nothing is counted.
    TryAgain,
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
/// far; an error of another class starts the count anew. `database_works`: since the failure a fresh
/// connection took a write; asked only where the failure may be the database's.
#[must_use]
pub fn head_step(
    failure: &Failure,
    before: (Option<Class>, u32),
    database_works: bool,
    policy: &HeadPolicy,
    jitter: f64,
) -> HeadStep {
    let (class, kind) = match meaning(failure) {
        Meaning::ProgressLost | Meaning::Moved | Meaning::Away => return HeadStep::TryAgain,
        Meaning::Unclear if !database_works => return HeadStep::TryAgain,
        Meaning::Unclear => (Class::Unclassified, "unclassified"),
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
