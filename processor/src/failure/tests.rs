//! The table of classes, row by row.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use diesel::result::{DatabaseErrorKind, Error};

use super::*;
use crate::apply::fold::FoldFailed;

fn database(kind: DatabaseErrorKind) -> Failure {
    Failure::Refused(ApplyError::Database(Error::DatabaseError(
        kind,
        Box::new(String::new()),
    )))
}

fn refused(error: Error) -> Failure {
    Failure::Refused(ApplyError::Database(error))
}

fn away() -> Failure {
    Failure::Unreachable(shared::db::ConnectError::Unreachable(
        diesel::ConnectionError::BadConnection(String::new()),
    ))
}

fn fold() -> Failure {
    Failure::Refused(ApplyError::Fold(FoldFailed {
        booking_id: "b-1".into(),
        cause: shared::folding::FoldError::Overflow,
    }))
}

fn state() -> Failure {
    Failure::Refused(ApplyError::State {
        id: "pi_1".into(),
        cause: serde_json::from_str::<i64>("x").unwrap_err(),
    })
}

const fn park(class: Class, kind: &'static str) -> Step {
    Step::Park { class, kind }
}

/// After so many failures of this kind, the database working each time.
fn after(count: u32, failure: &Failure, size: usize) -> Step {
    step_of(count, failure, size, false)
}

fn step_of(count: u32, failure: &Failure, size: usize, suspected: bool) -> Step {
    let mut failures = Failures::none(suspected);
    for _ in 0..count {
        failures.count(failure);
    }
    next_step(failure, failures, size)
}

/// Each failure; what is done at its first and its hundredth attempt alone while the database
/// works; and what is done with it in a batch at the first.
#[test]
fn every_failure_has_its_class_and_its_step() {
    use DatabaseErrorKind as Kind;
    let (business, unclassified) = (Class::Business, Class::Unclassified);
    let unclear = || (Step::Retry, park(unclassified, "unclassified"), Step::Retry);
    let alone = |step: Step| (step.clone(), step, Step::Split);
    let table = [
        ("away", away(), (Step::Retry, Step::Retry, Step::Retry)),
        (
            "serialization",
            database(Kind::SerializationFailure),
            unclear(),
        ),
        (
            "closed connection",
            database(Kind::ClosedConnection),
            unclear(),
        ),
        ("read only", database(Kind::ReadOnlyTransaction), unclear()),
        (
            "cannot send",
            database(Kind::UnableToSendCommand),
            unclear(),
        ),
        (
            "broken transaction",
            refused(Error::BrokenTransactionManager),
            unclear(),
        ),
        (
            "check",
            database(Kind::CheckViolation),
            alone(park(business, "constraint")),
        ),
        (
            "unique",
            database(Kind::UniqueViolation),
            alone(park(business, "constraint")),
        ),
        (
            "not null",
            database(Kind::NotNullViolation),
            alone(park(business, "constraint")),
        ),
        (
            "foreign key",
            database(Kind::ForeignKeyViolation),
            alone(park(business, "constraint")),
        ),
        ("fold", fold(), alone(park(business, "fold"))),
        (
            "too many objects",
            Failure::Refused(ApplyError::TooManyObjects { found: 2, limit: 1 }),
            alone(park(business, "too_many_objects")),
        ),
        (
            "panic",
            Failure::Panicked,
            alone(park(unclassified, "panic")),
        ),
        (
            "stored state",
            state(),
            alone(park(unclassified, "object_state")),
        ),
        (
            "our statement",
            refused(Error::NotFound),
            alone(park(unclassified, "statement")),
        ),
        ("no name", database(Kind::Unknown), unclear()),
        (
            "progress",
            Failure::Refused(ApplyError::ProgressLost),
            (Step::ReadProgress, Step::ReadProgress, Step::ReadProgress),
        ),
        (
            "moved",
            Failure::Refused(ApplyError::Moved),
            (
                Step::StartOver,
                park(unclassified, "unclassified"),
                Step::StartOver,
            ),
        ),
    ];
    for (name, failure, expected) in table {
        let steps = (
            after(1, &failure, 1),
            after(100, &failure, 1),
            after(1, &failure, 500),
        );
        assert_eq!(steps, expected, "{name}");
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_waited_for_and_parks_nothing() {
    for size in [1, 500] {
        let mut failures = Failures::none(true);
        for _ in 0..1_000 {
            failures.count(&away());
            assert_eq!(next_step(&away(), failures, size), Step::Retry);
        }
        // The one failure when the outage began, and all that waiting, are not enough.
        let ended = database(DatabaseErrorKind::ClosedConnection);
        failures.suspected = false;
        failures.count(&ended);
        assert_eq!(next_step(&ended, failures, size), Step::Retry);
    }
}

#[test]
fn a_batch_that_keeps_failing_is_split_whatever_the_error_is_called() {
    use DatabaseErrorKind as Kind;
    for kind in [
        Kind::ClosedConnection,
        Kind::SerializationFailure,
        Kind::UnableToSendCommand,
        Kind::Unknown,
    ] {
        let failure = database(kind);
        let step = after(FAILURES_BEFORE_SPLIT - 1, &failure, 500);
        assert_eq!(step, Step::Retry);
        assert_eq!(after(FAILURES_BEFORE_SPLIT, &failure, 500), Step::Split);
        // Its halves need not show it as often.
        assert_eq!(step_of(1, &failure, 250, true), Step::Split);
        assert_eq!(step_of(1, &failure, 1, true), Step::Retry);
        assert_eq!(after(FAILURES_ALONE - 1, &failure, 1), Step::Retry);
        assert_eq!(
            after(FAILURES_ALONE, &failure, 1),
            park(Class::Unclassified, "unclassified")
        );
    }
}

#[test]
fn a_batch_that_never_finds_its_locks_is_split_and_not_retried_for_ever() {
    let moved = Failure::Refused(ApplyError::Moved);
    assert_eq!(after(FAILURES_BEFORE_SPLIT - 1, &moved, 9), Step::StartOver);
    assert_eq!(after(FAILURES_BEFORE_SPLIT, &moved, 9), Step::Split);
    assert_eq!(after(MOVES_ALONE - 1, &moved, 1), Step::Retry);
    assert_eq!(
        after(MOVES_ALONE, &moved, 1),
        park(Class::Unclassified, "unclassified")
    );
}

#[test]
fn what_others_moved_does_not_count_for_what_the_database_refused() {
    let (moved, ended) = (
        Failure::Refused(ApplyError::Moved),
        database(DatabaseErrorKind::ClosedConnection),
    );
    let mut failures = Failures::none(false);
    for _ in 1..MOVES_ALONE {
        failures.count(&moved);
    }
    failures.count(&ended);
    assert_eq!(next_step(&ended, failures, 1), Step::Retry);
}

fn policy() -> HeadPolicy {
    HeadPolicy {
        attempts: 3,
        backoff: Policy {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        },
    }
}

fn head(failure: &Failure, before: (Option<Class>, u32), works: bool) -> HeadStep {
    head_step(failure, before, works, &policy(), 1.0)
}

#[test]
fn a_named_rule_is_given_up_on_after_the_configured_attempts_and_not_before() {
    let failure = fold();
    let HeadStep::Later {
        attempts, after, ..
    } = head(&failure, (Some(Class::Business), 1), true)
    else {
        panic!("given up too early");
    };
    assert_eq!((attempts, after), (2, Duration::from_secs(2)));
    assert_eq!(
        head(&failure, (Some(Class::Business), 2), true),
        HeadStep::GiveUp {
            kind: "fold",
            attempts: 3
        }
    );
}

#[test]
fn what_nobody_classified_is_never_given_up_on_by_itself() {
    for failure in [
        Failure::Panicked,
        state(),
        database(DatabaseErrorKind::Unknown),
        database(DatabaseErrorKind::ClosedConnection),
    ] {
        let before = (Some(Class::Unclassified), u32::MAX);
        let HeadStep::Later { after, .. } = head(&failure, before, true) else {
            panic!("given up on");
        };
        assert_eq!(after, Duration::from_secs(60));
    }
}

#[test]
fn an_outage_counts_no_attempt() {
    for before in [(None, 0), (Some(Class::Business), 2)] {
        assert_eq!(head(&away(), before, true), HeadStep::TryAgain);
        let unnamed = database(DatabaseErrorKind::Unknown);
        assert_eq!(head(&unnamed, before, false), HeadStep::TryAgain);
        let moved = Failure::Refused(ApplyError::Moved);
        assert_eq!(head(&moved, before, true), HeadStep::TryAgain);
    }
}

#[test]
fn attempts_of_another_class_do_not_count() {
    let before = (Some(Class::Unclassified), 99);
    assert!(matches!(
        head(&fold(), before, true),
        HeadStep::Later { attempts: 1, .. }
    ));
}
