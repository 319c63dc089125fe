//! A real Kafka and a real Postgres on this machine, without containers.
//!
//! Invariant: what was started is stopped when its handle goes; what a killed run left is
//! stopped by the next. fsync stays on. Not here: anything of Bookend's own.

pub mod error;
mod fetch;
pub mod install;
mod jars;
pub mod kafka;
mod kafka_files;
pub mod leftovers;
pub mod ports;
pub mod postgres;
mod postgres_home;
pub mod process;
pub mod topics;
pub mod url;
mod wheels;

pub use error::StackError;
pub use kafka::Kafka;
pub use leftovers::{RunDir, home};
pub use postgres::{Mode, Postgres};
