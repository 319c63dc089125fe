//! The fake Stripe is what the services are judged by, so it is judged here: by Stripe's
//! documentation, by its own seed, and by the official Python client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod support;

mod amounts;
mod api_faults;
mod authorizations;
mod billing;
mod cli;
mod control;
mod delivery;
mod delivery_faults;
mod endpoints;
mod history;
mod independence;
mod listing;
mod objects;
mod official_clients;
mod seeds;
mod signing;
mod subscriptions;
mod thin;
mod truths;
mod volume;
