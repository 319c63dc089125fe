//! One batch, one transaction, in one lock order: objects, bookings, ledger, parked, progress.
//!
//! Invariant: everything a batch does (ledger rows, objects, bookings, transitions, facts,
//! refetches, dead letters, queues, progress) is committed together or not at all, and the
//! progress compare-and-set is the last statement. No HTTP and no Kafka in here.
//!
//! Four kinds of transaction live here, all under the same locks: a batch, one record that is
//! parked (`park`), a queue that is drained (`drain`), a command (`command`).

pub mod command;
mod divide;
pub mod drain;
pub mod facts;
pub mod fold;
pub mod inputs;
mod load;
mod not_generated;
pub mod park;
mod plan;
pub mod projection;
mod queue;
pub mod refold;
pub mod upgrade;
pub mod world;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use shared::db::run_tx;

use crate::item::{Item, RowKind};
use crate::progress::{Arrival, arrival};
use crate::store::{self, APPLY_BATCH, progress::Moved};
use fold::{FoldFailed, Outcome, ask_for_ties, fold_item, tell_objects};
use plan::plan;
use shared::folding::graph::Key;
use shared::folding::money::Policy;

pub use load::{Plan, load};
pub use write::write_world;

/// Why a batch was not applied. Nothing of it is left in the database (after an error of
/// COMMIT: unknown, and the progress row tells at the next attempt).
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Postgres.
    #[error("the database refused the batch")]
    Database(#[from] diesel::result::Error),
    /// A booking is beyond what we count with.
    #[error(transparent)]
    Fold(#[from] FoldFailed),
    /// Another transaction tied objects together between our look and our locks.
    #[error("objects or bookings moved while the batch was taking its locks")]
    Moved,
    /// Older rules made what is here: it is rebuilt first.
    #[error("{} objects and {} bookings are of older folding rules", objects.len(), bookings.len())]
    Outdated {
        /// The objects.
        objects: Vec<Key>,
        /// The bookings.
        bookings: Vec<String>,
    },
    /// It cannot be rebuilt by today's rules.
    #[error("what older folding rules made cannot be rebuilt")]
    CannotUpgrade(#[source] Box<refold::Refusal>),
    /// The progress row is not what the batch was dealt out under.
    #[error("the partition's progress was moved by somebody else")]
    ProgressLost,
    /// A stored object's state cannot be read by this version.
    #[error("the stored state of object {id} cannot be read")]
    State {
        /// The object.
        id: String,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// More objects are tied together than one transaction should lock.
    #[error("{found} objects are tied together; the bound is {limit}")]
    TooManyObjects {
        /// How many were found (the search ends just above the bound).
        found: usize,
        /// The bound.
        limit: usize,
    },
}

/// Where a batch stands in its partition.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Epoch it was claimed under.
    pub epoch: i64,
    /// First offset not applied.
    pub next_offset: i64,
}

/// Rules that are settings.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// What counts as money of a booking.
    pub policy: Policy,
    /// Objects that one transaction may lock.
    pub max_objects: usize,
}

/// What became of a batch, by outcome, for metrics and logs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// First offset after the batch.
    pub next_offset: i64,
    /// What each record came to, in order.
    pub outcomes: Vec<(String, &'static str)>,
}

/// Applies neighbouring records of one partition, in offset order, in one transaction.
///
/// Dead letters among them must already be acknowledged by the dead-letter topic.
///
/// # Errors
/// [`ApplyError`].
pub fn apply_batch(
    connection: &mut PgConnection,
    place: Place<'_>,
    items: &[&Item],
    rules: Rules,
    now: DateTime<Utc>,
) -> Result<Applied, ApplyError> {
    let due: Vec<&Item> = items
        .iter()
        .copied()
        .filter(|item| item.record().offset >= place.next_offset)
        .collect();
    let Some(last) = due.last() else {
        return Ok(Applied {
            next_offset: place.next_offset,
            outcomes: Vec::new(),
        });
    };
    let next_offset = last.record().offset.saturating_add(1);
    run_tx(connection, APPLY_BATCH, |conn| {
        note_jumps(conn, place, &due)?;
        let queues = queues_of(conn, &due)?;
        let mut world = load(conn, &plan(&due, queues), rules)?;
        let mut outcomes = Vec::with_capacity(due.len());
        let mut resolved = Vec::with_capacity(due.len());
        for item in &due {
            if let Item::Readable(item) = item {
                let outcome = fold_item(&mut world, item)?;
                resolved.push((outcome, booking_of(&world, item)));
            } else {
                resolved.push((Outcome::Copy, None));
            }
        }
        ask_for_ties(&mut world);
        tell_objects(&mut world);
        write_world(conn, &world, APPLY_BATCH)?;
        for (item, (outcome, booking)) in due.iter().zip(resolved) {
            outcomes.push(write::label(item, &outcome));
            write::remember(&mut world, item, outcome, booking);
        }
        write::write_ledger(conn, &world, &due, now)?;
        let results = write::replay_results(&due, &outcomes);
        if !results.is_empty() {
            store::actions::done(conn, &results)?;
        }
        advance(conn, place, next_offset)?;
        Ok(Applied {
            next_offset,
            outcomes,
        })
    })
}

/// Last statement of every transaction that moves a partition's progress.
fn advance(conn: &mut PgConnection, place: Place<'_>, next_offset: i64) -> Result<(), ApplyError> {
    let moved = store::progress::advance(
        conn,
        (place.topic, place.partition),
        place.epoch,
        place.next_offset,
        next_offset,
    )?;
    match moved {
        Moved::Yes => Ok(()),
        Moved::No => Err(ApplyError::ProgressLost),
    }
}

/// A look, without a lock, at the queues that these events may name: what waits in one of them
/// need not be loaded, and could perhaps not be.
fn queues_of(conn: &mut PgConnection, due: &[&Item]) -> Result<BTreeSet<String>, ApplyError> {
    let names: BTreeSet<&str> = due
        .iter()
        .filter_map(|item| match item {
            Item::Readable(item) if item.kind == RowKind::Event && !item.ignored => Some(item),
            Item::Readable(_) | Item::Dead(_) | Item::Failing(_) | Item::Command(_) => None,
        })
        .flat_map(|item| queue::names(item))
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    Ok(store::parked::queues(conn, &names)?.into_iter().collect())
}

fn booking_of(world: &world::World, item: &crate::item::Readable) -> Option<String> {
    let object = item.object.as_ref()?;
    let key = Key {
        account: item.account.clone(),
        id: object.id.as_str().to_owned(),
    };
    world.objects.get(&key)?.booking_id.clone()
}

/// Offsets of this topic are contiguous: a jump is a range that was deleted before we read it.
fn note_jumps(conn: &mut PgConnection, place: Place<'_>, due: &[&Item]) -> Result<(), ApplyError> {
    let mut expected = place.next_offset;
    for item in due {
        let offset = item.record().offset;
        if let Arrival::Jump { from, to } = arrival(expected, offset) {
            store::progress::record_hole(conn, place.topic, place.partition, (from, to), "hole")?;
        }
        expected = offset.saturating_add(1);
    }
    Ok(())
}

/// Sorted and distinct, as every set-based statement wants its keys.
fn sorted(keys: BTreeSet<Key>) -> Vec<Key> {
    keys.into_iter().collect()
}

/// Stubs in the order of their keys.
fn in_order(stubs: &BTreeMap<Key, String>) -> Vec<(Key, String)> {
    stubs
        .iter()
        .map(|(key, kind)| (key.clone(), kind.clone()))
        .collect()
}
