//! The ingestor: verifies Stripe's signature and appends the event to Kafka.
//!
//! Invariants: 2xx means durable; the value is the body's exact bytes. It opens no database
//! connection and calls no API.

pub mod admission;
pub mod app;
pub mod body;
pub mod budget;
pub mod config;
pub mod connection;
pub mod line;
pub mod listener;
pub mod metrics;
pub mod outcome;
pub mod record;
pub mod secrets;
pub mod stats;
pub mod tally;
pub mod watch;
pub mod webhook;
