//! The two forms of an answer: a table for people, JSON for programs. A closed pipe
//! (`bookend event list | head`) ends the output, not the command.

use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;
use crate::text::{printable, printable_json};

/// The form of the answer on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// Columns for people.
    Table,
    /// One JSON document with a `version`.
    Json,
}

/// Version of every JSON document printed; it rises when a field changes or goes.
const JSON_VERSION: u32 = 1;

#[derive(Serialize)]
struct Versioned<'a, T: Serialize> {
    version: u32,
    #[serde(flatten)]
    answer: &'a T,
}

/// Prints one JSON document: the answer's fields beside `"version"`.
pub(crate) fn json<T: Serialize>(answer: &T) -> Result<(), Failure> {
    let document = Versioned {
        version: JSON_VERSION,
        answer,
    };
    let text =
        serde_json::to_string_pretty(&document).map_err(|source| Failure::Json { source })?;
    bytes(format!("{}\n", printable_json(&text)).as_bytes())
}

/// Prints text whose foreign parts have been made printable already.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Prints bytes as they are, with nothing added.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(Failure::Output { source }),
    }
}

/// Columns with a header line; cells are made printable and never wrapped, so that ids can be
/// copied whole.
pub(crate) fn columns<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = plain_table();
    table.set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    lines(&table)
}

/// A list of `name  value` lines; an absent value shows as `-`.
pub(crate) fn fields<'a>(rows: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let mut table = plain_table();
    for (name, value) in rows {
        table.add_row([name.to_owned(), printable(&or_dash(value))]);
    }
    lines(&table)
}

/// The value, or `-`.
pub(crate) fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn lines(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
