//! The rows a batch works on, in memory, and everything it will write.

use std::collections::{BTreeMap, BTreeSet};

use shared::folding::money::{Finding, Policy, Share};
use shared::folding::rebuild::HumanInputs;
use shared::folding::{MAX_BOOKING_PAYMENTS, ObjectState};

pub use shared::folding::Shown;
use shared::folding::graph::{Graph, Key};

/// One object as locked (or, for a member that the batch does not touch, as read).
#[derive(Debug, Clone)]
pub struct ObjectRow {
    /// Its key.
    pub key: Key,
    /// Stripe's object name.
    pub kind: String,
    /// All it has been told.
    pub state: ObjectState,
    /// The booking it belongs to.
    pub booking_id: Option<String>,
    /// Raised with each write.
    pub version: i64,
    /// Version of the rules that made its state.
    pub fold_version: i32,
    /// What the last fact about it said.
    pub published_state: Option<String>,
    /// The record of this batch that changed it last.
    pub told_by: Option<Told>,
    /// Whether the batch changed it.
    pub dirty: bool,
}

/// The record that changed an object: what a fact gives as its cause.
#[derive(Debug, Clone)]
pub struct Told {
    /// `event` or `observation`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// The record's key.
    pub key: String,
    /// The trace that brought it.
    pub trace_id: Option<String>,
}

impl Told {
    /// As a cause.
    #[must_use]
    pub fn cause(&self) -> Cause<'_> {
        Cause {
            kind: self.kind,
            id: &self.id,
            trace_id: self.trace_id.as_deref(),
        }
    }
}

/// One booking, locked.
#[derive(Debug, Clone, Default)]
pub struct BookingRow {
    /// Its id.
    pub id: String,
    /// Connected account; none: ours.
    pub account: Option<String>,
    /// As stored; none for a row that this batch makes.
    pub shown: Option<Shown>,
    /// What the last fact said.
    pub published_state: Option<String>,
    /// Number of its transitions.
    pub version: i64,
    /// Version of the rules that folded it last.
    pub fold_version: i32,
    /// Whether the batch changed it.
    pub dirty: bool,
}

impl BookingRow {
    /// Whether events wait behind a blocked one of this booking.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        let hold = self.shown.as_ref().and_then(|shown| shown.hold.as_deref());
        hold == Some("parked")
    }
}

/// Why a booking changed.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// `event`, `observation` or `registration`.
    pub kind: &'static str,
    /// Id of the event or observation; the booking id for a registration.
    pub id: &'a str,
    /// The trace that brought it, 32 hex digits.
    pub trace_id: Option<&'a str>,
}

/// A row of the audit trail to be written.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The booking.
    pub booking_id: String,
    /// The version it makes.
    pub version: i64,
    /// Its cause.
    pub cause_kind: &'static str,
    /// Its cause.
    pub cause_id: String,
    /// Before; none for the first.
    pub before: Option<Shown>,
    /// After.
    pub after: Shown,
}

/// A fact to be written to the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Hash of kind, subject and target state.
    pub id: String,
    /// Key of its record: the booking, or the key of the record that caused it.
    pub key: String,
    /// What kind of fact.
    pub kind: &'static str,
    /// The fact as JSON text.
    pub payload: String,
}

/// An object to be retrieved from Stripe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refetch {
    /// The object.
    pub key: Key,
    /// Its Stripe object name.
    pub kind: String,
    /// Names the doubt.
    pub fingerprint: String,
    /// As in `refetches.reason`.
    pub reason: &'static str,
    /// The second in question.
    pub tied_at: i64,
}

/// What the ledger already says about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Whether its disposition is `dead`.
    pub dead: bool,
    /// Whether it is in a queue: it waits, or (with `dead`) is the head that was given up on.
    pub queued: bool,
    /// SHA-256 of the kept bytes.
    pub sha256: [u8; 32],
}

/// Everything a batch reads and will write.
#[derive(Debug, Default, Clone)]
pub struct World {
    /// Objects by key, all locked, with all their links.
    pub objects: BTreeMap<Key, ObjectRow>,
    /// Links.
    pub graph: Graph,
    /// Bookings by id, all locked.
    pub bookings: BTreeMap<String, BookingRow>,
    /// Those of them that this transaction made only to lock them.
    pub made: BTreeSet<String>,
    /// What people put in.
    pub human: HumanInputs,
    /// Settings.
    pub policy: Policy,
    /// Ids the ledger has.
    pub known: BTreeMap<String, Known>,
    /// Shares of the locked objects.
    pub shares: BTreeMap<Key, Vec<Share>>,
    /// The same, as stored.
    pub stored_shares: BTreeMap<Key, Vec<Share>>,
    /// Shares of the locked bookings.
    pub by_booking: BTreeMap<String, BTreeMap<Key, Share>>,
    /// Bookings of which not every share was read, because they have too many.
    pub crowded: BTreeSet<String>,
    /// Bookings that the locked objects name.
    pub mentions: BTreeSet<(Key, String)>,
    /// Links to be written, with who said so.
    pub new_links: Vec<(Key, Key, String)>,
    /// Mentions to be written.
    pub new_mentions: BTreeSet<(Key, String)>,
    /// Transitions to be written.
    pub transitions: Vec<Transition>,
    /// Facts to be written.
    pub facts: Vec<Fact>,
    /// Refetches to be asked for.
    pub refetches: BTreeSet<Refetch>,
    /// Snapshot events folded here: whoever asked for one of them is answered.
    pub snapshots: BTreeSet<String>,
    /// Questions that need no call any more.
    pub answered: BTreeSet<String>,
    /// Names of queues that are not empty: bookings, or keys of records without one. Partly from a
    /// look without a lock: good enough to wait in, not to hold a booking by.
    pub queues: BTreeSet<String>,
    /// Bookings that are held: by their row under its lock, or by an event that was parked here.
    pub held: BTreeSet<String>,
    /// Contradictions that hold, by what decides about them; each scope here is complete.
    pub findings: BTreeMap<String, Vec<Finding>>,
    /// Money that moved from one booking to another here: told for good.
    pub moved: Vec<Finding>,
    /// Further records of an id, by id.
    pub copies: BTreeMap<String, i32>,
    /// What each readable record came to, and its booking then, by offset.
    pub outcomes: BTreeMap<i64, (super::fold::Outcome, Option<String>)>,
    /// Something would have to change that is not locked: the batch must start over.
    pub unlocked: bool,
}

impl World {
    /// Whether a claim by an object of `account` may count for `booking`. A payment on our account
    /// may be for a connected one: whether it is, dividing decides.
    #[must_use]
    pub fn may_claim(&self, account: &str, booking: &str) -> bool {
        account.is_empty()
            || self
                .human
                .registered
                .get(booking)
                .is_some_and(|registered| registered.account == account)
    }

    /// Takes the shares of a booking in, as read.
    pub fn put_shares(&mut self, booking: &str, shares: Vec<(Key, Share)>) {
        if shares.len() > MAX_BOOKING_PAYMENTS {
            self.crowded.insert(booking.to_owned());
        }
        let held = self.by_booking.entry(booking.to_owned()).or_default();
        held.extend(shares);
    }
}
