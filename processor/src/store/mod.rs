//! The statements that write ledger, objects, bookings and outbox. No other crate contains
//! them: there is one writer.
//!
//! All are set-based (`UNNEST` of one array a column): a batch costs the same few round trips
//! whether it holds one record or five hundred. Keys are sorted and distinct before they come
//! here, so that two batches lock in the same order.

pub mod actions;
pub mod bookings;
pub mod control;
pub mod dead_letters;
pub mod events;
pub mod findings;
pub mod inputs;
pub mod objects;
pub mod outbox;
pub mod parked;
pub mod progress;
pub mod projections;
pub mod refetches;
pub mod refold;
pub mod registrations;
pub mod restores;
pub mod rules;
pub mod shares;

/// Name of the batch's transaction, as in `updated_by`.
pub const APPLY_BATCH: &str = "apply_batch";
