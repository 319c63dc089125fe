//! A booking or an object folded anew from the ledger, by today's rules, under the same locks as
//! a batch.
//!
//! Invariant: afterwards its objects are what their applied ledger rows say, no more and no less:
//! states, links, mentions and shares are *replaced*, not joined. What was right already is not written;
//! what changes is a transition whose cause is the action, and a fact unless it was told before.
//!
//! It runs inside the caller's transaction and takes every lock it needs, in the one order, so
//! the caller holds none of objects or bookings yet. A refusal has written nothing.

mod replace;

use std::collections::BTreeSet;
use std::fmt;

use diesel::pg::PgConnection;
use shared::db::{Bounds, GatherError, Gathered, Reach, belonging, gather};
use shared::folding::graph::Key;

use super::fold::{ask_for_ties, refold, tell_objects};
use super::world::{Cause, World};
use super::{ApplyError, Plan, Rules, load, write_world};
use crate::store;
use replace::{Action, Stale, replace, stale};

/// Name of the change, as in `updated_by`.
const REFOLD: &str = "refold";

/// Ledger rows that one refold may read.
pub const MAX_ROWS: usize = 50_000;

/// What came of it.
#[derive(Debug)]
pub enum Refold {
    /// It was folded.
    Done(Refolded),
    /// It cannot be; trying again changes nothing. Nothing was written.
    Refused(Refusal),
}

/// What a refold did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refolded {
    /// Objects that were folded.
    pub objects: usize,
    /// Ledger rows they were folded from.
    pub rows: usize,
    /// Objects that were not as they should be.
    pub objects_changed: usize,
    /// Links and mentions that were missing or should not have been there.
    pub ties_changed: usize,
    /// Bookings that show something else now.
    pub bookings_changed: Vec<String>,
}

impl Refolded {
    /// Whether anything was written but the rules' version.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.objects_changed > 0 || self.ties_changed > 0 || !self.bookings_changed.is_empty()
    }
}

impl fmt::Display for Refolded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} objects folded from {} ledger rows: {} objects, {} links and mentions, {} bookings changed",
            self.objects,
            self.rows,
            self.objects_changed,
            self.ties_changed,
            self.bookings_changed.len()
        )
    }
}

/// Why it is not folded.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody has heard of it.
    #[error("there is no booking {0}")]
    UnknownBooking(String),
    /// Nobody has heard of it.
    #[error("there is no object {0}")]
    UnknownObject(String),
    /// Too much, or unreadable.
    #[error(transparent)]
    Gather(GatherError),
    /// The object knows something from a row that is gone: folding it anew would forget that.
    #[error("the ledger does not have {event} any more, which object {object} was folded from")]
    Gone {
        /// The object.
        object: String,
        /// The event or observation.
        event: String,
    },
}

impl Refusal {
    /// Stable name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::UnknownBooking(_) => "unknown_booking",
            Self::UnknownObject(_) => "unknown_object",
            Self::Gather(GatherError::TooManyObjects { .. }) => "too_many_objects",
            Self::Gather(GatherError::TooManyRows { .. }) => "too_many_rows",
            Self::Gather(GatherError::Unreadable { .. }) => "unreadable_row",
            Self::Gather(GatherError::Database(_)) => "database",
            Self::Gone { .. } => "row_gone",
        }
    }
}

/// Folds a booking's objects, and all that links tie to them, anew.
///
/// # Errors
/// [`ApplyError`]: roll back. [`ApplyError::Moved`]: start over at once.
pub fn refold_booking(
    conn: &mut PgConnection,
    booking_id: &str,
    action_id: &str,
    rules: Rules,
    max_rows: usize,
) -> Result<Refold, ApplyError> {
    let mut bookings = BTreeSet::from([booking_id.to_owned()]);
    let is_known = belonging::is_known(conn, booking_id)?;
    let start = (BTreeSet::new(), bookings.clone());
    if !is_known {
        // Objects may claim it in vain: that makes no booking.
        bookings.clear();
    }
    fold_anew(
        conn,
        &start,
        &bookings,
        action_id,
        (rules, max_rows),
        || (!is_known).then(|| Refusal::UnknownBooking(booking_id.to_owned())),
    )
}

/// Folds one object, and all that links tie to it, anew. `account` is empty for our own.
///
/// # Errors
/// As [`refold_booking`].
pub fn refold_object(
    conn: &mut PgConnection,
    (account, object_id): (&str, &str),
    action_id: &str,
    rules: Rules,
    max_rows: usize,
) -> Result<Refold, ApplyError> {
    let key = Key {
        account: account.to_owned(),
        id: object_id.to_owned(),
    };
    let start = (BTreeSet::from([key]), BTreeSet::new());
    fold_anew(
        conn,
        &start,
        &BTreeSet::new(),
        action_id,
        (rules, max_rows),
        || Some(Refusal::UnknownObject(object_id.to_owned())),
    )
}

/// Folds these objects and bookings, and all that links and shared bookings tie to them, anew;
/// whatever older rules made of them is replaced.
///
/// # Errors
/// As [`refold_booking`].
pub fn rebuild_all(
    conn: &mut PgConnection,
    objects: &BTreeSet<Key>,
    bookings: &BTreeSet<String>,
    action_id: &str,
    (rules, max_rows): (Rules, usize),
) -> Result<Refold, ApplyError> {
    let bounds = Bounds {
        objects: rules.max_objects,
        rows: max_rows,
    };
    let gathered = match gather(conn, objects, bookings, Reach::Bookings, bounds) {
        Ok(gathered) => gathered,
        Err(error) => return refused(error),
    };
    let bookings = gathered.bookings.clone();
    replace_all(conn, gathered, &bookings, action_id, (rules, bounds, true))
}

/// `unknown` says why an empty world is refused, if it is.
fn fold_anew(
    conn: &mut PgConnection,
    (objects, named): &(BTreeSet<Key>, BTreeSet<String>),
    bookings: &BTreeSet<String>,
    action_id: &str,
    (rules, max_rows): (Rules, usize),
    unknown: impl FnOnce() -> Option<Refusal>,
) -> Result<Refold, ApplyError> {
    let bounds = Bounds {
        objects: rules.max_objects,
        rows: max_rows,
    };
    let gathered = match gather(conn, objects, named, Reach::Objects, bounds) {
        Ok(gathered) => gathered,
        Err(error) => return refused(error),
    };
    if gathered.belonging.is_empty()
        && gathered.rows.is_empty()
        && let Some(refusal) = unknown()
    {
        return Ok(Refold::Refused(refusal));
    }
    replace_all(conn, gathered, bookings, action_id, (rules, bounds, false))
}

/// Locks what was gathered and puts what today's rules make of it in the place of what is there.
fn replace_all(
    conn: &mut PgConnection,
    mut gathered: Gathered,
    bookings: &BTreeSet<String>,
    action_id: &str,
    (rules, bounds, replaces): (Rules, Bounds, bool),
) -> Result<Refold, ApplyError> {
    let mut plan = plan(&gathered, bookings, rules);
    plan.replaces = replaces;
    let mut world = load(conn, &plan, rules)?;
    match gathered.catch_up(conn, bounds) {
        Ok(is_closed) if is_closed && holds_all(&gathered, &world) => {}
        // Something was tied on between our look and our locks: look again.
        Ok(_) => return Err(ApplyError::Moved),
        Err(error) => return refused(error),
    }
    if let Some(refusal) = gone(conn, &world, &gathered)? {
        return Ok(Refold::Refused(refusal));
    }
    let rebuilt = gathered.rebuilt(bookings, rules.policy);
    let stale = stale(conn, &world, &rebuilt)?;
    let action = Action {
        id: action_id,
        keys: &gathered.record_keys,
    };
    let (objects_changed, mut touched) = replace(&mut world, rebuilt, &stale, action)?;
    touched.extend(bookings.iter().cloned());
    let cause = Cause {
        kind: "action",
        id: action_id,
        trace_id: None,
    };
    for booking in touched.intersection(&world.bookings.keys().cloned().collect()) {
        refold(&mut world, booking, cause)?;
    }
    write(conn, &mut world, &gathered, &stale)?;
    let changed = world.transitions.iter();
    Ok(Refold::Done(Refolded {
        objects: world.objects.len(),
        rows: gathered.rows.len(),
        objects_changed,
        ties_changed: stale.ties(&world),
        bookings_changed: changed.map(|it| it.booking_id.clone()).collect(),
    }))
}

fn refused(error: GatherError) -> Result<Refold, ApplyError> {
    match error {
        GatherError::Database(error) => Err(error.into()),
        GatherError::TooManyObjects { .. }
        | GatherError::TooManyRows { .. }
        | GatherError::Unreadable { .. } => Ok(Refold::Refused(Refusal::Gather(error))),
    }
}

/// Every object, and the bookings that any of them belongs to now or will.
fn plan(gathered: &Gathered, bookings: &BTreeSet<String>, rules: Rules) -> Plan {
    let rebuilt = gathered.rebuilt(bookings, rules.policy);
    let mut plan = Plan {
        bookings: bookings.clone(),
        ..Plan::default()
    };
    for (key, object) in &rebuilt.objects {
        plan.stubs.insert(key.clone(), object.kind.clone());
        plan.bookings.extend(object.booking_id.clone());
    }
    plan.mentions = rebuilt.mentions;
    let shares = rebuilt.shares.into_values().flatten();
    let held = shares.map(|share| share.booking_id);
    plan.bookings
        .extend(held.filter(|booking| !booking.is_empty()));
    plan
}

fn holds_all(gathered: &Gathered, world: &World) -> bool {
    world.objects.keys().all(|key| gathered.holds(key))
}

/// A stored state may know of rows that were not read, because a bug put them there; but not of
/// rows that the ledger does not have.
fn gone(
    conn: &mut PgConnection,
    world: &World,
    gathered: &Gathered,
) -> Result<Option<Refusal>, ApplyError> {
    let mut unread = Vec::new();
    for row in world.objects.values() {
        let sources = row.state.sources();
        let missing = sources.filter(|id| !gathered.rows.contains_key(*id));
        unread.extend(missing.map(|id| (id, row.key.id.as_str())));
    }
    if unread.is_empty() {
        return Ok(None);
    }
    let ids: Vec<&str> = unread.iter().map(|(id, _)| *id).collect();
    let absent = shared::db::ledger::absent(conn, &ids)?;
    Ok(absent.into_iter().next().map(|event| Refusal::Gone {
        object: unread
            .iter()
            .find(|(id, _)| *id == event)
            .map_or_else(String::new, |(_, object)| (*object).to_owned()),
        event,
    }))
}

fn write(
    conn: &mut PgConnection,
    world: &mut World,
    gathered: &Gathered,
    stale: &Stale,
) -> Result<(), ApplyError> {
    ask_for_ties(world);
    tell_objects(world);
    write_world(conn, world, REFOLD)?;
    if !stale.links.is_empty() {
        store::refold::delete_links(conn, &stale.links)?;
    }
    if !stale.mentions.is_empty() {
        store::refold::delete_mentions(conn, &stale.mentions)?;
    }
    store::refold::set_fold_version(conn, &gathered.rows)?;
    Ok(())
}
