//! Postgres, as every service uses it: one way to connect, one way to run a transaction, one
//! way to tell what an error means, one embedded set of migrations.
//!
//! Invariant: every connection has limits that the *server* enforces (statement, lock, idle
//! transaction), so that a frozen process frees its locks and nobody waits for ever.
//!
//! Deliberately absent: pools (each thread that needs the database owns one connection), Kafka,
//! and every statement that writes ledger, objects, bookings or outbox: those live in the
//! processor, which is the only one to run them.

pub mod belonging;
mod connect;
mod fault;
mod gather;
pub mod ledger;
mod migrations;
pub mod objects;
pub mod payloads;
pub mod shadow;
pub mod shares;
pub mod ties;
mod transaction;

pub use connect::{ConnectError, Limits, connect};
pub use fault::{DatabaseFault, fault};
pub use gather::{Bounds, GatherError, Gathered, Reach, gather};
pub use migrations::{MigrationError, SchemaError, migrate, require_schema};
pub use transaction::run_tx;
