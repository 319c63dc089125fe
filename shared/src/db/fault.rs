//! What a database error means for whoever must go on.
//!
//! diesel hides SQLSTATE: deadlocks (40P01), lock and statement time-outs, shutdowns and full
//! disks all arrive as `Unknown`, and message texts depend on the server's language. So only
//! the kinds that diesel names decide at once; everything else is first taken for
//! infrastructure, and whoever retries tells the rest by watching whether it keeps failing alone.

use diesel::result::{DatabaseErrorKind, Error};

/// What is wrong, as far as one error can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseFault {
    /// The connection or the server is in trouble, or two transactions got in each other's way.
    Infrastructure,
    /// A named rule of the schema refused the data; the constraint's name where there is one.
    Rule(String),
    /// The server refused for a reason that diesel does not name: infrastructure until it is
    /// seen to fail alone while others commit.
    Unknown,
    /// We asked wrongly: a bug of ours, not of the data.
    Bug,
}

/// Classifies one diesel error. Pure; source: diesel 2.3 `pg/connection/result.rs`.
#[must_use]
pub fn fault(error: &Error) -> DatabaseFault {
    match error {
        Error::DatabaseError(kind, info) => match kind {
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::RestrictViolation
            | DatabaseErrorKind::ExclusionViolation => {
                DatabaseFault::Rule(info.constraint_name().unwrap_or("unnamed").to_owned())
            }
            DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::UnableToSendCommand => DatabaseFault::Infrastructure,
            // Non-exhaustive upstream: a kind added later is treated like Unknown.
            _ => DatabaseFault::Unknown,
        },
        Error::BrokenTransactionManager
        | Error::AlreadyInTransaction
        | Error::NotInTransaction
        | Error::RollbackErrorOnCommit { .. }
        | Error::RollbackTransaction => DatabaseFault::Infrastructure,
        Error::InvalidCString(_)
        | Error::NotFound
        | Error::QueryBuilderError(_)
        | Error::DeserializationError(_)
        | Error::SerializationError(_) => DatabaseFault::Bug,
        _ => DatabaseFault::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: DatabaseErrorKind) -> DatabaseFault {
        fault(&Error::DatabaseError(
            kind,
            Box::new("text in any language".to_owned()),
        ))
    }

    #[test]
    fn only_named_rules_are_the_datas_fault() {
        assert_eq!(
            of(DatabaseErrorKind::CheckViolation),
            DatabaseFault::Rule("unnamed".into())
        );
        assert_eq!(
            of(DatabaseErrorKind::UniqueViolation),
            DatabaseFault::Rule("unnamed".into())
        );
        assert_eq!(
            of(DatabaseErrorKind::SerializationFailure),
            DatabaseFault::Infrastructure
        );
        assert_eq!(
            of(DatabaseErrorKind::ClosedConnection),
            DatabaseFault::Infrastructure
        );
        assert_eq!(of(DatabaseErrorKind::Unknown), DatabaseFault::Unknown);
        assert_eq!(fault(&Error::NotFound), DatabaseFault::Bug);
    }
}
