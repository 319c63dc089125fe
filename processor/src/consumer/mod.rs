//! From Kafka to the workers: one polling thread, bounded queues, one claim a partition.
//!
//! Invariant: where reading begins is decided by Postgres (`partition_progress`), under a raised
//! epoch, before the first record of an assignment is dealt out. Kafka's committed offsets are
//! written as a hint for lag tools and never read.

mod assignment;
mod claim;
mod polling;
mod queues;

pub use polling::{Heartbeat, PollingError, PollingSettings, run};
pub use queues::{Batch, Lost, Probe, QueueLimits, Queues, Record, Stalled};
