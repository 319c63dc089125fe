//! Faults that are made on purpose, between our processes and what they depend on.

mod proxy;
mod pump;

pub use proxy::{Direction, Fault, Proxy};
