//! Which dead letters failed in the same way: their group's name.
//!
//! Pure. Invariant: the name depends on stage, class, event type and the error with everything
//! taken out that differs from one event to the next, so that one bug is one group.

use sha2::{Digest, Sha256};

/// Longest normalized error that is kept, in characters.
const MAX_CHARS: usize = 300;

/// First 16 hex digits of a SHA-256: enough for all groups there will ever be.
#[must_use]
pub fn fingerprint(stage: &str, class: &str, event_type: &str, normalized: &str) -> String {
    let mut hash = Sha256::new();
    for part in [stage, class, event_type, normalized] {
        // Lengths keep neighbouring parts apart.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize()).chars().take(16).collect()
}

/// The error without ids (`pi_123…`), numbers and quoted names, at most 300 characters.
#[must_use]
pub fn normalize(error: &str) -> String {
    let mut normalized = String::with_capacity(error.len().min(MAX_CHARS));
    let mut word = String::new();
    let mut quote: Option<char> = None;
    for c in error.chars() {
        if let Some(open) = quote {
            if c == open {
                quote = None;
                normalized.push(c);
            }
            continue;
        }
        if c.is_alphanumeric() || c == '_' || c == '-' {
            word.push(c);
            continue;
        }
        push_word(&mut normalized, &mut word);
        if matches!(c, '"' | '`' | '\u{201e}' | '\u{201c}') {
            quote = Some(if c == '\u{201e}' { '\u{201c}' } else { c });
            normalized.push(c);
            normalized.push('…');
        } else {
            normalized.push(c);
        }
    }
    push_word(&mut normalized, &mut word);
    normalized.chars().take(MAX_CHARS).collect()
}

/// A word with a digit in it names one thing among many.
fn push_word(normalized: &mut String, word: &mut String) {
    if word.chars().any(|c| c.is_ascii_digit()) {
        normalized.push('*');
    } else {
        normalized.push_str(word);
    }
    word.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bug_on_other_events_is_the_same_group() {
        let one = normalize("booking b-13 cannot be folded: 5000 eur at line 7 of \"pi_1\"");
        let two = normalize("booking b-7 cannot be folded: 1 eur at line 12 of \"ch_22\"");
        assert_eq!(one, two);
        assert_eq!(one, "booking * cannot be folded: * eur at line * of \"…\"");
    }

    #[test]
    fn another_stage_class_type_or_error_is_another_group() {
        let base = ["decode", "poison", "charge.refunded", "no id"];
        let name = |parts: [&str; 4]| fingerprint(parts[0], parts[1], parts[2], parts[3]);
        assert_eq!(name(base).len(), 16);
        for changed in 0..4 {
            let mut other = base;
            other[changed] = "x";
            assert_ne!(name(base), name(other));
        }
        assert_ne!(
            fingerprint("ab", "c", "", ""),
            fingerprint("a", "bc", "", "")
        );
    }

    #[test]
    fn any_text_has_a_bounded_normal_form() {
        for text in ["", "\"", "\"\"\"", "„x“", &"y".repeat(10_000)] {
            assert!(normalize(text).chars().count() <= MAX_CHARS);
        }
    }
}
