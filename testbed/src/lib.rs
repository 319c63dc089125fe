//! The testbed: what development and demonstration need around the services.

// The full-size Stripe objects are single `json!` expressions.
#![recursion_limit = "256"]

pub mod bench;
pub mod demo;
pub mod exec;
pub mod faults;
pub mod histories;
pub mod send;
pub mod services;
pub mod stack;
pub mod stripe;
pub mod testing;
pub mod up;
