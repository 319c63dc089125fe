//! `bookend` as an operator runs it: the real binary against a real, migrated Postgres.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests are told by variables where their servers are"
)]

mod booking;
mod doctor;
mod documents;
mod endpoint;
mod erasing;
mod event;
mod fixture;
mod lag;
mod lists;
mod money;
mod operating;
#[path = "../../../processor/tests/it/planted.rs"]
mod planted;
mod refold;
mod refusals;
mod replay;
mod secrets;
mod settings_page;
mod stripe_api;
mod sweep;
mod verify;
