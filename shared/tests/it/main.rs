//! What the compiler cannot see: who may know of whom, and that migrations can be undone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod corpus;
mod edges;
mod fuzz;
mod grants;
mod histories;
mod money;
mod official;
mod rebuild;
mod reference;
mod schema;
mod signature_fuzz;
mod signature_timing;
mod told;
