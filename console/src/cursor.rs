//! Cursors of lists: the key of the last row of a page, in a form that can be copied from a message
//! into a command. Pure.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// Longest id in a cursor, bytes.
const MAX_ID: usize = 512;

/// The key of a list that is sorted by time: `2026-11-01T12:00:00Z/evt_1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor<Id> {
    pub(crate) at: DateTime<Utc>,
    /// Tells rows of one moment apart.
    pub(crate) id: Id,
}

impl<Id: fmt::Display> fmt::Display for Cursor<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As precise as the database: a rounded time would skip or repeat rows.
        let at = self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        write!(f, "{at}/{}", self.id)
    }
}

/// Reads a cursor whose id is text.
///
/// # Errors
/// The reason, for a person.
pub(crate) fn with_text(text: &str) -> Result<Cursor<String>, String> {
    let (at, id) = split(text)?;
    if id.is_empty() || id.len() > MAX_ID || id.chars().any(char::is_control) {
        return Err(malformed("the id is empty, too long or not printable"));
    }
    let id = id.to_owned();
    Ok(Cursor { at, id })
}

/// Reads a cursor whose id is a number.
///
/// # Errors
/// The reason, for a person.
pub(crate) fn with_number(text: &str) -> Result<Cursor<i64>, String> {
    let (at, id) = split(text)?;
    let id = id
        .parse()
        .map_err(|_error| malformed("the id is not a number"))?;
    Ok(Cursor { at, id })
}

fn split(text: &str) -> Result<(DateTime<Utc>, &str), String> {
    let (at, id) = text
        .split_once('/')
        .ok_or_else(|| malformed("it has no /"))?;
    let at =
        DateTime::parse_from_rfc3339(at).map_err(|_error| malformed("the time is not RFC 3339"))?;
    Ok((at.with_timezone(&Utc), id))
}

fn malformed(why: &str) -> String {
    format!(
        "not a cursor, {why}: copy it from the page before, a time and an id with / between them"
    )
}

/// A cursor as a word of a command line: quoted where a shell would not take it as it is.
pub(crate) fn shell_word(cursor: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if !cursor.is_empty() && cursor.chars().all(is_plain) {
        return cursor.to_owned();
    }
    format!("'{}'", cursor.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_cursor_that_was_printed_is_read_as_it_was() {
        for time in [
            "2026-11-01T12:00:00Z",
            "1970-01-01T00:00:00Z",
            "2026-11-01T12:00:00.000001Z",
            "2026-11-01T12:00:00.120Z",
        ] {
            let text = Cursor {
                at: at(time),
                id: "evt_1".to_owned(),
            };
            assert_eq!(with_text(&text.to_string()), Ok(text));
            let number = Cursor {
                at: at(time),
                id: 7_i64,
            };
            assert_eq!(with_number(&number.to_string()), Ok(number));
        }
        let slash = with_text("2026-11-01T12:00:00Z/a/b").unwrap();
        assert_eq!(slash.id, "a/b");
    }

    #[test]
    fn what_is_no_cursor_is_refused_with_the_reason() {
        for (bad, why) in [
            ("", "no /"),
            ("evt_1", "no /"),
            ("yesterday/evt_1", "not RFC 3339"),
            ("2026-11-01/evt_1", "not RFC 3339"),
            ("2026-11-01T12:00:00Z/", "the id"),
            ("2026-11-01T12:00:00Z/a\u{1b}[2J", "the id"),
        ] {
            let refused = with_text(bad).unwrap_err();
            assert!(refused.contains(why), "{bad:?}: {refused}");
        }
        for bad in [
            "2026-11-01T12:00:00Z/evt_1",
            "2026-11-01T12:00:00Z/99999999999999999999",
            "2026-11-01T12:00:00Z/1; DROP TABLE events",
        ] {
            let refused = with_number(bad).unwrap_err();
            assert!(refused.contains("not a number"), "{bad:?}: {refused}");
        }
    }

    #[test]
    fn a_cursor_that_a_shell_would_change_is_quoted() {
        assert_eq!(
            shell_word("2026-11-01T12:00:00Z/7"),
            "2026-11-01T12:00:00Z/7"
        );
        assert_eq!(shell_word("bk 1"), "'bk 1'");
        assert_eq!(shell_word("it's $x"), r"'it'\''s $x'");
        assert_eq!(shell_word(""), "''");
    }
}
