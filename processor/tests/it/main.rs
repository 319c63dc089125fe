//! The processor as a process, on a real Kafka and a real Postgres.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod belonging;
mod bookings;
mod brake;
mod broker_faults;
mod cut_off;
mod database_faults;
mod dead_letters;
mod deadlocks;
mod disk_full;
mod due;
mod duplicates;
mod event_types;
mod frozen;
mod harness;
mod histories;
mod kills;
mod members;
mod money;
mod older_rules;
mod orders;
mod outages;
mod parking;
mod planted;
mod progress;
mod publishing;
mod quiet;
mod refold;
mod refusals;
mod relay;
mod removed;
mod replay;
mod restore;
mod runbooks;
mod schema;
mod stalled;
mod stories;
mod topic;
mod wedged;
