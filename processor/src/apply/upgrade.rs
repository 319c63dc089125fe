//! What older folding rules made is rebuilt from the ledger before anything is joined to it.
//!
//! Invariant: no transaction joins a snapshot to a state of older rules, or sums shares of a booking
//! that older rules folded: such a transaction ends with [`ApplyError::Outdated`], everything that
//! is tied to what it named is rebuilt in a transaction of its own, and it is tried again.

use std::collections::BTreeSet;

use diesel::pg::PgConnection;
use shared::db::run_tx;
use shared::folding::FOLD_VERSION;

use super::refold::{MAX_ROWS, Refold, rebuild_all};
use super::{ApplyError, Rules};

/// Rebuilds in one attempt: each names what the one before it did not reach.
const MAX_REBUILDS: usize = 100;

/// Runs `attempt`; where older rules stand in its way, rebuilds and runs it again.
///
/// # Errors
/// Those of `attempt`; [`ApplyError::CannotUpgrade`].
pub fn upgrading<T>(
    conn: &mut PgConnection,
    rules: Rules,
    mut attempt: impl FnMut(&mut PgConnection) -> Result<T, ApplyError>,
) -> Result<T, ApplyError> {
    for _rebuild in 0..MAX_REBUILDS {
        match attempt(conn) {
            Err(ApplyError::Outdated { objects, bookings }) => {
                let objects = objects.into_iter().collect();
                let bookings = bookings.into_iter().collect();
                rebuild(conn, &objects, &bookings, rules)?;
            }
            other => return other,
        }
    }
    Err(ApplyError::Moved)
}

fn rebuild(
    conn: &mut PgConnection,
    objects: &BTreeSet<shared::folding::graph::Key>,
    bookings: &BTreeSet<String>,
    rules: Rules,
) -> Result<(), ApplyError> {
    let action = format!("rules-{FOLD_VERSION}");
    let rebuilt = run_tx(conn, "upgrade", |conn| {
        rebuild_all(conn, objects, bookings, &action, (rules, MAX_ROWS))
    });
    match rebuilt {
        // Tied to something new meanwhile: the caller's next attempt names it again.
        Ok(Refold::Done(_)) | Err(ApplyError::Moved) => Ok(()),
        Ok(Refold::Refused(refusal)) => Err(ApplyError::CannotUpgrade(Box::new(refusal))),
        Err(error) => Err(error),
    }
}
