//! Nesting and encoding, looked at before any parser may recurse: one pass, flat stack.

use super::Malformed;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// The body as text, if it is UTF-8, has no byte-order mark, and nests no deeper than 64.
pub(super) fn checked(body: &[u8]) -> Result<&str, Malformed> {
    // Who opens no more than that nests no deeper, and counting is much faster than following.
    if openings(body) > MAX_DEPTH {
        followed(body)?;
    }
    let text = std::str::from_utf8(body).map_err(Malformed::NotUtf8)?;
    if text.starts_with('\u{feff}') {
        return Err(Malformed::ByteOrderMark);
    }
    Ok(text)
}

/// In pieces whose count fits a byte: so the compiler counts many bytes at once.
fn openings(body: &[u8]) -> usize {
    let of = |piece: &[u8]| {
        let count = |sum: u8, byte: &u8| sum.wrapping_add(u8::from(*byte | 0x20 == b'{'));
        usize::from(piece.iter().fold(0, count))
    };
    body.chunks(255).map(of).fold(0, usize::saturating_add)
}

fn followed(body: &[u8]) -> Result<(), Malformed> {
    let mut depth = 0_usize;
    let (mut in_string, mut escaped) = (false, false);
    for byte in body {
        if in_string {
            match (escaped, byte) {
                (true, _) => escaped = false,
                (false, b'\\') => escaped = true,
                (false, b'"') => in_string = false,
                (false, _) => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth = depth.saturating_add(1);
                if depth > MAX_DEPTH {
                    return Err(Malformed::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}
