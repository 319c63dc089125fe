//! The header: `t=<seconds>,v1=<hex>[,v1=<hex>…][,v0=<hex>]`.

use super::Refusal;

/// Longest header that is looked at, bytes.
const MAX_HEADER_BYTES: usize = 4096;
/// Most items that are looked at.
const MAX_ITEMS: usize = 16;

/// A header that can be checked.
pub(super) struct Parsed<'h> {
    pub(super) text: &'h str,
    pub(super) timestamp: i64,
    pub(super) timestamp_text: &'h str,
    pub(super) signatures: Vec<[u8; 32]>,
}

/// Splits at `,`, each item at its first `=`. Items that are empty, have no `=`, or another key
/// than `t` and `v1` are ignored; a `v1` that is not 64 lower-case hex digits is skipped and
/// spoils nothing. `t` must stand exactly once, digits only.
pub(super) fn parse(header: &[u8]) -> Result<Parsed<'_>, Refusal> {
    if header.is_empty() || header.len() > MAX_HEADER_BYTES {
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
            Some(_) | None => {}
        }
    }
    let timestamp_text = timestamp_text.ok_or(Refusal::BadHeader)?;
    let timestamp = seconds(timestamp_text).ok_or(Refusal::BadHeader)?;
    if signatures.is_empty() {
        return Err(Refusal::BadHeader);
    }
    Ok(Parsed {
        text,
        timestamp,
        timestamp_text,
        signatures,
    })
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
