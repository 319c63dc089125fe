//! What tests need: waiting for a fact, a database and topics of their own.
//!
//! Invariant: tests that run side by side share servers, never a table, a topic or a group.
//! Everything here fails by panicking with the reason, as it is called by tests only.
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod database;
mod disk;
mod eventually;
mod nginx;
mod official;
pub mod plans;
mod statements;
mod timings;
mod topics;

pub use database::TestDatabase;
pub use disk::SmallDisk;
pub use eventually::{Outcome, eventually, eventually_async};
pub use nginx::Nginx;
pub use official::{below_target, official_node, official_python, run_tool};
pub use statements::{Explained, Recorder};
pub use timings::Timings;
pub use topics::TestTopics;

use std::env;

/// The value of KAFKA_BROKERS.
///
/// # Panics
/// When it is not set: a test never passes for want of a server.
#[must_use]
pub fn brokers() -> String {
    required("KAFKA_BROKERS")
}

/// The value of DATABASE_URL: a superuser's URL.
///
/// # Panics
/// When it is not set: a test never passes for want of a server.
#[must_use]
pub fn database_url() -> String {
    required("DATABASE_URL")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only settings of tests, given by `testbed exec`"
)]
fn required(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run `make test`, or `target/release/testbed exec -- cargo test …`"
        )
    })
}

/// A name that no other test of this server has: letters, digits, underscores.
fn unique(label: &str) -> String {
    let random: u64 = rand::random();
    format!("{label}_{}_{random:016x}", std::process::id())
}
