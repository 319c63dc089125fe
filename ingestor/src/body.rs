//! Reads a request's body: bounded in bytes and in time.
//!
//! The framework cuts neither a body that stalls nor one that never ends (it times only the
//! first head of a connection), so both bounds are ours.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use futures_util::StreamExt;

use crate::outcome::Outcome;

/// Bounds of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes.
    pub bytes: usize,
    /// From head to last byte.
    pub deadline: Duration,
}

/// The body's bytes.
///
/// # Errors
/// The outcome to be answered: too large (told before reading where `Content-Length` says so),
/// too slow, or broken off.
pub async fn read(
    request: &HttpRequest,
    payload: Payload,
    limits: BodyLimits,
) -> Result<Vec<u8>, Outcome> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > limits.bytes) {
        return Err(Outcome::TooLarge);
    }
    match tokio::time::timeout(limits.deadline, collect(payload, announced, limits.bytes)).await {
        Err(_elapsed) => Err(Outcome::TooSlow),
        Ok(collected) => collected,
    }
}

async fn collect(
    mut payload: Payload,
    announced: Option<usize>,
    limit: usize,
) -> Result<Vec<u8>, Outcome> {
    let mut body = Vec::with_capacity(announced.unwrap_or(4096).min(limit));
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else {
            return Err(Outcome::Broken);
        };
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(Outcome::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
