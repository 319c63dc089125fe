//! What one record turned out to be, before the database is asked anything.

use chrono::{DateTime, Utc};
use shared::commands::Command;
use shared::envelope::ObjectRef;
use shared::error::Class;
use shared::folding::Reading;

use crate::consumer::Record;

/// One record, decoded.
#[derive(Debug)]
pub enum Item {
    /// An event or an observation that can be folded.
    Readable(Box<Readable>),
    /// A record given up on: its dead letter is acknowledged before its progress moves.
    Dead(Box<Dead>),
    /// A readable record that failed alone: it is parked, with its reason. Always the only one
    /// of its set.
    Failing(Box<Failing>),
    /// An operator's wish. Always the only one of its set, carried out in a transaction of its own.
    Command(Box<CommandItem>),
}

impl Item {
    /// The record it came from.
    #[must_use]
    pub fn record(&self) -> &Record {
        match self {
            Self::Readable(item) => &item.record,
            Self::Dead(item) => &item.record,
            Self::Failing(item) => &item.item.record,
            Self::Command(item) => &item.record,
        }
    }

    /// Whether it shares a transaction with its neighbours.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        match self {
            Self::Readable(_) | Self::Dead(_) => false,
            Self::Failing(_) | Self::Command(_) => true,
        }
    }
}

/// Why a record could not be applied, as its row in `parked_events` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Business or unclassified.
    pub class: Class,
    /// Stable name of the error.
    pub kind: &'static str,
    /// Chain of causes, without payload data.
    pub error: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A record that failed alone.
#[derive(Debug)]
pub struct Failing {
    /// It.
    pub item: Readable,
    /// Why.
    pub reason: Reason,
    /// The booking whose folding failed, where the error names one.
    pub booking: Option<String>,
    /// Whether its booking's row can be written; false after that failed, too.
    pub hold: bool,
}

/// A command, with what stands in its way.
#[derive(Debug)]
pub struct CommandItem {
    /// Where it came from.
    pub record: Record,
    /// What is wished.
    pub command: Command,
    /// It failed for a reason of its own: the next attempt only writes that down.
    pub failed: Option<String>,
    /// The event whose dead letter the topic has acknowledged, before a skip takes it out.
    pub buried: Option<String>,
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
    /// Poison, business, or (skipped by an operator) unclassified.
    pub class: Class,
    /// Stable name of the error.
    pub kind: &'static str,
    /// Chain of causes, without payload data.
    pub error: String,
    /// Stripe's event type, where it could be read.
    pub event_type: Option<String>,
    /// The booking that is held because of it.
    pub booking: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// First failure; none: this is it.
    pub first_failed_at: Option<DateTime<Utc>>,
    /// The brake let it pass: it is not asked again when its batch is retried or split.
    pub admitted: bool,
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
