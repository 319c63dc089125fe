//! A page of a list: its rows, and the cursor at which the next one begins.

use serde::Serialize;

use crate::cursor::shell_word;
use crate::failure::Failure;
use crate::text::printable;

/// A row that a cursor can name.
pub(crate) trait Keyed {
    /// Its key, as `--after` takes it.
    fn cursor(&self) -> String;
}

/// Rows, and what is said beside them.
#[derive(Debug)]
pub(crate) struct Page<Row> {
    pub(crate) rows: Vec<Row>,
    pub(crate) more: More,
}

/// The beginning of the next page. Part of every list's JSON document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct More {
    /// The cursor for `--after`; null: this page is the last.
    pub(crate) next: Option<String>,
    /// Rows that were examined, where that ended the page before its limit; else null.
    pub(crate) examined: Option<i64>,
}

impl<Row> Page<Row> {
    /// The rows and the rest, unless nothing matched and nothing is left to examine. Reports a next
    /// page on standard error: standard output has rows only.
    ///
    /// # Errors
    /// 3, with `nothing` as the reason.
    pub(crate) fn report(self, nothing: &str) -> Result<(Vec<Row>, More), Failure> {
        if self.rows.is_empty() && self.more.next.is_none() {
            return Err(Failure::NothingMatched {
                what: nothing.to_owned(),
            });
        }
        if let Some(line) = self.more.line() {
            eprintln!("bookend: {line}");
        }
        Ok((self.rows, self.more))
    }
}

impl More {
    fn line(&self) -> Option<String> {
        let next = self.next.as_deref()?;
        let next = printable(&shell_word(next));
        Some(match self.examined {
            Some(count) => format!(
                "{count} rows were examined and there are more; narrow the filters, or go on with \
                 --after {next}"
            ),
            None => format!("there are more; go on with --after {next}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: Vec<u8>, next: Option<&str>) -> Page<u8> {
        let next = next.map(str::to_owned);
        Page {
            rows,
            more: More {
                next,
                examined: None,
            },
        }
    }

    #[test]
    fn an_empty_page_is_a_failure_only_when_nothing_is_left_to_examine() {
        assert!(page(vec![], None).report("none").is_err());
        assert!(page(vec![], Some("k")).report("none").is_ok());
        assert!(page(vec![1], None).report("none").is_ok());
    }

    #[test]
    fn the_line_names_the_cursor_and_what_ended_the_page() {
        let more = |examined| More {
            next: Some("a b".to_owned()),
            examined,
        };
        assert_eq!(
            more(None).line().as_deref(),
            Some("there are more; go on with --after 'a b'")
        );
        let examined = more(Some(20_050)).line().unwrap_or_default();
        assert!(examined.contains("20050 rows were examined"), "{examined}");
        assert!(examined.contains("--after 'a b'"), "{examined}");
        assert_eq!(More::default().line(), None);
    }
}
