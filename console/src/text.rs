//! Makes foreign text safe to show. Ids, types and errors come from the network; a terminal obeys
//! escape sequences, and a bidirectional override can make one id look like another.
//!
//! It does not shorten anything: what is shown can be copied and searched for.

use std::fmt::Write as _;

/// The text with every character that a terminal could obey or hide written as `\u{…}`.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if obeyed_by_terminals(character) {
            // Writing to a String cannot fail.
            let _written = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A JSON document with the same characters as `\uXXXX`: still the same document, since they occur
/// inside strings only.
pub(crate) fn printable_json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        // Line feeds are the pretty printer's own: inside strings they are escaped already.
        if character != '\n' && obeyed_by_terminals(character) {
            let mut units = [0_u16; 2];
            for unit in character.encode_utf16(&mut units) {
                let _written = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// C0 and C1 controls, delete, line and paragraph separators, and the characters that reorder or
/// hide others (Unicode 16, Bidi_Control, the zero-width ones and tags).
fn obeyed_by_terminals(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(printable("a\u{1b}[2Jb\0c\nd"), "a\\u{1b}[2Jb\\u{0}c\\u{a}d");
        assert_eq!(printable("\u{9b}31m\u{202e}gpj"), "\\u{9b}31m\\u{202e}gpj");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(printable("Zürich 予約 evt_1"), "Zürich 予約 evt_1");
    }

    #[test]
    fn json_keeps_its_meaning_when_made_printable() {
        let value = serde_json::json!({"a": "\u{9b}\u{7f}\u{202e}\u{e0041}\n\u{1b}"});
        let Ok(text) = serde_json::to_string_pretty(&value) else {
            unreachable!()
        };
        let shown = printable_json(&text);
        assert!(
            shown.chars().all(|c| c == '\n' || !obeyed_by_terminals(c)),
            "{shown}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).ok(),
            Some(value)
        );
    }
}
