//! Everything a batch must see before it folds, read under locks.
//!
//! The order: stubs for what does not exist, then *look* (without locks) which objects are tied
//! together, lock them all in the order of their keys, look again. If the second look shows an
//! object that is not locked, the batch starts over. Then the bookings that any of the objects
//! names or has shares of, in the order of their ids, and only then what depends on them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::pg::PgConnection;
use shared::db::{belonging, shares};
use shared::folding::graph::Key;
use shared::folding::{FOLD_VERSION, MAX_BOOKING_PAYMENTS, ObjectState};

use super::world::{BookingRow, ObjectRow, World};
use super::{ApplyError, Rules, in_order, sorted};
use crate::store::objects::StoredObject;
use crate::store::{self, APPLY_BATCH};

/// What a transaction is going to touch.
#[derive(Debug, Default)]
pub struct Plan {
    /// Objects named, with their Stripe object name.
    pub stubs: BTreeMap<Key, String>,
    /// Bookings that objects name.
    pub mentions: BTreeSet<(Key, String)>,
    /// Bookings touched whatever the objects say.
    pub bookings: BTreeSet<String>,
    /// Bookings that are locked if they are there, and not made.
    pub existing: BTreeSet<String>,
    /// Event and observation ids to be looked up.
    pub ids: BTreeSet<String>,
    /// Queues that were not empty when we looked: whatever says so of its booking waits there.
    pub queues: BTreeSet<String>,
    /// What older rules made is not refused: it is about to be replaced.
    pub replaces: bool,
}

/// Locks and reads. See the module's words for the order.
///
/// # Errors
/// [`ApplyError::Moved`]: start over; [`ApplyError::Outdated`]: rebuild first;
/// [`ApplyError::TooManyObjects`]; diesel's.
pub fn load(conn: &mut PgConnection, plan: &Plan, rules: Rules) -> Result<World, ApplyError> {
    let mut world = World {
        queues: plan.queues.clone(),
        policy: rules.policy,
        ..World::default()
    };
    let keys = lock_objects(conn, plan, rules.max_objects, &mut world)?;
    world.stored_shares = shares::of_objects(conn, &keys)?;
    world.shares = world.stored_shares.clone();
    world.mentions = shared::db::ties::mentions(conn, &keys)?
        .into_iter()
        .collect();
    let candidates = candidates(conn, plan, &world, &keys)?;
    let mut bookings = bookings_to_lock(conn, plan, &candidates)?;
    world.made = store::bookings::insert_missing(conn, &bookings, APPLY_BATCH)?
        .into_iter()
        .collect();
    bookings.extend(plan.existing.iter().cloned());
    bookings.sort_unstable();
    bookings.dedup();
    lock_bookings(conn, &bookings, &mut world)?;
    if !plan.replaces {
        refuse_outdated(&world)?;
    }
    // Read after the locks: whoever folds a registration or a decision holds its booking.
    let all: Vec<String> = candidates.into_iter().map(|(_, booking)| booking).collect();
    let named: Vec<String> = bookings.iter().cloned().chain(all).collect();
    world.human = belonging::human_inputs(conn, &keys, &named)?;
    read_shares(conn, &bookings, &mut world)?;
    let ids: Vec<&str> = plan.ids.iter().map(String::as_str).collect();
    world.known = store::events::known(conn, &ids)?.into_iter().collect();
    Ok(world)
}

fn lock_objects(
    conn: &mut PgConnection,
    plan: &Plan,
    max_objects: usize,
    world: &mut World,
) -> Result<Vec<Key>, ApplyError> {
    if plan.stubs.is_empty() {
        return Ok(Vec::new());
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
        let row = object_row(stored)?;
        world.objects.insert(row.key.clone(), row);
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
    Ok(keys)
}

/// Every booking that an object here names, has shares of, was registered for or assigned to,
/// with the account of that object; whether that counts or not.
fn candidates(
    conn: &mut PgConnection,
    plan: &Plan,
    world: &World,
    keys: &[Key],
) -> Result<BTreeSet<(String, String)>, ApplyError> {
    let mut all: BTreeSet<(String, String)> = world
        .mentions
        .iter()
        .chain(&plan.mentions)
        .map(|(key, booking)| (key.account.clone(), booking.clone()))
        .collect();
    let ours = |booking: String| (String::new(), booking);
    let shares = world.stored_shares.values().flatten();
    let held = shares.map(|share| share.booking_id.clone());
    all.extend(held.filter(|booking| !booking.is_empty()).map(ours));
    all.extend(plan.bookings.iter().cloned().map(ours));
    // What was put in may be newer than the locks: then a booking turns up below that is not
    // locked, and the batch starts over.
    let human = belonging::human_inputs(conn, keys, &[])?;
    all.extend(human.intents.into_values().map(ours));
    all.extend(human.assignments.into_values().flatten().map(ours));
    Ok(all)
}

/// Those of them that may be touched: a claim by a connected account's object counts only for a
/// registered booking.
fn bookings_to_lock(
    conn: &mut PgConnection,
    plan: &Plan,
    candidates: &BTreeSet<(String, String)>,
) -> Result<Vec<String>, ApplyError> {
    let foreign: Vec<String> = candidates
        .iter()
        .filter(|(account, _)| !account.is_empty())
        .map(|(_, booking)| booking.clone())
        .collect();
    let registered = if foreign.is_empty() {
        BTreeMap::new()
    } else {
        belonging::human_inputs(conn, &[], &foreign)?.registered
    };
    let mut bookings = plan.bookings.clone();
    bookings.extend(
        candidates
            .iter()
            .filter(|(account, booking)| account.is_empty() || registered.contains_key(booking))
            .map(|(_, booking)| booking.clone()),
    );
    Ok(bookings.into_iter().collect())
}

fn lock_bookings(
    conn: &mut PgConnection,
    bookings: &[String],
    world: &mut World,
) -> Result<(), ApplyError> {
    for row in store::bookings::lock_existing(conn, bookings)? {
        // Under its lock a booking that is held stays held, and one that is not stays free.
        if row.is_parked() {
            world.queues.insert(row.id.clone());
            world.held.insert(row.id.clone());
        }
        world.bookings.insert(row.id.clone(), row);
    }
    Ok(())
}

/// What older rules made must be rebuilt before anything is joined to it.
fn refuse_outdated(world: &World) -> Result<(), ApplyError> {
    let objects: Vec<Key> = world
        .objects
        .values()
        .filter(|row| row.version > 0 && row.fold_version < FOLD_VERSION)
        .map(|row| row.key.clone())
        .collect();
    let is_outdated = |row: &&BookingRow| row.version > 0 && row.fold_version < FOLD_VERSION;
    let bookings: Vec<String> = world
        .bookings
        .values()
        .filter(is_outdated)
        .map(|row| row.id.clone())
        .collect();
    if objects.is_empty() && bookings.is_empty() {
        return Ok(());
    }
    Err(ApplyError::Outdated { objects, bookings })
}

/// The shares of the locked bookings: what they sum.
fn read_shares(
    conn: &mut PgConnection,
    bookings: &[String],
    world: &mut World,
) -> Result<(), ApplyError> {
    let limit = i64::try_from(MAX_BOOKING_PAYMENTS).unwrap_or(i64::MAX);
    let mut found: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for stored in shares::of_bookings(conn, bookings, limit.saturating_add(1))? {
        let booking = stored.share.booking_id.clone();
        let entry = found.entry(booking).or_default();
        entry.push((stored.key(), stored.share));
    }
    for (booking, shares) in found {
        world.put_shares(&booking, shares);
    }
    Ok(())
}

fn object_row(stored: StoredObject) -> Result<ObjectRow, ApplyError> {
    // A stub has been told nothing yet. What older rules kept is read only to be replaced: where
    // it cannot be read any more, nothing of it is needed.
    let state = if stored.version == 0 {
        ObjectState::default()
    } else {
        match serde_json::from_str(&stored.state) {
            Ok(state) => state,
            Err(_) if stored.fold_version < FOLD_VERSION => ObjectState::default(),
            Err(cause) => {
                return Err(ApplyError::State {
                    id: stored.id,
                    cause,
                });
            }
        }
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
        fold_version: stored.fold_version,
        published_state: stored.published_state,
        told_by: None,
        dirty: false,
    })
}
