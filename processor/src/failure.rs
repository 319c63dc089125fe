//! What to do when a batch was not applied: one pure decision.
//!
//! Invariant: trouble of the infrastructure is retried in place, for ever, and is never a dead
//! letter; only what fails *alone*, while the database demonstrably works, is given up on.
//!
//! Until parking exists, a record that splitting has isolated becomes a dead letter of stage
//! `apply`.

use shared::db::{DatabaseFault, fault};

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
    /// This one record is given up on; its dead letter says so.
    DeadLetter {
        /// `business` or `infrastructure` (unclassified).
        class: &'static str,
        /// Stable name of the error.
        kind: &'static str,
    },
    /// Somebody else moved the progress: read the row and act on it.
    ReadProgress,
}

/// Attempts after which an error that nobody named is looked into by splitting.
pub const ATTEMPTS_BEFORE_SPLIT: u32 = 4;
/// Attempts after which a record that keeps failing alone, by an error that nobody named and
/// while the database takes other writes, is given up on.
pub const ATTEMPTS_ALONE: u32 = 8;

/// Decides. `attempt` counts from 1 for this very set of records; `size` is how many they are;
/// `database_works` tells whether a write of another kind succeeded since the failure.
#[must_use]
pub fn next_step(failure: &Failure, attempt: u32, size: usize, database_works: bool) -> Step {
    let error = match failure {
        Failure::Unreachable(_) => return Step::Retry,
        Failure::Panicked => return isolate(size, "business", "panic"),
        Failure::Refused(error) => error,
    };
    match error {
        ApplyError::ProgressLost => Step::ReadProgress,
        ApplyError::Moved => {
            if attempt < ATTEMPTS_BEFORE_SPLIT {
                Step::StartOver
            } else {
                Step::Retry
            }
        }
        ApplyError::Fold(_) => isolate(size, "business", "fold"),
        ApplyError::State { .. } => isolate(size, "business", "object_state"),
        ApplyError::TooManyObjects { .. } => isolate(size, "business", "too_many_objects"),
        ApplyError::Database(cause) => match fault(cause) {
            DatabaseFault::Infrastructure => Step::Retry,
            DatabaseFault::Rule(_) => isolate(size, "business", "constraint"),
            DatabaseFault::Bug => isolate(size, "business", "statement"),
            DatabaseFault::Unknown => unnamed(attempt, size, database_works),
        },
    }
}

fn isolate(size: usize, class: &'static str, kind: &'static str) -> Step {
    if size > 1 {
        Step::Split
    } else {
        Step::DeadLetter { class, kind }
    }
}

fn unnamed(attempt: u32, size: usize, database_works: bool) -> Step {
    if size > 1 {
        return if attempt < ATTEMPTS_BEFORE_SPLIT || !database_works {
            Step::Retry
        } else {
            Step::Split
        };
    }
    if attempt >= ATTEMPTS_ALONE && database_works {
        return Step::DeadLetter {
            class: "infrastructure",
            kind: "unclassified",
        };
    }
    Step::Retry
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use diesel::result::{DatabaseErrorKind, Error};

    use super::*;

    fn database(kind: DatabaseErrorKind) -> Failure {
        Failure::Refused(ApplyError::Database(Error::DatabaseError(
            kind,
            Box::new(String::new()),
        )))
    }

    #[test]
    fn infrastructure_is_retried_for_ever_and_never_a_dead_letter() {
        for kind in [
            DatabaseErrorKind::SerializationFailure,
            DatabaseErrorKind::ClosedConnection,
        ] {
            for works in [false, true] {
                assert_eq!(next_step(&database(kind), u32::MAX, 1, works), Step::Retry);
            }
        }
        let away = Failure::Unreachable(shared::db::ConnectError::Unreachable(
            diesel::ConnectionError::BadConnection(String::new()),
        ));
        assert_eq!(next_step(&away, u32::MAX, 1, true), Step::Retry);
    }

    #[test]
    fn a_named_rule_is_split_down_to_the_one_record() {
        let failure = database(DatabaseErrorKind::CheckViolation);
        assert_eq!(next_step(&failure, 1, 500, true), Step::Split);
        assert_eq!(
            next_step(&failure, 1, 1, true),
            Step::DeadLetter {
                class: "business",
                kind: "constraint"
            }
        );
    }

    #[test]
    fn an_error_nobody_named_is_given_up_on_only_alone_and_while_the_database_works() {
        let failure = database(DatabaseErrorKind::Unknown);
        assert_eq!(next_step(&failure, 1, 500, true), Step::Retry);
        assert_eq!(
            next_step(&failure, ATTEMPTS_BEFORE_SPLIT, 500, true),
            Step::Split
        );
        assert_eq!(
            next_step(&failure, ATTEMPTS_BEFORE_SPLIT, 500, false),
            Step::Retry
        );
        assert_eq!(next_step(&failure, u32::MAX, 1, false), Step::Retry);
        assert_eq!(
            next_step(&failure, ATTEMPTS_ALONE - 1, 1, true),
            Step::Retry
        );
        assert!(matches!(
            next_step(&failure, ATTEMPTS_ALONE, 1, true),
            Step::DeadLetter { .. }
        ));
    }

    #[test]
    fn a_lost_compare_and_set_is_neither_retried_blindly_nor_given_up_on() {
        let failure = Failure::Refused(ApplyError::ProgressLost);
        assert_eq!(next_step(&failure, 1, 1, true), Step::ReadProgress);
        assert_eq!(next_step(&failure, u32::MAX, 500, true), Step::ReadProgress);
    }

    #[test]
    fn a_panic_while_folding_stops_one_record() {
        assert_eq!(next_step(&Failure::Panicked, 1, 2, true), Step::Split);
        assert!(matches!(
            next_step(&Failure::Panicked, 1, 1, true),
            Step::DeadLetter { .. }
        ));
    }
}
