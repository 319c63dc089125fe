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

/// Each failure; what is done at its first and its hundredth attempt alone while the database
/// works; and what is done with it in a batch at the first.
#[test]
fn every_failure_has_its_class_and_its_step() {
    use DatabaseErrorKind as Kind;
    let (business, unclassified) = (Class::Business, Class::Unclassified);
    let retry = || (Step::Retry, Step::Retry, Step::Retry);
    let alone = |step: Step| (step.clone(), step, Step::Split);
    let table = [
        ("away", away(), retry()),
        (
            "serialization",
            database(Kind::SerializationFailure),
            retry(),
        ),
        (
            "closed connection",
            database(Kind::ClosedConnection),
            retry(),
        ),
        ("read only", database(Kind::ReadOnlyTransaction), retry()),
        ("cannot send", database(Kind::UnableToSendCommand), retry()),
        (
            "broken transaction",
            refused(Error::BrokenTransactionManager),
            retry(),
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
        (
            "no name",
            database(Kind::Unknown),
            (Step::Retry, park(unclassified, "unclassified"), Step::Retry),
        ),
        (
            "progress",
            Failure::Refused(ApplyError::ProgressLost),
            (Step::ReadProgress, Step::ReadProgress, Step::ReadProgress),
        ),
        (
            "moved",
            Failure::Refused(ApplyError::Moved),
            (Step::StartOver, Step::Retry, Step::StartOver),
        ),
    ];
    for (name, failure, expected) in table {
        let steps = (
            next_step(&failure, 1, 1, true),
            next_step(&failure, 100, 1, true),
            next_step(&failure, 1, 500, true),
        );
        assert_eq!(steps, expected, "{name}");
    }
}

#[test]
fn infrastructure_is_retried_for_ever_and_never_parked() {
    for failure in [away(), database(DatabaseErrorKind::SerializationFailure)] {
        for works in [false, true] {
            assert_eq!(next_step(&failure, u32::MAX, 1, works), Step::Retry);
            assert_eq!(next_step(&failure, u32::MAX, 500, works), Step::Retry);
        }
    }
}

#[test]
fn a_batch_that_never_finds_its_locks_is_split_and_not_retried_for_ever() {
    let moved = Failure::Refused(ApplyError::Moved);
    assert_eq!(
        next_step(&moved, ATTEMPTS_BEFORE_SPLIT - 1, 9, true),
        Step::StartOver
    );
    assert_eq!(
        next_step(&moved, ATTEMPTS_BEFORE_SPLIT, 9, true),
        Step::Split
    );
    assert_eq!(next_step(&moved, u32::MAX, 1, true), Step::Retry);
}

#[test]
fn an_error_nobody_named_is_parked_only_alone_and_while_the_database_works() {
    let failure = database(DatabaseErrorKind::Unknown);
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
        assert_eq!(head(&away(), before, true), HeadStep::LookAgain);
        let unnamed = database(DatabaseErrorKind::Unknown);
        assert_eq!(head(&unnamed, before, false), HeadStep::LookAgain);
        let moved = Failure::Refused(ApplyError::Moved);
        assert_eq!(head(&moved, before, true), HeadStep::LookAgain);
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
