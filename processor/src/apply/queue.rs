//! Which blocked booking an event has to wait behind.
//!
//! Pure. Invariant: an event that would touch a booking whose queue is not empty waits in that
//! queue (of several, in the smallest); whatever touches none goes on. Observations never wait:
//! they say how an object is, not what happened to it, and may be what unblocks the booking.

use std::collections::BTreeSet;

use shared::folding::graph::{Key, OWN_METADATA, StoredClaim};

use super::fold::reassign_all;
use super::world::World;
use crate::item::{Readable, RowKind};

/// The queue this event has to wait in, if any.
#[must_use]
pub(super) fn waits_behind(world: &World, item: &Readable) -> Option<String> {
    if world.queues.is_empty() || item.kind != RowKind::Event || item.ignored {
        return None;
    }
    if let Some(queue) = sure_to_wait(item, &world.queues) {
        return Some(queue.to_owned());
    }
    let mut touched = eligible_claim(world, item);
    let own = keys(item);
    let bookings = own.iter().filter_map(|key| world.objects.get(key));
    touched.extend(bookings.filter_map(|row| row.booking_id.clone()));
    if let Some(queue) = least(world, &touched) {
        return Some(queue);
    }
    // Only an event that ties new things together touches more than it names, and only where a
    // blocked booking is near is it worth a rehearsal.
    if !is_near_a_queue(world, &own) {
        return None;
    }
    least(world, &rehearse(world, item))
}

/// The names under which this event's queue may be found without looking at its objects: the
/// booking it claims, and its record's key.
#[must_use]
pub(super) fn names(item: &Readable) -> Vec<&str> {
    let claim = item
        .reading
        .claim
        .as_ref()
        .filter(|_| item.account.is_empty());
    claim
        .map(|claim| claim.booking_id.as_str())
        .into_iter()
        .chain([item.record.key.as_str()])
        .collect()
}

/// The queue this event has to wait in whatever its objects say: then they need not be loaded, and
/// perhaps could not be.
#[must_use]
pub(super) fn sure_to_wait<'a>(item: &'a Readable, queues: &BTreeSet<String>) -> Option<&'a str> {
    if item.kind != RowKind::Event || item.ignored {
        return None;
    }
    names(item)
        .into_iter()
        .filter(|name| queues.contains(*name))
        .min()
}

/// The booking that a connected account's object claims, where the claim counts.
fn eligible_claim(world: &World, item: &Readable) -> BTreeSet<String> {
    let claim = item.reading.claim.as_ref();
    claim
        .map(|claim| claim.booking_id.as_str())
        .filter(|booking| world.eligible(&item.account, booking))
        .map(ToOwned::to_owned)
        .into_iter()
        .collect()
}

fn least(world: &World, touched: &BTreeSet<String>) -> Option<String> {
    touched.intersection(&world.queues).next().cloned()
}

/// The objects it names: its own and both ends of its links.
pub(super) fn keys(item: &Readable) -> BTreeSet<Key> {
    let key = |id: &str| Key {
        account: item.account.clone(),
        id: id.to_owned(),
    };
    let own = item.object.as_ref().map(|object| key(object.id.as_str()));
    let ends = item.reading.links.iter();
    own.into_iter()
        .chain(ends.flat_map(|link| [key(link.from.id.as_str()), key(link.to.id.as_str())]))
        .collect()
}

fn is_near_a_queue(world: &World, own: &BTreeSet<Key>) -> bool {
    let mut seen = BTreeSet::new();
    for key in own {
        if !seen.contains(key) {
            seen.extend(world.graph.component(key));
        }
    }
    let blocked = |key: &Key| {
        let booking = world
            .objects
            .get(key)
            .and_then(|row| row.booking_id.as_ref());
        booking.is_some_and(|id| world.queues.contains(id))
            || world
                .queues
                .iter()
                .any(|id| world.graph.claims_booking(key, id))
    };
    seen.iter().any(blocked)
}

/// Every booking that folding this event would touch, found by tying its links and claim into a
/// copy of the graph.
fn rehearse(world: &World, item: &Readable) -> BTreeSet<String> {
    let mut copy = World {
        graph: world.graph.clone(),
        objects: world.objects.clone(),
        registrations: world.registrations.clone(),
        members: world.members.clone(),
        ..World::default()
    };
    let key = |id: &str| Key {
        account: item.account.clone(),
        id: id.to_owned(),
    };
    let mut around = BTreeSet::new();
    for link in &item.reading.links {
        let (from, to) = (key(link.from.id.as_str()), key(link.to.id.as_str()));
        if copy.graph.link(&from, &to) {
            around.extend([from, to]);
        }
    }
    if let (Some(object), Some(claim)) = (&item.object, &item.reading.claim) {
        let own = key(object.id.as_str());
        let claim = StoredClaim {
            rank: OWN_METADATA,
            at: claim.at,
            source_id: claim.source_id.clone(),
            booking_id: claim.booking_id.as_str().to_owned(),
        };
        if copy.graph.claim(&own, claim) {
            around.insert(own);
        }
    }
    reassign_all(&mut copy, &around)
}
