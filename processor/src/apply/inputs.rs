//! What people put in, folded: registrations, assignments, amendments. Each is a row of an
//! insert-only table by now, which every fold reads; here is folded what it concerns.
//!
//! It runs inside the caller's transaction and takes every lock it needs, in the one order.

use std::collections::BTreeSet;

use diesel::pg::PgConnection;
use shared::folding::graph::Key;

use super::divide::divide_around;
use super::fold::{ask_for_ties, refold, tell_objects};
use super::world::Cause;
use super::{ApplyError, Plan, Rules, load, write_world};
use crate::store::registrations::concerned;

/// Folds these bookings and objects, and all that is tied to them, anew. `cause` says why a
/// booking changes. The bookings that show something else now.
///
/// # Errors
/// [`ApplyError`].
pub fn fold_inputs<'c>(
    conn: &mut PgConnection,
    (bookings, objects): (&[String], &[(Key, String)]),
    rules: Rules,
    by: &str,
    cause: impl Fn(&str) -> Cause<'c>,
) -> Result<Vec<String>, ApplyError> {
    let mut plan = Plan::default();
    plan.bookings.extend(bookings.iter().cloned());
    // Objects that name these bookings already: what was put in may change whose they are.
    plan.stubs.extend(concerned(conn, bookings)?);
    plan.stubs.extend(objects.iter().cloned());
    let around: BTreeSet<Key> = plan.stubs.keys().cloned().collect();
    let mut world = load(conn, &plan, rules)?;
    let mut touched = divide_around(&mut world, &around)?;
    touched.extend(bookings.iter().cloned());
    for booking in touched {
        refold(&mut world, &booking, cause(&booking))?;
    }
    ask_for_ties(&mut world);
    tell_objects(&mut world);
    write_world(conn, &world, by)?;
    let changed = world.transitions.iter();
    Ok(changed.map(|it| it.booking_id.clone()).collect())
}
