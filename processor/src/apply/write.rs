//! The world written back: changed rows only, each table once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;

use super::ApplyError;
use super::fold::Outcome;
use super::projection::{Table, project};
use super::world::World;
use crate::item::{Item, Readable};
use crate::store;
use crate::store::actions::ItemResult;
use crate::store::events::LedgerRow;
use crate::store::objects::ObjectWrite;
use crate::store::parked::Parking;
use shared::folding::Columns;
use shared::folding::graph::Key;
use shared::folding::money::{Share, StoredShare};

/// Writes objects, links, mentions, shares, bookings, transitions, facts, refetches and findings.
///
/// # Errors
/// diesel's; [`ApplyError::Moved`] if a booking changed that is not locked.
pub fn write_world(conn: &mut PgConnection, world: &World, by: &str) -> Result<(), ApplyError> {
    let objects = object_writes(world)?;
    if !objects.is_empty() {
        store::objects::update(conn, &objects, by)?;
    }
    if !world.new_links.is_empty() {
        store::objects::insert_links(conn, &world.new_links)?;
    }
    if !world.new_mentions.is_empty() {
        store::objects::insert_mentions(conn, &world.new_mentions)?;
    }
    if world.unlocked {
        return Err(ApplyError::Moved);
    }
    write_shares(conn, world)?;
    write_bookings(conn, world, by)?;
    write_projections(conn, world)?;
    if !world.facts.is_empty() {
        store::outbox::insert(conn, &world.facts)?;
    }
    if !world.refetches.is_empty() {
        store::refetches::insert(conn, &world.refetches.iter().collect::<Vec<_>>())?;
    }
    if !world.snapshots.is_empty() {
        store::refetches::answer_thin(conn, &world.snapshots)?;
    }
    if !world.answered.is_empty() {
        store::refetches::answer(conn, &world.answered)?;
    }
    store::findings::sync(conn, &world.findings)?;
    if !world.moved.is_empty() {
        store::findings::tell(conn, &world.moved)?;
    }
    Ok(())
}

fn write_shares(conn: &mut PgConnection, world: &World) -> Result<(), ApplyError> {
    let mut written = Vec::new();
    let mut gone = Vec::new();
    let keys: BTreeSet<&Key> = world
        .shares
        .keys()
        .chain(world.stored_shares.keys())
        .collect();
    for key in keys {
        let now = world.shares.get(key).map_or(&[][..], Vec::as_slice);
        let stored = world.stored_shares.get(key).map_or(&[][..], Vec::as_slice);
        if now == stored {
            continue;
        }
        for share in now.iter().filter(|share| !stored.contains(share)) {
            written.push(StoredShare {
                account: key.account.clone(),
                object_id: key.id.clone(),
                share: share.clone(),
            });
        }
        let is_kept = |of: &Share| now.iter().any(|share| share.booking_id == of.booking_id);
        for share in stored.iter().filter(|share| !is_kept(share)) {
            gone.push((key.clone(), share.booking_id.clone()));
        }
    }
    if !gone.is_empty() {
        store::shares::delete(conn, &gone)?;
    }
    if !written.is_empty() {
        store::shares::upsert(conn, &written)?;
    }
    Ok(())
}

fn write_bookings(conn: &mut PgConnection, world: &World, by: &str) -> Result<(), ApplyError> {
    let bookings: Vec<_> = world
        .bookings
        .values()
        .filter(|row| row.dirty)
        .filter_map(|row| row.shown.as_ref().map(|shown| (row, shown)))
        .collect();
    if !bookings.is_empty() {
        store::bookings::update(conn, &bookings, by)?;
        store::bookings::insert_transitions(conn, &world.transitions)?;
        let changed: Vec<&str> = bookings.iter().map(|(row, _)| row.id.as_str()).collect();
        store::findings::no_longer_abandoned(conn, &changed)?;
    }
    // A row that was made only to be locked shows nothing: it goes again.
    let empty: Vec<String> = world
        .made
        .iter()
        .filter(|id| {
            world
                .bookings
                .get(*id)
                .is_none_or(|row| row.shown.is_none())
        })
        .cloned()
        .collect();
    if !empty.is_empty() {
        store::bookings::delete_empty(conn, &empty)?;
    }
    Ok(())
}

fn write_projections(conn: &mut PgConnection, world: &World) -> Result<(), ApplyError> {
    let mut tables: BTreeMap<Table, Vec<_>> = BTreeMap::new();
    let (mut sources, mut entitlements) = (Vec::new(), Vec::new());
    for row in world.objects.values().filter(|row| row.dirty) {
        let Some(projection) = project(row) else {
            continue;
        };
        if let Some((table, columns)) = projection.row {
            tables.entry(table).or_default().push(columns);
        }
        if let Some(rows) = projection.entitlements {
            sources.push(&row.key);
            entitlements.extend(rows);
        }
    }
    for (table, rows) in tables {
        store::projections::upsert(conn, table, rows)?;
    }
    if !sources.is_empty() {
        store::projections::replace_entitlements(conn, &sources, entitlements)?;
    }
    Ok(())
}

fn object_writes(world: &World) -> Result<Vec<ObjectWrite<'_>>, ApplyError> {
    world
        .objects
        .values()
        .filter(|row| row.dirty)
        .map(|row| {
            let state = serde_json::to_string(&row.state).map_err(|cause| ApplyError::State {
                id: row.key.id.clone(),
                cause,
            })?;
            Ok(ObjectWrite {
                row,
                state,
                columns: Columns::of(&row.state),
            })
        })
        .collect()
}

/// Keeps an item's outcome until the ledger is written.
pub(super) fn remember(world: &mut World, item: &Item, outcome: Outcome, booking: Option<String>) {
    world
        .outcomes
        .insert(item.record().offset, (outcome, booking));
}

/// The item's id (or its hash) and what became of it.
pub(super) fn label(item: &Item, outcome: &Outcome) -> (String, &'static str) {
    match item {
        Item::Dead(dead) => (
            dead.id
                .clone()
                .unwrap_or_else(|| format!("sha256:{}", hex::encode(dead.sha256))),
            "dead",
        ),
        Item::Readable(item) => {
            let label = match outcome {
                Outcome::New(disposition) | Outcome::Revived(disposition) => disposition.as_str(),
                Outcome::Copy => "copy",
                Outcome::Parked { .. } | Outcome::Released { .. } => "parked",
            };
            (item.id.clone(), label)
        }
        Item::Failing(failing) => (failing.item.id.clone(), "parked"),
        Item::Command(item) => (item.command.action_id.clone(), "command"),
    }
}

/// What came of the records that a replay published, by its action's id.
pub(super) fn replay_results(
    items: &[&Item],
    outcomes: &[(String, &'static str)],
) -> Vec<ItemResult> {
    let of = |(item, (subject, label)): (&&Item, &(String, &'static str))| {
        let action_id = item.record().headers.action_id.clone()?;
        let (state, detail) = match *label {
            // The ledger has it: that is what a replay of an applied event is expected to do.
            "copy" => ("no_change", Some("the ledger has it already".to_owned())),
            other => (other, None),
        };
        Some(ItemResult {
            action_id,
            subject: subject.clone(),
            state,
            detail,
        })
    };
    items.iter().zip(outcomes).filter_map(of).collect()
}

/// Writes ledger rows and dead letters.
///
/// # Errors
/// diesel's; [`ApplyError::Moved`] if another transaction wrote one of the rows meanwhile.
pub(super) fn write_ledger(
    conn: &mut PgConnection,
    world: &World,
    items: &[&Item],
    now: DateTime<Utc>,
) -> Result<(), ApplyError> {
    let mut rows = Vec::with_capacity(items.len());
    let mut parked: Vec<Parking<'_>> = Vec::new();
    let mut released: Vec<(&str, bool)> = Vec::new();
    for item in items {
        match item {
            Item::Readable(item) => match world.outcomes.get(&item.record.offset) {
                Some((Outcome::New(disposition), booking)) => {
                    rows.push(ledger_row(item, booking.clone(), disposition.as_str(), now));
                }
                Some((Outcome::Revived(disposition), booking)) => {
                    let row = ledger_row(item, booking.clone(), disposition.as_str(), now);
                    one(store::events::revive(conn, &row)?)?;
                }
                Some((Outcome::Parked { queue, revives }, _)) => {
                    let row = parked_row(item, queue, now);
                    if *revives {
                        one(store::events::revive(conn, &row)?)?;
                    } else {
                        rows.push(row);
                    }
                    parked.push(Parking {
                        item,
                        queue,
                        reason: None,
                    });
                }
                Some((Outcome::Released { revives }, _)) => {
                    if *revives {
                        let row = ledger_row(item, None, "parked", now);
                        one(store::events::revive(conn, &row)?)?;
                    }
                    released.push((item.id.as_str(), *revives));
                }
                Some((Outcome::Copy, _)) | None => {}
            },
            // These have transactions of their own.
            Item::Failing(_) | Item::Command(_) => {}
            // Another copy of that id could be read: this one is a copy, too.
            Item::Dead(dead) if dead.id.as_ref().is_some_and(|id| is_alive(world, id)) => {}
            Item::Dead(dead) => {
                let trace = trace_id(&dead.record);
                store::dead_letters::upsert(conn, dead, now, trace.as_deref())?;
            }
        }
    }
    let inserted = store::events::insert(conn, &rows)?;
    if inserted != rows.len() {
        return Err(ApplyError::Moved);
    }
    if !parked.is_empty() {
        store::parked::insert(conn, &parked, Duration::ZERO)?;
    }
    for (event, revived) in released {
        // Gone from its queue meanwhile: a row that says `parked` must have its place.
        if store::parked::release(conn, event)? == 0 && revived {
            return Err(ApplyError::Moved);
        }
    }
    // A copy may stand in the same batch as the first: counted when the first is written.
    if !world.copies.is_empty() {
        store::events::count_copies(conn, &world.copies)?;
    }
    // Dead rows last, and only where the ledger has nothing better under that id.
    let dead: Vec<LedgerRow<'_>> = items
        .iter()
        .filter_map(|item| dead_row(item, now))
        .collect();
    if !dead.is_empty() {
        store::events::insert_where_absent(conn, &dead)?;
    }
    Ok(())
}

fn is_alive(world: &World, id: &str) -> bool {
    world.known.get(id).is_some_and(|known| !known.dead)
}

/// Another transaction was faster with that row: everything is looked at again.
pub(super) fn one(rows: usize) -> Result<(), ApplyError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(ApplyError::Moved)
    }
}

/// An event that waits: it belongs where it waits, unless that is only its record's key.
pub(super) fn parked_row<'a>(item: &'a Readable, queue: &str, now: DateTime<Utc>) -> LedgerRow<'a> {
    let booking = Some(queue.to_owned()).filter(|queue| *queue != fallback_key(item));
    ledger_row(item, booking, "parked", now)
}

/// The record's key where it names no booking: it has a colon after a kind, or an account before.
fn fallback_key(item: &Readable) -> String {
    let object = item.reading.object.as_ref();
    let claimed = object.and_then(|(_, snapshot)| snapshot.fields.booking.as_ref());
    let key = &item.record.key;
    if claimed.is_some_and(|booking| booking == key) {
        return String::new();
    }
    key.clone()
}

fn ledger_row<'a>(
    item: &'a Readable,
    booking_id: Option<String>,
    disposition: &'static str,
    now: DateTime<Utc>,
) -> LedgerRow<'a> {
    let record = &item.record;
    LedgerRow {
        id: &item.id,
        created: DateTime::from_timestamp(item.created, 0).unwrap_or_default(),
        record_kind: item.kind.as_str(),
        account: Some(item.account.as_str()).filter(|account| !account.is_empty()),
        livemode: item.livemode,
        event_type: &item.event_type,
        api_version: item.api_version.as_deref(),
        object_id: item.object.as_ref().map(|object| object.id.as_str()),
        object_type: item.object.as_ref().map(|object| object.kind.as_str()),
        snapshot_event: item.snapshot_event.as_deref(),
        payment_method_type: item.reading.payment_method_type.as_deref(),
        booking_id,
        payload: &record.value,
        sha256: &item.sha256,
        signature: record.headers.stripe_signature.as_deref(),
        verified_by: record.headers.verified_by.as_deref(),
        source: record.headers.source.as_str(),
        topic: &record.topic,
        partition: record.partition,
        offset: record.offset,
        received_at: received_at(record, now),
        disposition,
        trace_id: trace_id(record),
    }
}

fn dead_row<'a>(item: &'a Item, now: DateTime<Utc>) -> Option<LedgerRow<'a>> {
    let Item::Dead(dead) = item else { return None };
    let record = &dead.record;
    Some(LedgerRow {
        id: dead.id.as_deref()?,
        created: DateTime::from_timestamp(dead.created, 0).unwrap_or_default(),
        record_kind: "event",
        account: None,
        livemode: None,
        event_type: "unknown",
        api_version: None,
        object_id: None,
        object_type: None,
        snapshot_event: None,
        payment_method_type: None,
        booking_id: None,
        payload: &record.value,
        sha256: &dead.sha256,
        signature: record.headers.stripe_signature.as_deref(),
        verified_by: record.headers.verified_by.as_deref(),
        source: record.headers.source.as_str(),
        topic: &record.topic,
        partition: record.partition,
        offset: record.offset,
        received_at: received_at(record, now),
        disposition: "dead",
        trace_id: trace_id(record),
    })
}

fn received_at(record: &crate::consumer::Record, now: DateTime<Utc>) -> DateTime<Utc> {
    record
        .headers
        .received_at
        .or_else(|| {
            record
                .timestamp_ms
                .and_then(DateTime::from_timestamp_millis)
        })
        .unwrap_or(now)
}

pub(super) fn trace_id(record: &crate::consumer::Record) -> Option<String> {
    record
        .headers
        .traceparent
        .as_deref()
        .and_then(shared::telemetry::trace_id_of)
}
