//! The processor: the one writer of ledger, objects, bookings and outbox.
//!
//! A polling thread feeds bounded queues; workers apply one batch in one transaction each; a
//! thread of its own folds registrations, another publishes the outbox. No HTTP client, no Stripe call.

pub mod app;
pub mod apply;
pub mod config;
pub mod consumer;
pub mod dead_letter;
pub mod dead_letters;
pub mod decode;
pub mod failure;
pub mod item;
pub mod metrics;
pub mod progress;
pub mod registrations;
pub mod relay;
pub mod store;
pub mod worker;
