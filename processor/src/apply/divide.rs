//! The money of objects that are tied together, divided anew after a change: their shares, the
//! bookings that they belong to, what contradicts itself, and what Stripe is to be asked.
//!
//! Pure. Invariant: whatever the shares of an object were before, afterwards they are what
//! `shared::folding::money` makes of all objects that are tied to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use shared::folding::graph::Key;
use shared::folding::money::{Component, Divided, Finding, Node, Share, divide, identity};

use super::fold::FoldFailed;
use super::world::{Refetch, World};

/// Divides the money of everything that is tied to these objects; the bookings whose shares
/// changed.
///
/// # Errors
/// [`FoldFailed`]; the world is then to be thrown away.
pub(super) fn divide_around(
    world: &mut World,
    around: &BTreeSet<Key>,
) -> Result<BTreeSet<String>, FoldFailed> {
    let mut touched = BTreeSet::new();
    let mut seen: BTreeSet<Key> = BTreeSet::new();
    for start in around {
        if seen.contains(start) {
            continue;
        }
        let keys = world.graph.component(start);
        seen.extend(keys.iter().cloned());
        let divided = divided(world, &keys)?;
        touched.extend(replace(world, &keys, divided));
    }
    Ok(touched)
}

fn divided(world: &World, keys: &BTreeSet<Key>) -> Result<Divided, FoldFailed> {
    let nodes: BTreeMap<&Key, Node<'_>> = keys
        .iter()
        .filter_map(|key| world.objects.get_key_value(key))
        .map(|(key, row)| (key, Node::new(&row.kind, &row.state)))
        .collect();
    let inputs = world.human.inputs(world.policy);
    let component = Component::new(nodes, &world.graph, inputs);
    divide(&component).map_err(|cause| FoldFailed {
        booking_id: booking_near(world, keys),
        cause,
    })
}

/// The booking that waits if the component's amounts are beyond what is counted.
fn booking_near(world: &World, keys: &BTreeSet<Key>) -> String {
    let belongs = keys
        .iter()
        .filter_map(|key| world.objects.get(key)?.booking_id.clone())
        .min();
    let mention = |key: &Key| {
        let mentions = world.mentions.iter();
        let mut own = mentions.filter(|(of, _)| of == key);
        own.next().map(|(_, booking)| booking.clone())
    };
    belongs
        .or_else(|| keys.iter().find_map(mention))
        .or_else(|| keys.first().map(|key| key.id.clone()))
        .unwrap_or_default()
}

/// Puts the new shares in the place of the old ones.
fn replace(world: &mut World, keys: &BTreeSet<Key>, mut divided: Divided) -> BTreeSet<String> {
    let mut touched = BTreeSet::new();
    for key in keys {
        let Some(row) = world.objects.get_mut(key) else {
            // It turned up after the look: its links are not known here.
            world.unlocked = true;
            continue;
        };
        let owner = divided.owners.remove(key).flatten();
        if row.booking_id != owner {
            row.booking_id = owner;
            row.dirty = true;
        }
        let now = divided.shares.remove(key).unwrap_or_default();
        let before = world.shares.remove(key).unwrap_or_default();
        if now != before {
            moved(world, key, &before, &now);
            touched.extend(exchange(world, key, &before, &now));
        }
        if !now.is_empty() {
            world.shares.insert(key.clone(), now);
        }
        world.findings.insert(object_scope(key), Vec::new());
    }
    for finding in divided.findings {
        if let Some(key) = &finding.key {
            let scope = object_scope(key);
            world.findings.entry(scope).or_default().push(finding);
        }
    }
    for question in divided.questions {
        world.refetches.insert(Refetch {
            key: question.key,
            kind: question.kind.to_owned(),
            fingerprint: question.fingerprint,
            reason: question.reason,
            tied_at: question.after,
        });
    }
    for answered in divided.answered {
        world
            .refetches
            .retain(|asked| asked.fingerprint != answered);
        world.answered.insert(answered);
    }
    touched
}

/// What decides whether an object's findings hold.
pub(super) fn object_scope(key: &Key) -> String {
    format!("object:{}/{}", key.account, key.id)
}

fn exchange(world: &mut World, key: &Key, before: &[Share], now: &[Share]) -> BTreeSet<String> {
    let mut touched = BTreeSet::new();
    for share in before.iter().filter(|it| !it.booking_id.is_empty()) {
        touched.insert(share.booking_id.clone());
        if let Some(held) = world.by_booking.get_mut(&share.booking_id) {
            held.remove(key);
        }
    }
    for share in now.iter().filter(|it| !it.booking_id.is_empty()) {
        touched.insert(share.booking_id.clone());
        let held = world.by_booking.entry(share.booking_id.clone());
        held.or_default().insert(key.clone(), share.clone());
    }
    touched
}

/// Captured money that leaves a booking for another is told for good: a person may have acted on
/// it already.
fn moved(world: &mut World, key: &Key, before: &[Share], now: &[Share]) {
    let captured = |shares: &[Share]| -> BTreeMap<String, i64> {
        shares
            .iter()
            .filter(|it| it.amounts.captured > 0 && !it.booking_id.is_empty())
            .map(|it| (it.booking_id.clone(), it.amounts.captured))
            .collect()
    };
    let (before, now) = (captured(before), captured(now));
    let gone: Vec<&String> = before.keys().filter(|it| !now.contains_key(*it)).collect();
    let come: Vec<&String> = now.keys().filter(|it| !before.contains_key(*it)).collect();
    let (Some(from), Some(to)) = (gone.first(), come.first()) else {
        return;
    };
    let amount = before.get(*from).copied().unwrap_or_default();
    world.moved.push(Finding {
        kind: "reassigned",
        key: Some(key.clone()),
        booking_id: Some((*to).clone()),
        identity: identity("reassigned", &[&key.account, &key.id, from, to]),
        detail: format!(
            "{amount} of {} moved from booking {from} to booking {to}",
            key.id
        ),
        evidence: json!({"from": from, "to": to, "amount": amount}),
    });
}
