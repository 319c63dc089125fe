//! Free loopback ports below the range that outgoing connections take theirs from, so that a
//! server can come back on the port it had.

use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt;

use super::error::StackError;

/// A loopback port that nobody listens on now.
///
/// # Errors
/// When a thousand tries found none.
pub fn free_port() -> Result<u16, StackError> {
    let mut random = rand::rng();
    (0..1000)
        .map(|_| random.random_range(15_000..32_000))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(StackError::NoPort)
}
