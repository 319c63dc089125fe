//! The sweeps: what each does, from listing to record.
//!
//! Invariants: a cursor moves only after everything that was missing before it was acknowledged
//! by the log; nothing is compared before the barrier is passed; what fails leaves its window
//! open and is done again.
//!
//! Deliberately absent: when they run (see [`crate::service`]).

pub mod attempts;
mod claims;
pub mod classify;
pub mod deep;
mod differs;
pub mod holes;
pub mod inspect;
pub mod ledger;
pub mod look;
mod note;
pub mod pending;
pub mod plans;
mod put_right;
pub mod quota;
pub mod refetch;
mod refused;
pub mod sample;
pub mod sender;
pub mod tail;
mod types;
mod view;
pub mod window;

use std::sync::Arc;
use std::time::Duration;

use shared::kafka::producer::EventLog;

use crate::barrier::{Barrier, BarrierError};
use crate::budget::Purpose;
use crate::counted::StatsReader;
use crate::publish::Publisher;
use crate::store::{Store, StoreError};
use crate::stripe::{Client, StripeError};

/// The bounds of all sweeps.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The mode whose events are compared.
    pub livemode: bool,
    /// How far in the past a window ends, in seconds.
    pub lag_s: i64,
    /// How far before the cursor a window begins, in seconds.
    pub overlap_s: i64,
    /// Longest stretch that one sweep moves the cursor by, in seconds.
    pub span_s: i64,
    /// Events that one sweep may list.
    pub max_events: usize,
    /// Events that one pass may publish; above it nothing is published and a person decides.
    pub repair_cap: usize,
    /// How long an event may stay parked before it is drift.
    pub parked_limit: Duration,
    /// How long to wait for another sweep's repair to end.
    pub lock_patience: Duration,
    /// How long a booking may wait for its money before its payment is looked at.
    pub pending_after: Duration,
    /// How long a booking may wait without a change before Stripe is asked no more.
    pub abandon_after: Duration,
    /// Objects that one look at waiting bookings may retrieve.
    pub pending_batch: i64,
    /// Pause between the second in doubt and its refetch.
    pub refetch_pause: Duration,
}

/// What it takes to read both sides.
#[derive(Clone)]
pub struct Reader {
    pub client: Client,
    pub store: Store,
    pub barrier: Barrier,
    /// The ingestors' counts; `None`: nobody keeps them.
    pub stats: Option<StatsReader>,
    pub limits: Limits,
}

/// What it takes to sweep: reading, and publishing what is missing.
pub struct Engine<L> {
    pub reader: Reader,
    pub publisher: Arc<Publisher<L>>,
}

impl<L> Engine<L> {
    /// The same engine, its calls to Stripe as urgent as `purpose` is.
    #[must_use]
    pub fn for_purpose(&self, purpose: Purpose) -> Self {
        Self {
            reader: Reader {
                client: self.reader.client.for_purpose(purpose),
                ..self.reader.clone()
            },
            publisher: Arc::clone(&self.publisher),
        }
    }
}

/// Why a sweep broke off. Its window stays open.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("Stripe's side can't be read")]
    Stripe(#[from] StripeError),
    #[error("our side can't be read or written")]
    Store(#[from] StoreError),
    #[error("it isn't known whether the log has been applied")]
    Barrier(#[from] BarrierError),
    #[error("another sweep was repairing all the time")]
    Busy,
}

impl SweepError {
    /// Our connection, and with it our lock, is gone: no sweep may go on.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Store(StoreError::Lost)
            | Self::Barrier(BarrierError::Progress(StoreError::Lost)) => true,
            Self::Store(_) | Self::Stripe(_) | Self::Barrier(_) | Self::Busy => false,
        }
    }
}

impl<L: EventLog> Engine<L> {
    /// Waits for the right to repair; see [`crate::store::Lock::Repair`].
    pub(crate) async fn repair_lock(&self) -> Result<crate::store::LockGuard, SweepError> {
        self.reader
            .store
            .lock_for(crate::store::Lock::Repair, self.reader.limits.lock_patience)
            .await?
            .ok_or(SweepError::Busy)
    }
}
