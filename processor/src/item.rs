//! What one record turned out to be, before the database is asked anything.

use shared::envelope::ObjectRef;
use shared::folding::Reading;

use crate::consumer::Record;

/// One record, decoded.
#[derive(Debug)]
pub enum Item {
    /// An event or an observation that can be folded.
    Readable(Box<Readable>),
    /// A record given up on: its dead letter is acknowledged before its progress moves.
    Dead(Box<Dead>),
}

impl Item {
    /// The record it came from.
    #[must_use]
    pub fn record(&self) -> &Record {
        match self {
            Self::Readable(item) => &item.record,
            Self::Dead(item) => &item.record,
        }
    }
}

/// The kind of a ledger row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// As Stripe sent or listed it.
    Event,
    /// An object as retrieved from Stripe.
    Observation,
}

impl RowKind {
    /// As in `events.record_kind` and `booking_transitions.cause_kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Observation => "observation",
        }
    }
}

/// A record that can be folded.
#[derive(Debug)]
pub struct Readable {
    /// Where it came from.
    pub record: Record,
    /// Event or observation.
    pub kind: RowKind,
    /// Event id, or the observation's.
    pub id: String,
    /// Seconds since 1970; 0 where absent or absurd.
    pub created: i64,
    /// Connected account; empty for our own.
    pub account: String,
    /// Stripe's livemode, where told.
    pub livemode: Option<bool>,
    /// Stripe's event type; `observation.<object>` for observations.
    pub event_type: String,
    /// Version of the payload.
    pub api_version: Option<String>,
    /// The object it is about.
    pub object: Option<ObjectRef>,
    /// A thin event: tells that something changed, not what.
    pub thin: bool,
    /// The snapshot event made for the same change.
    pub snapshot_event: Option<String>,
    /// SHA-256 of the value.
    pub sha256: [u8; 32],
    /// What it says.
    pub reading: Reading,
    /// Not ours to fold (other mode, account not allowed): stored all the same.
    pub ignored: bool,
}

/// A record given up on.
#[derive(Debug)]
pub struct Dead {
    /// Where it came from.
    pub record: Record,
    /// Its id, where one could be read: then the ledger gets a row.
    pub id: Option<String>,
    /// Seconds since 1970; 0 where unknown.
    pub created: i64,
    /// SHA-256 of the value.
    pub sha256: [u8; 32],
    /// Where it failed.
    pub stage: Stage,
    /// `poison`, `business` or `infrastructure`.
    pub class: &'static str,
    /// Stable name of the error.
    pub kind: &'static str,
    /// Chain of causes, without payload data.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The dead-letter topic acknowledged it: it need not be published again when its batch is
    /// retried or split.
    pub buried: bool,
}

/// Where a record failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It could not be read.
    Decode,
    /// It could not be folded or written.
    Apply,
}

impl Stage {
    /// As in `dead_letters.stage`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Apply => "apply",
        }
    }
}
