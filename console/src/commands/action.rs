//! `bookend action list | show`.

use serde::Serialize;

use super::millisecond;
use crate::action::{Results, results};
use crate::args::{ActionCommand, ActionList, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::MOST_ROWS;
use crate::ledger::action::{self, ActionRow, ItemRow, ResultRow};
use crate::ledger::page::More;
use crate::output::{self, Form, columns, fields, or_dash};

pub(crate) fn run(global: &Global, command: ActionCommand) -> Result<(), Failure> {
    match command {
        ActionCommand::List(filter) => list(global, &filter),
        ActionCommand::Show { id } => show(global, &id),
    }
}

#[derive(Serialize)]
struct Listed {
    actions: Vec<ActionRow>,
    #[serde(flatten)]
    more: More,
}

fn list(global: &Global, filter: &ActionList) -> Result<(), Failure> {
    let page = read(global.timeout, "action_list", |db| action::list(db, filter))?;
    let (actions, more) = page.report("no action fits all filters")?;
    match global.output {
        Form::Json => output::json(&Listed { actions, more }),
        Form::Table => output::text(&columns(
            [
                "AT",
                "ACTION",
                "WHO",
                "VERB",
                "STATE",
                "REASON",
                "DENIED BECAUSE",
            ],
            actions.into_iter().map(|row| {
                [
                    millisecond(row.at),
                    row.id,
                    row.who,
                    row.verb,
                    row.state,
                    row.reason,
                    or_dash(row.denied_because),
                ]
            }),
        )),
    }
}

#[derive(Serialize)]
struct Shown {
    action: ActionRow,
    /// Counts of the items by state, now: the processor may have gone on since the command ended.
    results: Results,
    /// Each of its ends and resumptions, in order; the last one is the action's state.
    history: Vec<ResultRow>,
    items: Vec<ItemRow>,
    /// True when there are more items than are shown.
    truncated: bool,
}

fn show(global: &Global, id: &str) -> Result<(), Failure> {
    let shown = read(global.timeout, "action_show", |db| {
        let found = action::find(db, id)?;
        let items = action::items(db, id)?;
        let action = found.ok_or_else(|| Failure::NothingMatched {
            what: format!("no action {id}"),
        })?;
        Ok(Shown {
            action,
            results: results(db, id)?,
            history: action::history(db, id)?,
            truncated: i64::try_from(items.len()).is_ok_and(|shown| shown >= MOST_ROWS),
            items,
        })
    })?;
    if shown.truncated {
        eprintln!("bookend: only the first {MOST_ROWS} items are shown");
    }
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => output::text(&describe(shown)),
    }
}

fn describe(shown: Shown) -> String {
    let row = shown.action;
    let told = shown.results.told();
    let mut text = fields([
        ("action", Some(row.id)),
        ("verb", Some(row.verb)),
        ("state", Some(row.state)),
        ("denied because", row.denied_because),
        ("results", (!told.is_empty()).then_some(told)),
        ("who", Some(row.who)),
        ("database role", Some(row.database_role)),
        ("host", Some(row.host)),
        ("reason", Some(row.reason)),
        ("begun", Some(millisecond(row.at))),
        ("finished", row.finished_at.map(millisecond)),
        ("request", Some(row.request.0.to_string())),
    ]);
    // One end says no more than the fields above.
    if shown.history.len() > 1 {
        text.push('\n');
        text.push_str(&columns(
            ["AT", "STATE", "ROLE", "RESULT"],
            shown.history.into_iter().map(|row| {
                [
                    millisecond(row.at),
                    row.state,
                    row.database_role,
                    or_dash(row.result.map(|result| result.0.to_string())),
                ]
            }),
        ));
    }
    if !shown.items.is_empty() {
        text.push('\n');
        text.push_str(&columns(
            ["SUBJECT", "STATE", "RECORD", "PUBLISHED", "DONE", "DETAIL"],
            shown.items.into_iter().map(|item| {
                [
                    item.subject.clone(),
                    item.state.clone(),
                    or_dash(record(&item)),
                    or_dash(item.published_at.map(millisecond)),
                    or_dash(item.done_at.map(millisecond)),
                    or_dash(item.detail),
                ]
            }),
        ));
    }
    text
}

fn record(item: &ItemRow) -> Option<String> {
    let topic = item.topic.as_ref()?;
    Some(format!("{topic}/{}/{}", item.partition?, item.offset?))
}
