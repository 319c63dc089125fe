//! JSON that the grammar allows and a value cannot hold: a lone surrogate in a text, a number
//! beyond every float. One such place must not hide the money beside it.
//!
//! Pure, linear. What cannot be held becomes what can never be mistaken for data: the text gets a
//! NUL in the surrogate's place, which no identifier may contain, and the number becomes null.

use serde_json::Value;

/// The value of a valid JSON text; `Null` where even mending does not help.
pub(super) fn value(json: &str) -> Value {
    serde_json::from_str(json)
        .or_else(|_cannot_be_held| serde_json::from_str(&mended(json)))
        .unwrap_or_default()
}

pub(super) fn mended(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => text(rest, &mut out),
            '-' | '0'..='9' => number(rest, &mut out),
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// Copies the number that `rest` begins with; its length.
fn number(rest: &str, out: &mut String) -> usize {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let token = rest.get(..length).unwrap_or_default();
    let can_be_held = token.parse::<f64>().is_ok_and(f64::is_finite);
    out.push_str(if can_be_held { token } else { "null" });
    length
}

/// Copies the text that `rest` begins with, quotes included; its length.
fn text(rest: &str, out: &mut String) -> usize {
    let mut length = 1;
    out.push('"');
    loop {
        let here = rest.get(length..).unwrap_or_default();
        let Some(first) = here.chars().next() else {
            return rest.len();
        };
        let taken = match first {
            '\\' => escape(here, out),
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        length = length.saturating_add(taken);
        if first == '"' {
            return length;
        }
    }
}

/// Copies the escape that `here` begins with; its length.
fn escape(here: &str, out: &mut String) -> usize {
    let (copied, length) = match (unit(here, 0), unit(here, 6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (here.get(..12), 12),
        (Some(0xd800..=0xdfff), _) => (Some("\\u0000"), 6),
        (Some(_), _) => (here.get(..6), 6),
        (None, _) => (here.get(..2), 2),
    };
    out.push_str(copied.unwrap_or_default());
    length
}

/// The UTF-16 unit of a `\uXXXX` at this place.
fn unit(here: &str, at: usize) -> Option<u16> {
    let digits = here.get(at..at.checked_add(6)?)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lone_surrogate_spoils_its_own_text_only() {
        assert_eq!(
            value(r#"{"a":"x\ud800y","b":"\udc00","paid":5000}"#),
            json!({"a": "x\u{0}y", "b": "\u{0}", "paid": 5000})
        );
        // High, then an escape that is no low one; high at the end.
        assert_eq!(
            value(r#"["\ud800\n","\ud83d\ud83d\ude00"]"#),
            json!(["\u{0}\n", "\u{0}😀"])
        );
    }

    #[test]
    fn a_number_beyond_every_float_is_null_and_its_neighbours_stay() {
        assert_eq!(
            value(r#"{"a":1e400,"b":[-1E999,2.5,-0],"c":"1e400"}"#),
            json!({"a": null, "b": [null, 2.5, -0.0], "c": "1e400"})
        );
    }

    #[test]
    fn what_looks_like_an_escape_and_is_none_stays() {
        assert_eq!(
            value(r#"["\\ud800",1e400,"\"\\\"",""]"#),
            json!(["\\ud800", null, "\"\\\"", ""])
        );
    }

    proptest::proptest! {
        #[test]
        fn mending_changes_no_value_that_can_be_held(text in "\\PC{0,40}", n: i64, f in -1e300_f64..1e300) {
            let whole = json!({"text": text, "n": n, "f": f, "list": [text, null, true]});
            let json = whole.to_string();
            proptest::prop_assert_eq!(mended(&json), json);
        }
    }
}
