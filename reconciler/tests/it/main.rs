//! The reconciler against real Kafka, real Postgres and a fake Stripe. `KAFKA_BROKERS` and
//! `DATABASE_URL` (of a role that may create databases) must be set, as `make test` does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and look at the machine themselves"
)]

mod accounts;
mod backfill;
mod backfill_beside;
mod backlog;
mod classes;
mod client;
mod closure;
mod commands;
mod counted;
mod deep;
mod due;
mod end_to_end;
mod holes;
mod kills;
mod ledger;
mod not_generated;
mod official_client;
mod pending;
mod plans;
mod refetch;
mod refetch_bounds;
mod refused;
mod retention;
mod sample;
mod sender;
mod shared_budget;
mod standby;
mod support;
mod tail;
mod volume;
mod waiting;
mod window;
