//! Replay: events that are in the log or the ledger, published again, so that the processor looks
//! at them once more.
//!
//! *Invariants:* what is published has the same bytes under the same key, and the evidence that it
//! came with. The plan is committed, with the action that names who and why, before the first
//! record leaves. The log is read below its end as first seen and below our progress, in no group.
//! Ledger, objects and bookings are the processor's: it also writes what became of each item.
//!
//! Deliberately absent: moving the processor's progress. A replayed record is a new record.

pub(crate) mod acting;
pub(crate) mod args;
pub(crate) mod candidate;
pub(crate) mod describe;
mod filter;
pub(crate) mod find;
mod items;
mod ledger;
pub(crate) mod log;
pub(crate) mod pace;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod publish;
mod ranges;
mod record;
mod start;
mod stored;
mod times;
