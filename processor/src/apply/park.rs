//! One record that failed alone is parked: its ledger row, its place in a queue with the reason,
//! its booking's hold, and progress, in one transaction.
//!
//! Invariant: nothing that made it fail is tried here: no object is loaded, no booking folded.
//! So a record can be parked whatever is wrong with its objects; only if the booking's own row
//! cannot be written is it parked without a visible hold (its queue holds it all the same).
//!
//! An observation has a queue of its own, named by its id: nothing waits behind it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use shared::db::run_tx;
use shared::folding::Shown;
use shared::folding::graph::Key;

use super::world::{BookingRow, Cause, Transition};
use super::{Applied, ApplyError, Place, advance, note_jumps, queue, write};
use crate::item::{Failing, Item, Readable, RowKind};
use crate::store::actions::ItemResult;
use crate::store::{self, parked::Parking};

/// Name of the transaction, as in `updated_by`.
pub const PARK: &str = "park";

/// Parks it, unless the ledger has it. As head it is tried again `retry_after` so long.
///
/// # Errors
/// [`ApplyError`]; nothing is left then.
pub fn park(
    connection: &mut PgConnection,
    place: Place<'_>,
    (item, failing): (&Item, &Failing),
    retry_after: Duration,
    now: DateTime<Utc>,
) -> Result<Applied, ApplyError> {
    let readable = &failing.item;
    let next_offset = readable.record.offset.saturating_add(1);
    run_tx(connection, PARK, |conn| {
        note_jumps(conn, place, &[item])?;
        let known = store::events::known(conn, &[&readable.id])?;
        let known = known.into_iter().next().map(|(_, known)| known);
        let label = match known {
            Some(known) if !known.dead => "copy",
            Some(known) if known.queued => {
                store::parked::release(conn, &readable.id)?;
                "parked"
            }
            other => {
                let queue = queue_for(conn, failing)?;
                put(conn, failing, &queue, other.is_some(), (retry_after, now))?;
                "parked"
            }
        };
        if let Some(action_id) = readable.record.headers.action_id.clone() {
            let result = ItemResult {
                action_id,
                subject: readable.id.clone(),
                state: if label == "copy" { "no_change" } else { label },
                detail: Some(failing.reason.error.clone()),
            };
            store::actions::done(conn, &[result])?;
        }
        advance(conn, place, next_offset)?;
        Ok(Applied {
            next_offset,
            outcomes: vec![(readable.id.clone(), label)],
        })
    })
}

/// Lock order: booking, ledger, parked.
fn put(
    conn: &mut PgConnection,
    failing: &Failing,
    queue: &str,
    revives: bool,
    (retry_after, now): (Duration, DateTime<Utc>),
) -> Result<(), ApplyError> {
    let item = &failing.item;
    if failing.hold && item.kind == RowKind::Event {
        hold(conn, queue, item)?;
    }
    let row = write::parked_row(item, queue, now);
    if revives {
        write::one(store::events::revive(conn, &row)?)?;
    } else if store::events::insert(conn, &[row])? != 1 {
        return Err(ApplyError::Moved);
    }
    let parking = Parking {
        item,
        queue,
        reason: Some(&failing.reason),
    };
    store::parked::insert(conn, &[parking], retry_after)?;
    Ok(())
}

/// The booking that could not be folded, else the one it claims, else the least that its objects
/// belong to, else its record's key.
fn queue_for(conn: &mut PgConnection, failing: &Failing) -> Result<String, ApplyError> {
    let item = &failing.item;
    if item.kind == RowKind::Observation {
        return Ok(item.id.clone());
    }
    if let Some(booking) = &failing.booking {
        return Ok(booking.clone());
    }
    let names = queue::names(item);
    if names.len() > 1
        && let Some(claimed) = names.first()
    {
        return Ok((*claimed).to_owned());
    }
    let keys: Vec<Key> = queue::keys(item).into_iter().collect();
    let bookings = store::objects::bookings_of(conn, &keys)?;
    Ok(bookings
        .into_iter()
        .next()
        .unwrap_or_else(|| item.record.key.clone()))
}

/// Holds the booking, if there is such a row: a transition like any other.
fn hold(conn: &mut PgConnection, booking: &str, item: &Readable) -> Result<(), ApplyError> {
    let rows = store::bookings::lock_existing(conn, &[booking.to_owned()])?;
    let Some(row) = rows.into_iter().next().filter(|row| !row.is_parked()) else {
        return Ok(());
    };
    let (row, transition) = held(row, item);
    let shown = &transition.after;
    store::bookings::update(conn, &[(&row, shown)], PARK)?;
    store::bookings::insert_transitions(conn, std::slice::from_ref(&transition))?;
    Ok(())
}

/// The row as it is once held. It shows what it showed, for the fold is what failed.
fn held(mut row: BookingRow, item: &Readable) -> (BookingRow, Transition) {
    let before = row.shown.clone();
    let after = Shown {
        hold: Some("parked".to_owned()),
        ..before.clone().unwrap_or_else(|| Shown {
            status: "pending".to_owned(),
            ..Shown::default()
        })
    };
    let cause = Cause {
        kind: item.kind.as_str(),
        id: &item.id,
        trace_id: None,
    };
    row.version = row.version.saturating_add(1);
    row.shown = Some(after.clone());
    let transition = Transition {
        booking_id: row.id.clone(),
        version: row.version,
        cause_kind: cause.kind,
        cause_id: cause.id.to_owned(),
        before,
        after,
    };
    (row, transition)
}
