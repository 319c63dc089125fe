//! What a batch will touch, told from its records alone.
//!
//! Pure. Invariant: whatever folding these records can change is named here or reachable over
//! links from what is; `load` locks it. An event that is sure to wait in a queue touches nothing.

use std::collections::BTreeSet;

use shared::folding::graph::Key;

use super::Plan;
use super::queue::sure_to_wait;
use crate::item::{Item, Readable};

/// What the batch will touch: stubs to be made, links and claims in the order they are said.
pub(super) fn plan(items: &[&Item], queues: BTreeSet<String>) -> Plan {
    let mut plan = Plan {
        queues,
        ..Plan::default()
    };
    for item in items {
        let item = match item {
            Item::Readable(item) => item,
            Item::Dead(dead) => {
                plan.ids.extend(dead.id.clone());
                continue;
            }
            // These have transactions of their own.
            Item::Failing(_) | Item::Command(_) => continue,
        };
        plan.ids.insert(item.id.clone());
        plan.ids.extend(item.snapshot_event.clone());
        if item.ignored || sure_to_wait(item, &plan.queues).is_some() {
            continue;
        }
        touch(&mut plan, item);
    }
    plan
}

fn touch(plan: &mut Plan, item: &Readable) {
    let key = |id: &str| Key {
        account: item.account.clone(),
        id: id.to_owned(),
    };
    if let Some(object) = &item.object {
        let own = key(object.id.as_str());
        plan.stubs.insert(own.clone(), object.kind.clone());
        let mentions = item.reading.mentions.iter();
        plan.mentions
            .extend(mentions.map(|booking| (own.clone(), booking.clone())));
    }
    for link in &item.reading.links {
        let (from, to) = (key(link.from.id.as_str()), key(link.to.id.as_str()));
        plan.stubs
            .entry(from.clone())
            .or_insert_with(|| link.from.kind.clone());
        plan.stubs
            .entry(to.clone())
            .or_insert_with(|| link.to.kind.clone());
    }
}
