//! `bookend dead list | groups | show | acknowledge | ignore | resolve | replay`.

mod decide;
mod replay;
mod show;

use serde::Serialize;
use shared::commands::Decision;

use super::{millisecond, up_to};
use crate::args::{DeadCommand, DeadGroups, DeadList, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::dead::{self, DeadRow, GroupRow, MAX_LISTED_UNSETTLED};
use crate::ledger::page::More;
use crate::output::{self, Form, columns};

pub(crate) fn run(global: &Global, command: DeadCommand) -> Result<(), Failure> {
    match command {
        DeadCommand::List(filter) => list(global, &filter),
        DeadCommand::Groups(filter) => groups(global, &filter),
        DeadCommand::Show { id, payload } => show::run(global, &id, payload),
        DeadCommand::Acknowledge(args) => decide::run(global, &args, Decision::Acknowledged),
        DeadCommand::Ignore(args) => decide::run(global, &args, Decision::Ignored),
        DeadCommand::Resolve(args) => decide::run(global, &args, Decision::Resolved),
        DeadCommand::Replay(args) => replay::run(global, &args),
    }
}

#[derive(Serialize)]
struct Listed {
    dead_letters: Vec<DeadRow>,
    #[serde(flatten)]
    more: More,
}

fn list(global: &Global, filter: &DeadList) -> Result<(), Failure> {
    let page = read(global.timeout, "dead_list", |db| dead::list(db, filter))?;
    let (dead_letters, more) = page.report("no dead letter fits all filters")?;
    match global.output {
        Form::Json => output::json(&Listed { dead_letters, more }),
        Form::Table => output::text(&table(&dead_letters)),
    }
}

/// Dead letters for people.
fn table(rows: &[DeadRow]) -> String {
    columns(
        [
            "ID",
            "EVENT",
            "TYPE",
            "KEY",
            "GROUP",
            "CLASS",
            "STATUS",
            "ATTEMPTS",
            "LAST FAILED",
            "ERROR",
        ],
        rows.iter().map(|row| {
            [
                row.id.to_string(),
                row.subject(),
                row.event_type.clone(),
                row.key.clone(),
                row.fingerprint.clone(),
                row.error_class.clone(),
                row.status.clone(),
                row.attempts.to_string(),
                millisecond(row.last_failed_at),
                row.error.clone(),
            ]
        }),
    )
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<GroupRow>,
    #[serde(flatten)]
    more: More,
}

fn groups(global: &Global, filter: &DeadGroups) -> Result<(), Failure> {
    let page = read(global.timeout, "dead_groups", |db| dead::groups(db, filter))?;
    let (groups, more) = page.report("no group of dead letters fits")?;
    match global.output {
        Form::Json => output::json(&Groups { groups, more }),
        Form::Table => output::text(&group_table(&groups)),
    }
}

/// Groups for people.
fn group_table(rows: &[GroupRow]) -> String {
    columns(
        [
            "GROUP",
            "STATUS",
            "UNSETTLED",
            "TIMES",
            "LAST SEEN",
            "STAGE",
            "CLASS",
            "TYPE",
            "ERROR",
        ],
        rows.iter().map(|row| {
            [
                row.fingerprint.clone(),
                row.status.clone(),
                up_to(row.unsettled, MAX_LISTED_UNSETTLED),
                row.occurrences.to_string(),
                millisecond(row.last_seen),
                row.stage.clone(),
                row.error_class.clone(),
                row.event_type.clone(),
                row.error.clone(),
            ]
        }),
    )
}
