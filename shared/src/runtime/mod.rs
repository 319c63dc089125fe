//! What every long-running service does around its work: tells whether it lives and is ready,
//! shows its metrics, and stops in order when asked to.
//!
//! Invariant: the operations listener has its own thread and address, so it answers however
//! busy the service is, and nothing of it is reachable on the public listener.

mod health;
mod ops;
mod stop;

pub use health::Health;
pub use ops::{Ops, OpsError, start_ops};
pub use stop::Stop;
