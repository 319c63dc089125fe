//! A queue drained: its events applied in their order, under the locks of every batch.
//!
//! Invariant: what is applied leaves the queue in the same transaction; the booking's hold is
//! lifted in the transaction that leaves the queue empty, and not before; nobody applies an event
//! that is not among the first of its queue. Picked without a lock, checked again under it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use shared::db::run_tx;

use super::fold::{Disposition, absorb, ask_for_ties, refold, tell_objects};
use super::world::{Cause, World};
use super::{ApplyError, Rules, load, queue, write_world};
use crate::apply::plan::plan;
use crate::item::{Item, Readable};
use crate::store;

/// Name of the transaction, as in `updated_by`.
pub const DRAIN: &str = "drain_parked";

/// What a drain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// Events that left the queue, in order, with what became of each.
    pub settled: Vec<(String, &'static str)>,
    /// The queue is empty: its booking is held no more.
    pub lifted: bool,
}

/// One event of the queue, and what it came to.
enum Fate {
    Settled(Disposition, Option<String>),
    /// It touches another blocked booking, too, and waits there now.
    Elsewhere(String),
}

/// Applies the first events of a queue, given in its order, all or none.
///
/// # Errors
/// [`ApplyError`]; [`ApplyError::Moved`]: somebody else drained it meanwhile.
pub fn drain(
    connection: &mut PgConnection,
    name: &str,
    items: &[Item],
    rules: Rules,
) -> Result<Drained, ApplyError> {
    let readable: Vec<&Readable> = items.iter().filter_map(as_readable).collect();
    run_tx(connection, DRAIN, |conn| {
        let refs: Vec<&Item> = items.iter().collect();
        let queues = behind(&super::queues_of(conn, &refs)?, name);
        let mut plan = plan(&refs, queues);
        plan.existing.insert(name.to_owned());
        let mut world = load(conn, &plan, rules)?;
        // Ledger before parked, as everywhere.
        let ids: Vec<&str> = readable.iter().map(|item| item.id.as_str()).collect();
        store::events::lock(conn, &ids)?;
        let left = check_heads(conn, name, &readable)?;
        if left == 0 {
            world.held.remove(name);
        }
        let fates = fold_all(&mut world, name, &readable)?;
        if left == 0
            && let Some(last) = readable.last()
            && world.bookings.contains_key(name)
        {
            // Whatever the events came to, the hold ends here.
            refold(&mut world, name, cause(last))?;
        }
        ask_for_ties(&mut world);
        tell_objects(&mut world);
        write_world(conn, &world, DRAIN)?;
        settle(conn, &readable, &fates)?;
        Ok(Drained {
            settled: labels(&readable, &fates),
            lifted: left == 0,
        })
    })
}

/// The queues an event of this one may still have to wait in: only those with a greater name, so
/// that it cannot go round between two. It waited in the smaller already, and folding does not
/// mind the order.
fn behind(queues: &BTreeSet<String>, name: &str) -> BTreeSet<String> {
    queues
        .iter()
        .filter(|queue| queue.as_str() > name)
        .cloned()
        .collect()
}

fn as_readable(item: &Item) -> Option<&Readable> {
    match item {
        Item::Readable(item) => Some(item),
        Item::Dead(_) | Item::Failing(_) | Item::Command(_) => None,
    }
}

/// How many wait behind these, if these are the first; one is enough to know.
fn check_heads(
    conn: &mut PgConnection,
    name: &str,
    items: &[&Readable],
) -> Result<usize, ApplyError> {
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let locked = store::parked::lock(conn, name, count)?;
    let picked: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let first: Vec<&str> = locked
        .iter()
        .take(items.len())
        .map(String::as_str)
        .collect();
    if picked.is_empty() || first != picked {
        return Err(ApplyError::Moved);
    }
    Ok(locked.len().saturating_sub(items.len()))
}

fn fold_all(world: &mut World, name: &str, items: &[&Readable]) -> Result<Vec<Fate>, ApplyError> {
    let mut fates = Vec::with_capacity(items.len());
    world.queues = behind(&world.queues, name);
    for item in items {
        let elsewhere = queue::waits_behind(world, item);
        if let Some(queue) = elsewhere {
            fates.push(Fate::Elsewhere(queue));
            continue;
        }
        let disposition = if item.ignored {
            Disposition::Ignored
        } else if absorb(world, item)? {
            Disposition::Applied
        } else {
            Disposition::NoChange
        };
        fates.push(Fate::Settled(disposition, super::booking_of(world, item)));
    }
    Ok(fates)
}

fn settle(conn: &mut PgConnection, items: &[&Readable], fates: &[Fate]) -> Result<(), ApplyError> {
    let mut rows = Vec::with_capacity(items.len());
    let mut gone = Vec::with_capacity(items.len());
    for (item, fate) in items.iter().zip(fates) {
        if let Fate::Settled(disposition, booking) = fate {
            rows.push((item.id.as_str(), disposition.as_str(), booking.clone()));
            gone.push(item.id.as_str());
        }
    }
    store::events::settle(conn, &rows)?;
    store::dead_letters::replayed(conn, &gone)?;
    store::parked::remove(conn, &gone)?;
    for (item, fate) in items.iter().zip(fates) {
        if let Fate::Elsewhere(queue) = fate {
            store::parked::move_to(conn, &item.id, queue)?;
        }
    }
    Ok(())
}

fn labels(items: &[&Readable], fates: &[Fate]) -> Vec<(String, &'static str)> {
    let label = |fate: &Fate| match fate {
        Fate::Settled(disposition, _) => disposition.as_str(),
        Fate::Elsewhere(_) => "parked",
    };
    items
        .iter()
        .zip(fates)
        .map(|(item, fate)| (item.id.clone(), label(fate)))
        .collect()
}

fn cause(item: &Readable) -> Cause<'_> {
    Cause {
        kind: item.kind.as_str(),
        id: &item.id,
        trace_id: None,
    }
}

/// Locks a queue's booking, if there is one, as a first step of what changes its queue.
///
/// # Errors
/// [`ApplyError`].
pub(super) fn lock(conn: &mut PgConnection, name: &str, rules: Rules) -> Result<World, ApplyError> {
    let plan = super::Plan {
        existing: BTreeSet::from([name.to_owned()]),
        ..super::Plan::default()
    };
    load(conn, &plan, rules)
}

/// Lifts the hold if an operator's command left the queue empty.
///
/// # Errors
/// [`ApplyError`].
pub(super) fn lift(
    conn: &mut PgConnection,
    mut world: World,
    name: &str,
    action_id: &str,
) -> Result<(), ApplyError> {
    if !world.bookings.contains_key(name) || store::parked::head(conn, name)?.is_some() {
        return Ok(());
    }
    world.held.remove(name);
    let cause = Cause {
        kind: "action",
        id: action_id,
        trace_id: None,
    };
    refold(&mut world, name, cause)?;
    write_world(conn, &world, DRAIN)
}

/// A head is given up on: its dead letter (already acknowledged by the topic), its ledger row, its
/// mark in the queue. `false`: somebody else was faster.
///
/// # Errors
/// [`ApplyError`].
pub fn give_up(
    connection: &mut PgConnection,
    dead: &crate::item::Dead,
    seen_attempts: i32,
    now: DateTime<Utc>,
) -> Result<bool, ApplyError> {
    run_tx(connection, "give_up", |conn| {
        let Some(id) = dead.id.as_deref() else {
            return Ok(false);
        };
        store::events::settle(conn, &[(id, "dead", None)])?;
        if store::parked::give_up(conn, id, seen_attempts, now)? == 0 {
            return Err(ApplyError::Moved);
        }
        let trace = super::write::trace_id(&dead.record);
        store::dead_letters::upsert(conn, dead, now, trace.as_deref())?;
        Ok(true)
    })
}
