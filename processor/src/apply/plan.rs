//! What a batch will touch, told from its records alone.
//!
//! Pure. Invariant: whatever folding these records can change is named here or reachable over
//! links from what is; `load` locks it. An event that is sure to wait in a queue touches nothing.

use std::collections::BTreeSet;

use shared::folding::graph::{Key, OWN_METADATA, StoredClaim};

use super::queue::sure_to_wait;
use super::{Plan, Step};
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
    let mut step = Step::default();
    if let Some(object) = &item.object {
        let own = key(object.id.as_str());
        plan.stubs.insert(own.clone(), object.kind.clone());
        if let Some(claim) = &item.reading.claim {
            let claim = StoredClaim {
                rank: OWN_METADATA,
                at: claim.at,
                source_id: claim.source_id.clone(),
                booking_id: claim.booking_id.as_str().to_owned(),
            };
            step.claims.push((own, claim));
        }
    }
    for link in &item.reading.links {
        let (from, to) = (key(link.from.id.as_str()), key(link.to.id.as_str()));
        plan.stubs
            .entry(from.clone())
            .or_insert_with(|| link.from.kind.clone());
        plan.stubs
            .entry(to.clone())
            .or_insert_with(|| link.to.kind.clone());
        step.links.push((from, to));
    }
    plan.steps.push(step);
}
