//! `bookend retention …`: how far the jobs have got, and months that leave the ledger.

use diesel::pg::PgConnection;
use serde::Serialize;
use serde_json::json;

use super::second;
use crate::action::{Attempt, Ended, Item, Reason, begin, guarded, may_act};
use crate::args::{Global, RetentionCommand, RetentionDetach};
use crate::database::{Writer, read};
use crate::failure::Failure;
use crate::ledger::retention::{self, JobRow, Month};
use crate::output::{self, Form, columns, fields};

/// As it is recorded; the database asks for it.
const VERB: &str = "retention detach";

pub(crate) fn run(global: &Global, command: RetentionCommand) -> Result<(), Failure> {
    match command {
        RetentionCommand::Show => show(global),
        RetentionCommand::Detach(args) => match args.writing.reason()? {
            None => dry_run(global, &args),
            Some(reason) => detach(global, &args, reason),
        },
    }
}

#[derive(Serialize)]
struct Jobs {
    jobs: Vec<JobRow>,
}

fn show(global: &Global) -> Result<(), Failure> {
    let jobs = read(global.timeout, "retention_jobs", retention::jobs)?;
    match global.output {
        Form::Json => output::json(&Jobs { jobs }),
        Form::Table => output::text(&columns(
            ["JOB", "KEEPS FROM", "REMOVED IN ALL", "LAST RAN"],
            jobs.into_iter().map(|job| {
                [
                    job.job,
                    job.kept_from.map_or_else(|| "-".to_owned(), second),
                    job.removed.to_string(),
                    job.ran_at.map_or_else(|| "never".to_owned(), second),
                ]
            }),
        )),
    }
}

#[derive(Serialize)]
struct Shown {
    dry_run: bool,
    verb: &'static str,
    action: Option<String>,
    /// Ids that dedupe keeps.
    ids: Option<i64>,
    month: Month,
}

/// The month, which must be one that may go.
fn fit(db: &mut PgConnection, args: &RetentionDetach) -> Result<Month, Failure> {
    let told = args.month.format("%Y-%m");
    let month = retention::month(db, args.month)?.ok_or_else(|| Failure::NothingMatched {
        what: format!("the ledger has no partition for {told}"),
    })?;
    match &month.with_payload {
        None => Ok(month),
        Some(event) => Err(Failure::Precondition {
            what: format!(
                "event {event} of {told} still has its payload: a month is detached once \
                 PAYLOAD_RETENTION has removed all of them"
            ),
        }),
    }
}

fn dry_run(global: &Global, args: &RetentionDetach) -> Result<(), Failure> {
    let month = read(global.timeout, "retention_month", |db| fit(db, args))?;
    told(
        global,
        Shown {
            dry_run: true,
            verb: VERB,
            action: None,
            ids: None,
            month,
        },
    )?;
    eprintln!("bookend: a dry run, nothing was done. To do it: --execute --reason \"…\"");
    Ok(())
}

fn detach(global: &Global, args: &RetentionDetach, reason: Reason) -> Result<(), Failure> {
    let request = json!({"month": args.month.format("%Y-%m").to_string()});
    let attempt = Attempt::new(VERB, reason, request)?;
    let (mut writer, action, month) = guarded(&attempt, global.timeout, || {
        let mut writer = Writer::connect(global.timeout)?;
        writer.run("may_act", may_act)?;
        let month = writer.read("retention_month", |db| fit(db, args))?;
        let items = [Item {
            subject: month.partition.clone(),
            source: None,
        }];
        let action = begin(&mut writer, &attempt, &json!(month), &items, |_db, _id| {
            Ok(())
        })?;
        Ok((writer, action, month))
    })?;
    let outcome = writer.run("retention_detach", |db| {
        retention::detach(db, args.month, &action.id)
    });
    let ids = match outcome {
        Ok(ids) => ids,
        Err(failure) => {
            let why = json!({"error": failure.explain()});
            action.finish(&mut writer, Ended::Failed, &why)?;
            return Err(failure);
        }
    };
    action.finish(&mut writer, Ended::Done, &json!({"ids": ids}))?;
    told(
        global,
        Shown {
            dry_run: false,
            verb: VERB,
            action: Some(action.id),
            ids: Some(ids),
            month,
        },
    )
}

fn told(global: &Global, shown: Shown) -> Result<(), Failure> {
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => output::text(&fields([
            ("action", shown.action),
            ("table", Some(shown.month.partition)),
            ("rows", Some(shown.month.rows.to_string())),
            ("ids kept", shown.ids.map(|ids| ids.to_string())),
        ])),
    }
}
