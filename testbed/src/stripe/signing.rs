//! The `Stripe-Signature` header as Stripe makes it (docs.stripe.com/webhooks#verify-manually),
//! and the endpoint's secrets while one is being rolled.
//!
//! Invariant: one `v1` for each secret that is active at that moment, newest secret first.

use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::clock::millis;

/// The endpoint's signing secrets.
#[derive(Debug)]
pub(crate) struct Secrets {
    current: String,
    /// Older ones with the fake's millisecond at which each dies.
    dying: Vec<(String, i64)>,
}

impl Secrets {
    pub(crate) fn new(secret: String) -> Self {
        Self {
            current: secret,
            dying: Vec::new(),
        }
    }

    /// From now on `secret` signs; the present one goes on signing beside it for `overlap`.
    pub(crate) fn roll(&mut self, secret: String, overlap: Duration, now_ms: i64) {
        let old = std::mem::replace(&mut self.current, secret);
        self.dying.retain(|(_, dies)| *dies > now_ms);
        self.dying
            .insert(0, (old, now_ms.saturating_add(millis(overlap))));
    }

    /// The secrets that sign now, newest first; never empty.
    pub(crate) fn active(&self, now_ms: i64) -> Vec<&str> {
        std::iter::once(self.current.as_str())
            .chain(
                self.dying
                    .iter()
                    .filter(|(_, dies)| *dies > now_ms)
                    .map(|(secret, _)| secret.as_str()),
            )
            .collect()
    }
}

/// The header's value: `t=<unix s>,v1=<hex>[,v1=<hex>…][,v0=<hex>]`.
///
/// # Source
/// <https://docs.stripe.com/webhooks#verify-manually>: HMAC-SHA256 over `t`, a dot and the raw
/// body, keyed by the whole secret as text.
pub fn signature_header(secrets: &[&str], timestamp_s: i64, body: &[u8], v0_noise: bool) -> String {
    let mut header = format!("t={timestamp_s}");
    for secret in secrets {
        // Writing to a String cannot fail.
        let _ = write!(header, ",v1={}", mac(secret, timestamp_s, body));
    }
    if v0_noise {
        let _ = write!(header, ",v0={}", mac("v0", timestamp_s, body));
    }
    header
}

fn mac(secret: &str, timestamp_s: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length; the error type exists for other MACs only.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(timestamp_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
