//! `bookend finding list | show | close`.

mod close;
mod show;

use serde::Serialize;

use super::money_tables;
use crate::args::{FindingCommand, FindingList, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::finding::{self, FindingRow, Total};
use crate::ledger::page::More;
use crate::output::{self, Form};

pub(crate) fn run(global: &Global, command: FindingCommand) -> Result<(), Failure> {
    match command {
        FindingCommand::List(filter) => list(global, &filter),
        FindingCommand::Show { id } => show::run(global, &id),
        FindingCommand::Close(args) => close::run(global, &args),
    }
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    total: Total,
    findings: Vec<FindingRow>,
    #[serde(flatten)]
    more: More,
}

fn list(global: &Global, filter: &FindingList) -> Result<(), Failure> {
    let (total, page) = read(global.timeout, "finding_list", |db| {
        finding::matching(db, filter)
    })?;
    let (findings, more) = page.report(if filter.all {
        "no finding fits all filters"
    } else {
        "no open finding fits all filters; --all shows the closed and repaired ones, too"
    })?;
    if let Some(line) = beyond(findings.len(), total) {
        eprintln!("bookend: {line}");
    }
    match global.output {
        Form::Json => output::json(&Listed {
            total,
            findings,
            more,
        }),
        Form::Table => output::text(&money_tables::findings(&findings)),
    }
}

/// The message for a page that does not show all findings that match.
fn beyond(shown: usize, total: Total) -> Option<String> {
    let Total {
        total,
        total_is_exact,
    } = total;
    let is_all = i64::try_from(shown).is_ok_and(|shown| shown >= total);
    (!is_all).then(|| {
        let at_least = if total_is_exact { "" } else { "at least " };
        format!("{shown} of {at_least}{total} findings are shown")
    })
}

/// # Errors
/// 3 when there is none.
fn find(db: &mut diesel::pg::PgConnection, id: &str) -> Result<FindingRow, Failure> {
    finding::find(db, id)?.ok_or_else(|| Failure::NothingMatched {
        what: format!("no finding {id}"),
    })
}
