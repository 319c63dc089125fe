//! The header: `t=<seconds>,v1=<hex>[,v1=<hex>…][,v0=<hex>]`.

use super::Refusal;

/// Longest header that is looked at, bytes.
const MAX_HEADER_BYTES: usize = 4096;
/// Most items that are looked at.
const MAX_ITEMS: usize = 16;

/// A header that can be checked, as it stands there: nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeader<'h> {
    pub(super) text: &'h str,
    pub(super) timestamp: i64,
    pub(super) timestamp_text: &'h str,
    pub(super) signatures: Vec<[u8; 32]>,
}

impl<'h> SignatureHeader<'h> {
    /// Splits at `,`, each item at its first `=`. Items that are empty, or have another key than
    /// `t` and `v1`, are ignored; a `v1` that is not 64 lower-case hex digits is skipped and
    /// spoils nothing. `t` must stand exactly once, digits only; neither key may lack its `=`.
    ///
    /// # Errors
    /// [`Refusal::BadHeader`]: longer than 4 KiB, white space or anything but printable ASCII,
    /// more than 16 items, no proper `t`, or no proper `v1`.
    pub fn parse(header: &'h [u8]) -> Result<Self, Refusal> {
        // White space hides things: two headers that a proxy joined with `, ` would have one key
        // `t` and one key ` t`.
        if header.len() > MAX_HEADER_BYTES || !header.iter().all(u8::is_ascii_graphic) {
            return Err(Refusal::BadHeader);
        }
        let text = std::str::from_utf8(header).map_err(|_invalid| Refusal::BadHeader)?;
        let mut timestamp_text = None;
        let mut signatures = Vec::new();
        for (count, item) in text.split(',').enumerate() {
            if count >= MAX_ITEMS {
                return Err(Refusal::BadHeader);
            }
            match item.split_once('=') {
                Some(("t", value)) => {
                    // Two `t` leave open which was signed, even when they are equal.
                    if timestamp_text.replace(value).is_some() {
                        return Err(Refusal::BadHeader);
                    }
                }
                Some(("v1", value)) => signatures.extend(digest(value)),
                // The official libraries refuse it; Stripe never sends it.
                None if matches!(item, "t" | "v1") => return Err(Refusal::BadHeader),
                Some(_) | None => {}
            }
        }
        let timestamp_text = timestamp_text.ok_or(Refusal::BadHeader)?;
        let timestamp = seconds(timestamp_text).ok_or(Refusal::BadHeader)?;
        if signatures.is_empty() {
            return Err(Refusal::BadHeader);
        }
        Ok(Self {
            text,
            timestamp,
            timestamp_text,
            signatures,
        })
    }

    /// `t`, seconds since 1970; above zero.
    #[must_use]
    pub const fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// The MACs of the items `v1` that are MACs, in their order; at least one.
    #[must_use]
    pub fn signatures(&self) -> &[[u8; 32]] {
        &self.signatures
    }
}

/// Decimal digits without sign or leading zero, so that the text is the only way to write the
/// number that was signed.
fn seconds(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let lower = text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let mut bytes = [0_u8; 32];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}
