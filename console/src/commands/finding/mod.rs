//! `bookend finding list | show | close`.

mod close;
mod show;

use serde::Serialize;

use super::money_tables;
use crate::args::{FindingCommand, FindingList, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::finding::{self, FindingRow};
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
    /// All that match, beyond `--limit` too.
    total: i64,
    findings: Vec<FindingRow>,
}

fn list(global: &Global, filter: &FindingList) -> Result<(), Failure> {
    let (total, findings) = read(global.timeout, "finding_list", |db| {
        finding::matching(db, filter)
    })?;
    if findings.is_empty() {
        let what = if filter.all {
            "no finding fits all filters"
        } else {
            "no open finding fits all filters; --all shows the closed and repaired ones, too"
        };
        return Err(Failure::NothingMatched {
            what: what.to_owned(),
        });
    }
    if i64::try_from(findings.len()).is_ok_and(|shown| shown < total) {
        let shown = findings.len();
        eprintln!("bookend: {shown} of {total} findings are shown; raise --limit");
    }
    match global.output {
        Form::Json => output::json(&Listed { total, findings }),
        Form::Table => output::text(&money_tables::findings(&findings)),
    }
}

/// # Errors
/// 3 when there is none.
fn find(db: &mut diesel::pg::PgConnection, id: &str) -> Result<FindingRow, Failure> {
    finding::find(db, id)?.ok_or_else(|| Failure::NothingMatched {
        what: format!("no finding {id}"),
    })
}
