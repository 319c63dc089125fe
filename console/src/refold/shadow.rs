//! A shadow fold for an operator: what cannot be folded is told apart from a database that fails.

use std::collections::BTreeSet;

use diesel::pg::PgConnection;
use shared::db::GatherError;
pub(crate) use shared::db::shadow::Shadow;
use shared::folding::graph::Key;
use shared::folding::money::Policy;

use crate::failure::Failure;

/// Folds these objects and bookings, and all that is tied to them. The inner error says why they
/// cannot be folded.
///
/// # Errors
/// The database's.
pub(crate) fn shadow(
    db: &mut PgConnection,
    objects: &BTreeSet<Key>,
    bookings: &BTreeSet<String>,
    policy: Policy,
) -> Result<Result<Shadow, GatherError>, Failure> {
    match shared::db::shadow::shadow(db, objects, bookings, policy) {
        Ok(shadow) => Ok(Ok(shadow)),
        Err(GatherError::Database(source)) => Err(Failure::Query {
            doing: "reading the ledger and what is stored",
            source,
        }),
        Err(
            refused @ (GatherError::TooManyObjects { .. }
            | GatherError::TooManyRows { .. }
            | GatherError::Unreadable { .. }),
        ) => Ok(Err(refused)),
    }
}
