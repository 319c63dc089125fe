//! Which blocked booking an event has to wait behind.
//!
//! Pure. Invariant: an event that would touch a booking whose queue is not empty waits in that
//! queue (of several, in the smallest); whatever touches none goes on. Observations never wait:
//! they say how an object is, not what happened to it, and may be what unblocks the booking.

use std::collections::BTreeSet;

use shared::folding::graph::Key;

use super::divide::divide_around;
use super::fold::take_in;
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
    let mut touched = eligible_mentions(world, item);
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
    let object = item.reading.object.as_ref();
    let claim = object.and_then(|(_, snapshot)| snapshot.fields.booking.as_deref());
    claim
        .filter(|_| item.account.is_empty())
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

/// The bookings that its object names, where that may count.
fn eligible_mentions(world: &World, item: &Readable) -> BTreeSet<String> {
    let mentions = item.reading.mentions.iter();
    mentions
        .filter(|booking| world.may_claim(&item.account, booking))
        .cloned()
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
                .any(|id| world.mentions.contains(&(key.clone(), id.clone())))
    };
    seen.iter().any(blocked)
}

/// Every booking that folding this event would touch, found by folding it into a copy. What cannot
/// be divided touches nothing: folding it fails by itself.
fn rehearse(world: &World, item: &Readable) -> BTreeSet<String> {
    let mut copy = world.clone();
    let news = take_in(&mut copy, item);
    divide_around(&mut copy, &news).unwrap_or_default()
}
