//! What at least two of Bookend's services need.
//!
//! The pure modules decide and know no I/O, clock, environment or randomness; the others carry
//! out. `db` and `kafka` never know of each other.

pub mod backoff;
pub mod clock;
pub mod commands;
pub mod config;
pub mod db;
pub mod diffs;
pub mod envelope;
pub mod error;
pub mod folding;
pub mod ids;
pub mod kafka;
pub mod money;
pub mod routing;
pub mod runtime;
pub mod signature;
pub mod stats;
pub mod telemetry;
pub mod windows;
