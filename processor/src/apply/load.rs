//! Everything a batch must see before it folds, read under locks.
//!
//! The order: stubs for what does not exist, then *look* (without locks) which objects are tied
//! together, lock them all in the order of their keys, look again. If the second look shows an
//! object that is not locked, the batch starts over. Then the bookings, in the order of their
//! ids, and only then what depends on them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::pg::PgConnection;
use shared::folding::{ObjectState, Registration};
use shared::ids::{BookingId, ObjectId};
use shared::money::Currency;

use super::world::{BookingRow, ObjectRow, World};
use super::{ApplyError, in_order, sorted};
use crate::store::objects::StoredObject;
use crate::store::registrations::StoredRegistration;
use crate::store::{self, APPLY_BATCH};
use shared::folding::graph::{Key, StoredClaim};

/// What one record says about belonging.
#[derive(Debug, Default, Clone)]
pub struct Step {
    /// Objects it ties together.
    pub links: Vec<(Key, Key)>,
    /// Bookings it claims.
    pub claims: Vec<(Key, StoredClaim)>,
}

/// What a transaction is going to touch.
#[derive(Debug, Default)]
pub struct Plan {
    /// Objects named, with their Stripe object name.
    pub stubs: BTreeMap<Key, String>,
    /// Links and claims, in the order they are said.
    pub steps: Vec<Step>,
    /// Bookings touched whatever the objects say.
    pub bookings: BTreeSet<String>,
    /// Bookings that are locked if they are there, and not made.
    pub existing: BTreeSet<String>,
    /// Event and observation ids to be looked up.
    pub ids: BTreeSet<String>,
    /// Queues that were not empty when we looked: whatever says so of its booking waits there.
    pub queues: BTreeSet<String>,
    /// Registrations that this transaction folds.
    pub registering: Vec<StoredRegistration>,
}

/// Locks and reads. See the module's words for the order.
///
/// # Errors
/// [`ApplyError::Moved`]: start over; [`ApplyError::TooManyObjects`]; diesel's.
pub fn load(conn: &mut PgConnection, plan: &Plan, max_objects: usize) -> Result<World, ApplyError> {
    let mut world = World {
        queues: plan.queues.clone(),
        ..World::default()
    };
    let locked = lock_objects(conn, plan, max_objects, &mut world)?;
    let mut bookings = bookings_to_lock(conn, plan, &world)?;
    for row in lock_bookings(conn, &mut bookings, &plan.existing)? {
        // Under its lock a booking that is held stays held, and one that is not stays free.
        if row.is_parked() {
            world.queues.insert(row.id.clone());
            world.held.insert(row.id.clone());
        }
        world.bookings.insert(row.id.clone(), row);
    }
    let candidates = candidates(plan, &world);
    register(&mut world, store::registrations::folded(conn, &candidates)?);
    register(&mut world, plan.registering.clone());
    load_members(conn, &bookings, &locked, &mut world)?;
    let ids: Vec<&str> = plan.ids.iter().map(String::as_str).collect();
    world.known = store::events::known(conn, &ids)?.into_iter().collect();
    Ok(world)
}

/// Locks all in the order of their ids; `bookings` then names the existing ones, too.
fn lock_bookings(
    conn: &mut PgConnection,
    bookings: &mut Vec<String>,
    existing: &BTreeSet<String>,
) -> Result<Vec<BookingRow>, ApplyError> {
    store::bookings::insert_missing(conn, bookings, APPLY_BATCH)?;
    bookings.extend(existing.iter().cloned());
    bookings.sort_unstable();
    bookings.dedup();
    Ok(store::bookings::lock_existing(conn, bookings)?)
}

fn lock_objects(
    conn: &mut PgConnection,
    plan: &Plan,
    max_objects: usize,
    world: &mut World,
) -> Result<BTreeSet<Key>, ApplyError> {
    if plan.stubs.is_empty() {
        return Ok(BTreeSet::new());
    }
    store::objects::insert_stubs(conn, &in_order(&plan.stubs), APPLY_BATCH)?;
    let named: Vec<Key> = plan.stubs.keys().cloned().collect();
    let limit = i64::try_from(max_objects).unwrap_or(i64::MAX);
    let mut reach: BTreeSet<Key> = store::objects::reachable(conn, &named, limit)?
        .into_iter()
        .collect();
    reach.extend(named);
    if reach.len() > max_objects {
        return Err(ApplyError::TooManyObjects {
            found: reach.len(),
            limit: max_objects,
        });
    }
    let keys = sorted(reach.clone());
    for stored in store::objects::lock(conn, &keys)? {
        world.put_object(object_row(stored, true)?);
    }
    for link in store::objects::links(conn, &keys)? {
        let from = Key {
            account: link.account.clone(),
            id: link.from_id,
        };
        let to = Key {
            account: link.account,
            id: link.to_id,
        };
        if !reach.contains(&from) || !reach.contains(&to) {
            return Err(ApplyError::Moved);
        }
        world.graph.link(&from, &to);
    }
    for (key, claim) in store::objects::claims(conn, &keys)? {
        world.graph.claim(&key, claim);
    }
    Ok(reach)
}

/// The bookings that the objects belong to now or will at any step of the batch.
fn bookings_to_lock(
    conn: &mut PgConnection,
    plan: &Plan,
    world: &World,
) -> Result<Vec<String>, ApplyError> {
    let mut rehearsal = World {
        graph: world.graph.clone(),
        objects: world.objects.clone(),
        ..World::default()
    };
    // Read before the lock, so it may be out of date; then a booking turns up below that is
    // not locked, and the batch starts over.
    register(
        &mut rehearsal,
        store::registrations::folded(conn, &candidates(plan, world))?,
    );
    register(&mut rehearsal, plan.registering.clone());
    let mut bookings = plan.bookings.clone();
    bookings.extend(
        world
            .objects
            .values()
            .filter_map(|row| row.booking_id.clone()),
    );
    let all: Vec<Key> = world.objects.keys().cloned().collect();
    bookings.extend(all.iter().flat_map(|key| rehearsal.reassign(key)));
    for step in &plan.steps {
        let mut around = BTreeSet::new();
        for (from, to) in &step.links {
            if rehearsal.graph.link(from, to) {
                around.extend([from.clone(), to.clone()]);
            }
        }
        for (key, claim) in &step.claims {
            if rehearsal.graph.claim(key, claim.clone()) {
                around.insert(key.clone());
            }
        }
        bookings.extend(super::fold::reassign_all(&mut rehearsal, &around));
    }
    Ok(bookings.into_iter().collect())
}

/// Every booking anybody here claims, whether the claim counts or not.
fn candidates(plan: &Plan, world: &World) -> Vec<String> {
    let mut all = world.graph.claimed_bookings();
    all.extend(plan.bookings.iter().cloned());
    all.extend(world.bookings.keys().cloned());
    for step in &plan.steps {
        all.extend(
            step.claims
                .iter()
                .map(|(_, claim)| claim.booking_id.clone()),
        );
    }
    all.into_iter().collect()
}

/// Members of the bookings that the batch itself does not touch: read, not locked.
fn load_members(
    conn: &mut PgConnection,
    bookings: &[String],
    locked: &BTreeSet<Key>,
    world: &mut World,
) -> Result<(), ApplyError> {
    let mut others = BTreeSet::new();
    for stored in store::objects::of_bookings(conn, bookings)? {
        let row = object_row(stored, false)?;
        if !locked.contains(&row.key) {
            others.insert(row.key.clone());
            world.put_object(row);
        }
    }
    for link in store::objects::links(conn, &sorted(others))? {
        let from = Key {
            account: link.account.clone(),
            id: link.from_id,
        };
        let to = Key {
            account: link.account,
            id: link.to_id,
        };
        world.graph.link(&from, &to);
    }
    Ok(())
}

fn object_row(stored: StoredObject, locked: bool) -> Result<ObjectRow, ApplyError> {
    // A stub has been told nothing yet.
    let state = if stored.version == 0 {
        ObjectState::default()
    } else {
        serde_json::from_str(&stored.state).map_err(|cause| ApplyError::State {
            id: stored.id.clone(),
            cause,
        })?
    };
    Ok(ObjectRow {
        key: Key {
            account: stored.account,
            id: stored.id,
        },
        kind: stored.kind,
        state,
        booking_id: stored.booking_id,
        version: stored.version,
        published_state: stored.published_state,
        told_by: None,
        dirty: false,
        locked,
    })
}

fn register(world: &mut World, rows: Vec<StoredRegistration>) {
    for row in rows {
        // The table's constraints refuse what these would refuse; a row that slipped through
        // is no registration rather than a failing batch.
        let (Ok(booking_id), Ok(currency)) = (
            BookingId::parse(&row.booking_id),
            Currency::parse(&row.currency),
        ) else {
            continue;
        };
        let registration = Registration {
            booking_id,
            amount: row.amount,
            currency,
            payment_intent: row
                .payment_intent_id
                .as_deref()
                .and_then(|id| ObjectId::parse(id).ok()),
            at: row.registered_at.timestamp(),
        };
        world.registrations.insert(
            row.booking_id,
            (registration, row.account.unwrap_or_default()),
        );
    }
}
