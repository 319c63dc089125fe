//! Reads a request's body: bounded in bytes, in time, and by the budget of all.
//!
//! The framework cuts neither a body that stalls nor one that never ends (it times only the
//! first head of a connection), so all bounds are ours.

use std::time::Duration;

use actix_http::{HttpMessage, Payload, Request, header};
use futures_util::StreamExt;

use crate::budget::{Budget, Charge};
use crate::outcome::Outcome;

/// What is set aside for a body before its bytes are here, at most.
const EARLY_BYTES: usize = 16 * 1024;

/// Bounds of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes.
    pub bytes: usize,
    /// From head to last byte.
    pub deadline: Duration,
}

/// The body's bytes, and what they are charged to.
///
/// # Errors
/// The outcome to be answered: too large (told before reading where `Content-Length` says so),
/// no room, too slow, or broken off.
pub async fn read(
    request: &Request,
    payload: Payload,
    limits: BodyLimits,
    budget: &Budget,
) -> Result<(Vec<u8>, Charge), Outcome> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > limits.bytes) {
        return Err(Outcome::TooLarge);
    }
    let charge = budget.open().ok_or(Outcome::NoRoom)?;
    let body = Vec::with_capacity(announced.unwrap_or(0).min(EARLY_BYTES));
    let collected = collect(payload, (body, charge), limits.bytes);
    match tokio::time::timeout(limits.deadline, collected).await {
        Err(_elapsed) => Err(Outcome::TooSlow),
        Ok(collected) => collected,
    }
}

async fn collect(
    mut payload: Payload,
    (mut body, mut charge): (Vec<u8>, Charge),
    limit: usize,
) -> Result<(Vec<u8>, Charge), Outcome> {
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else {
            return Err(Outcome::Broken);
        };
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(Outcome::TooLarge);
        }
        if !charge.grow(body.len(), chunk.len()) {
            return Err(Outcome::NoRoom);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, charge))
}
