//! The table of docs/bad-input.md, as the expectation it is.

use std::collections::BTreeMap;
use std::path::Path;

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// HTTP status; `none` where nobody was left to hear it.
    pub(crate) answer: String,
    /// `nowhere`, `dead letter`, or `ledger` with the disposition.
    pub(crate) end: String,
    /// Status of the booking it names; `–` where there is no row.
    pub(crate) booking: String,
    /// What the dead letter says.
    pub(crate) reason: String,
}

const HEADING: &str = "## Bodies, one by one";

/// Rows of the table below the heading: name, what it is, answer, end, booking, reason.
pub(crate) fn fates() -> BTreeMap<String, Fate> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bad-input.md");
    let text = std::fs::read_to_string(path).expect("docs/bad-input.md");
    let table = text.split_once(HEADING).expect("the heading is there").1;
    let rows = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _what, answer, end, booking, reason] = cells[..] else {
            panic!("not six cells: {row}");
        };
        let fate = Fate {
            answer: answer.to_owned(),
            end: end.to_owned(),
            booking: booking.to_owned(),
            reason: reason.to_owned(),
        };
        (name.to_owned(), fate)
    })
    .collect()
}
