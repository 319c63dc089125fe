//! The ingestor over real sockets: its answers with the log in our hands, then the whole
//! process on a real Kafka.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod answers;
mod bounds;
mod brokers;
mod client;
mod connections;
mod faults;
mod http;
mod line;
mod nginx;
mod process;
mod producer;
mod secrets;
mod stand;
mod stats;
mod topic;
