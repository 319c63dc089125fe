//! The processor: the one writer of ledger, objects, bookings and outbox.
//!
//! A polling thread feeds bounded queues; workers apply one batch in one transaction each; a
//! thread of its own folds registrations, one drains what is parked, one publishes the outbox, one
//! listens to operators. No HTTP client, no Stripe call.

pub mod app;
pub mod apply;
pub mod brake;
pub mod config;
pub mod consumer;
pub mod control;
pub mod dead_letter;
pub mod dead_letters;
pub mod decode;
pub mod failure;
pub mod fingerprint;
pub mod item;
pub mod metrics;
pub mod parked;
pub mod progress;
pub mod raw_headers;
pub mod registrations;
pub mod relay;
pub mod store;
pub mod worker;
