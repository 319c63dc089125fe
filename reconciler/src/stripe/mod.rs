//! Stripe's API, as far as the reconciler reads it: events by window, objects by id.
//!
//! Invariants: every call is paced, timed, bounded in bytes and in attempts; nothing is ever
//! written; the bytes of an event or object are handed on exactly as they arrived.
//!
//! Deliberately absent: what the answers mean for the ledger.

pub mod client;
pub mod collections;
pub mod descent;
pub mod endpoints;
pub mod error;
pub mod listing;
pub mod objects;
pub mod retry;
pub mod walk;

pub use client::{Budget, Client, Reply, Settings};
pub use error::StripeError;
pub use listing::{ListedEvent, Lister, Query};
