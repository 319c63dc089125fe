//! The rows a batch works on, in memory, and everything it will write.

use std::collections::{BTreeMap, BTreeSet};

use shared::folding::{ObjectState, Registration};

pub use shared::folding::Shown;
use shared::folding::graph::{Graph, Key, StoredClaim};

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
    /// What the last fact about it said.
    pub published_state: Option<String>,
    /// The record of this batch that changed it last.
    pub told_by: Option<Told>,
    /// Whether the batch changed it.
    pub dirty: bool,
    /// Whether its row is locked, and its links and claims are all known here.
    pub locked: bool,
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

/// Belonging that contradicts itself: resolved by rule, and shown to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// `claims_differ` or `foreign_claim`.
    pub kind: &'static str,
    /// The object.
    pub key: Key,
    /// The event or observation that made the claim.
    pub event_id: String,
    /// The claimed booking.
    pub booking_id: String,
    /// What it was decided by.
    pub evidence: serde_json::Value,
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
    /// `tie`, `refunds_differ`, `thin` or `not_generated`.
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
#[derive(Debug, Default)]
pub struct World {
    /// Objects by key.
    pub objects: BTreeMap<Key, ObjectRow>,
    /// Links and claims.
    pub graph: Graph,
    /// Bookings by id.
    pub bookings: BTreeMap<String, BookingRow>,
    /// Folded registrations by booking id, with their account (empty: ours).
    pub registrations: BTreeMap<String, (Registration, String)>,
    /// Ids the ledger has.
    pub known: BTreeMap<String, Known>,
    /// Objects by the booking they belong to.
    pub members: BTreeMap<String, BTreeSet<Key>>,
    /// Links to be written, with who said so.
    pub new_links: Vec<(Key, Key, String)>,
    /// Claims to be written.
    pub new_claims: BTreeMap<(Key, i16), StoredClaim>,
    /// Transitions to be written.
    pub transitions: Vec<Transition>,
    /// Facts to be written.
    pub facts: Vec<Fact>,
    /// Refetches to be asked for.
    pub refetches: BTreeSet<Refetch>,
    /// Snapshot events folded here: whoever asked for one of them is answered.
    pub snapshots: BTreeSet<String>,
    /// Names of queues that are not empty: bookings, or keys of records without one. Partly from a
    /// look without a lock: good enough to wait in, not to hold a booking by.
    pub queues: BTreeSet<String>,
    /// Bookings that are held: by their row under its lock, or by an event that was parked here.
    pub held: BTreeSet<String>,
    /// Findings to be written.
    pub contradictions: Vec<Contradiction>,
    /// Further records of an id, by id.
    pub copies: BTreeMap<String, i32>,
    /// What each readable record came to, and its booking then, by offset.
    pub outcomes: BTreeMap<i64, (super::fold::Outcome, Option<String>)>,
    /// Something would have to change that is not locked: the batch must start over.
    pub unlocked: bool,
}

impl World {
    /// Whether a claim by an object of `account` counts for `booking`: a booking belongs to the
    /// account it was registered for, and without a registration to our own. So a connected
    /// account can never claim a booking of ours.
    #[must_use]
    pub fn eligible(&self, account: &str, booking: &str) -> bool {
        self.registrations
            .get(booking)
            .map_or(account.is_empty(), |(_, registered_for)| {
                registered_for == account
            })
    }

    /// The booking an object resolves to now.
    #[must_use]
    pub fn resolved(&self, key: &Key) -> Option<String> {
        self.graph
            .resolve(key, &|account, booking| self.eligible(account, booking))
            .map(|claim| claim.booking_id.clone())
    }

    /// Puts an object row in, with its membership.
    pub fn put_object(&mut self, row: ObjectRow) {
        if let Some(booking) = &row.booking_id {
            self.members
                .entry(booking.clone())
                .or_default()
                .insert(row.key.clone());
        }
        self.objects.insert(row.key.clone(), row);
    }

    /// Moves an object to the booking it now resolves to; both bookings if that is a change.
    /// One that is not locked turned up after we looked: its claims are not known here.
    pub fn reassign(&mut self, key: &Key) -> Vec<String> {
        if self.objects.get(key).is_some_and(|row| !row.locked) {
            self.unlocked = true;
            return Vec::new();
        }
        let resolved = self.resolved(key);
        let Some(row) = self.objects.get_mut(key) else {
            return Vec::new();
        };
        if row.booking_id == resolved {
            return Vec::new();
        }
        let before = std::mem::replace(&mut row.booking_id, resolved.clone());
        row.dirty = true;
        if let Some(members) = before.as_ref().and_then(|id| self.members.get_mut(id)) {
            members.remove(key);
        }
        if let Some(id) = &resolved {
            self.members
                .entry(id.clone())
                .or_default()
                .insert(key.clone());
        }
        before.into_iter().chain(resolved).collect()
    }
}
