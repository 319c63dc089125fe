//! The reconciler: the recovery path. It reads Stripe's own record, compares it with the ledger,
//! and publishes what is missing through the same topic as the ingestor.
//!
//! Invariants: it can be late, never wrong: its cursor moves only after what it published was
//! acknowledged, a backlog is never taken for a gap, and a window is either proved complete or its
//! gaps are named. It alone holds Stripe's API key. It writes no ledger, object, booking or outbox
//! row; what has outlived its life it removes through functions that the database owns.
//!
//! Deliberately absent: folding, and any listener in the one-shot commands.

pub mod backfill;
pub mod barrier;
pub mod budget;
pub mod commands;
pub mod config;
pub mod counted;
pub mod due;
pub mod evidence;
pub mod lateness;
pub mod metrics;
pub mod pace;
pub mod parts;
pub mod passes;
pub mod proof;
pub mod publish;
pub mod repair;
pub mod retention;
pub mod sampling;
pub mod sender;
pub mod service;
pub mod store;
pub mod stripe;
pub mod sweep;
pub mod verify;
