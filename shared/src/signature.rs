//! Is this body from Stripe? The checks of `Stripe-Signature`, in an order that matters.
//!
//! Pure: the time is handed in. Invariant: a [`Verified`] exists only because one of the
//! configured secrets made the MAC over exactly these bytes, within the tolerance. It cannot be
//! built otherwise, and what publishes takes nothing else.
//!
//! Stricter than the official libraries on purpose, where Stripe sends none of it: a second
//! `t`, a signed or padded `t`, a `t` in the future beyond the tolerance, a `v1` with something
//! behind its digits, a header with white space or anything but ASCII are refused. As there, hex
//! digits must be lower case. In one thing wider: a body need not be text.
//!
//! Sources: Stripe's documentation "Verify webhook signatures"; the reference checks of
//! stripe-node (`Webhooks.ts`), stripe-python (`_webhook.py`) and stripe-go (`webhook.go`).

mod header;
mod secrets;

pub use header::SignatureHeader;
pub use secrets::{Secrets, SecretsError, SigningSecret};

use std::sync::Arc;

use hmac::Mac;

/// How far `t` may be from now, in seconds, either way; this far is still accepted.
pub const TOLERANCE_S: i64 = 300;

/// A body that one of the secrets signed, in time. Only [`verify`] makes one:
///
/// ```compile_fail
/// let forged = shared::signature::Verified {
///     body: b"{}",
///     signed_at: 1_700_000_000,
///     verified_by: "main".into(),
///     signature: String::new(),
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<B> {
    body: B,
    signed_at: i64,
    verified_by: Arc<str>,
    signature: String,
}

impl<B> Verified<B> {
    /// The body, as it was signed.
    pub fn into_body(self) -> B {
        self.body
    }

    /// The body, as it was signed.
    pub const fn body(&self) -> &B {
        &self.body
    }

    /// `t`: when Stripe signed it, seconds since 1970.
    pub const fn signed_at(&self) -> i64 {
        self.signed_at
    }

    /// Name of the secret that made the MAC.
    pub const fn verified_by(&self) -> &Arc<str> {
        &self.verified_by
    }

    /// The header, as it came: the evidence.
    pub fn signature(&self) -> &str {
        &self.signature
    }
}

/// Why a request is refused. The answer is the same for all; the label is for our counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No header at all.
    #[error("no Stripe-Signature header")]
    NoHeader,
    /// Several headers, too long, or without a proper `t` or `v1`.
    #[error("the Stripe-Signature header is malformed")]
    BadHeader,
    /// Nothing to sign.
    #[error("the body is empty")]
    EmptyBody,
    /// No secret made any of the MACs.
    #[error("no configured secret made this signature")]
    HmacMismatch,
    /// A good MAC, too old: replayed, or our clock is fast.
    #[error("the signature is too old by {0} s")]
    TooOld(i64),
    /// A good MAC from the future: our clock is slow.
    #[error("the signature is ahead of our clock by {0} s")]
    FromTheFuture(i64),
}

impl Refusal {
    /// Stable label; a closed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NoHeader => "no_header",
            Self::BadHeader => "bad_header",
            Self::EmptyBody => "empty_body",
            Self::HmacMismatch => "hmac_mismatch",
            Self::TooOld(_) => "ts_too_old",
            Self::FromTheFuture(_) => "ts_future",
        }
    }
}

/// Verifies a body against every `Stripe-Signature` header instance of its request.
///
/// `now` is in seconds since 1970. `body` is compared as it is: bytes are bytes.
///
/// # Errors
/// [`Refusal`]. Only a good MAC with a bad time is refused for its time: that tells a clock
/// fault from a forgery.
pub fn verify<B: AsRef<[u8]>>(
    secrets: &Secrets,
    headers: &[&[u8]],
    body: B,
    now: i64,
) -> Result<Verified<B>, Refusal> {
    let header = match headers {
        [] => return Err(Refusal::NoHeader),
        [one] => SignatureHeader::parse(one)?,
        [_, _, ..] => return Err(Refusal::BadHeader),
    };
    let verified_by = matching(secrets, &header, body.as_ref())?;
    let age = now.saturating_sub(header.timestamp);
    if age > TOLERANCE_S {
        return Err(Refusal::TooOld(age.saturating_sub(TOLERANCE_S)));
    }
    if age < -TOLERANCE_S {
        return Err(Refusal::FromTheFuture(
            age.saturating_neg().saturating_sub(TOLERANCE_S),
        ));
    }
    Ok(Verified {
        body,
        signed_at: header.timestamp,
        verified_by: Arc::clone(verified_by),
        signature: header.text.to_owned(),
    })
}

/// Verifies stored evidence: as [`verify`], without the time. The name of the secret.
///
/// # Errors
/// [`Refusal`].
pub fn verify_stored(secrets: &Secrets, header: &str, body: &[u8]) -> Result<String, Refusal> {
    let header = SignatureHeader::parse(header.as_bytes())?;
    matching(secrets, &header, body).map(ToString::to_string)
}

/// Any `v1` by any secret. Every pair is tried, each in constant time.
fn matching<'s>(
    secrets: &'s Secrets,
    header: &SignatureHeader<'_>,
    body: &[u8],
) -> Result<&'s Arc<str>, Refusal> {
    if body.is_empty() {
        return Err(Refusal::EmptyBody);
    }
    let mut found = None;
    for secret in secrets.iter() {
        let mut mac = secret.mac();
        mac.update(header.timestamp_text.as_bytes());
        mac.update(b".");
        mac.update(body);
        for candidate in &header.signatures {
            if mac.clone().verify_slice(candidate).is_ok() && found.is_none() {
                found = Some(secret.name());
            }
        }
    }
    found.ok_or(Refusal::HmacMismatch)
}

#[cfg(test)]
mod tests;
