//! From a plan to its results: shown, or begun, published at a capped rate, waited for, noted.
//!
//! *Invariant:* a dry run and an execution make their plan by the same statement, and an execution
//! publishes nothing that was not committed as an item of its action.

use std::time::{Duration, Instant};

use diesel::pg::PgConnection;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Action, Attempt, Ended, Interrupt, Item, Outgoing, Publisher, Reason, Results, Writing,
    await_results, begin, guarded, may_act, results,
};
use crate::args::{Global, LogArgs};
use crate::database::{Writer, read};
use crate::failure::Failure;
use crate::output::{self, Form, fields};

/// Rows of a plan that are kept with the action; the items name all.
const SAMPLE: usize = 10;
/// Rows of a plan that are shown.
const SHOWN: usize = 100;

/// One row of a plan: one record, one item, one result.
pub(crate) trait Step: Serialize + Sized {
    /// What the item is called.
    fn subject(&self) -> String;
    /// The plan for people.
    fn table(rows: &[Self]) -> String;
    /// The record.
    fn outgoing(&self, writer: &mut Writer, action: &Action) -> Result<Outgoing, Failure>;
}

/// What is to be done, whatever with.
pub(crate) struct Deed<'a> {
    /// Noun and verb, for instance `dead replay`.
    pub(crate) verb: &'static str,
    /// What was asked for, times resolved.
    pub(crate) request: Value,
    pub(crate) writing: &'a Writing,
    pub(crate) log: &'a LogArgs,
    /// Records a second, at most.
    pub(crate) rate: u32,
}

/// The answer of a dry run.
#[derive(Serialize)]
struct Shown<'a, S> {
    dry_run: bool,
    verb: &'static str,
    matched: usize,
    plan: &'a [S],
}

/// The answer of an execution.
#[derive(Serialize)]
struct Told<'a> {
    dry_run: bool,
    verb: &'static str,
    action: &'a str,
    state: &'static str,
    results: &'a Results,
}

/// Makes the plan and shows it, or, with `--execute`, carries it out. `plan` returns at least one
/// row, or says that nothing matched.
///
/// # Errors
/// As `docs/exit-codes.md` lists them; refusals are recorded.
pub(crate) fn act<S: Step>(
    global: &Global,
    deed: &Deed<'_>,
    plan: impl FnOnce(&mut PgConnection) -> Result<Vec<S>, Failure>,
) -> Result<(), Failure> {
    match deed.writing.reason()? {
        None => {
            let rows = read(global.timeout, "plan", plan)?;
            show(global, deed, &rows)
        }
        Some(reason) => execute(global, deed, reason, plan),
    }
}

fn show<S: Step>(global: &Global, deed: &Deed<'_>, rows: &[S]) -> Result<(), Failure> {
    let (shown, _rest) = rows.split_at(rows.len().min(SHOWN));
    if shown.len() < rows.len() {
        eprintln!(
            "bookend: only the first {SHOWN} of {} are shown",
            rows.len()
        );
    }
    match global.output {
        Form::Json => output::json(&Shown {
            dry_run: true,
            verb: deed.verb,
            matched: rows.len(),
            plan: shown,
        })?,
        Form::Table => output::text(&S::table(shown))?,
    }
    eprintln!(
        "bookend: a dry run, nothing was done. To do it: --expect {} --execute --reason \"…\"",
        rows.len()
    );
    Ok(())
}

fn execute<S: Step>(
    global: &Global,
    deed: &Deed<'_>,
    reason: Reason,
    plan: impl FnOnce(&mut PgConnection) -> Result<Vec<S>, Failure>,
) -> Result<(), Failure> {
    let attempt = Attempt::new(deed.verb, reason, deed.request.clone())?;
    let (mut run, rows) = guarded(&attempt, global.timeout, || {
        let mut writer = Writer::connect(global.timeout)?;
        writer.run("may_act", may_act)?;
        let rows = read(global.timeout, "plan", plan)?;
        deed.writing.check_count(rows.len())?;
        deed.writing.confirm(rows.len(), deed.verb)?;
        let publisher = Publisher::connect(deed.log, global.timeout)?;
        let interrupt = Interrupt::listen()?;
        let action = begin(
            &mut writer,
            &attempt,
            &kept(&rows)?,
            &items(&rows),
            |_, _| Ok(()),
        )?;
        let run = Run {
            writer,
            publisher,
            interrupt,
            action,
        };
        Ok((run, rows))
    })?;
    eprintln!("bookend: action {}", run.action.id);
    run.publish(&rows, deed.rate)?;
    let results = await_results(&mut run.writer, &run.action, global.timeout, &run.interrupt)?;
    run.finish(results.ended(), &results)?;
    results.verdict(&run.action)?;
    tell(global, deed.verb, &run.action, &results)
}

fn tell(
    global: &Global,
    verb: &'static str,
    action: &Action,
    results: &Results,
) -> Result<(), Failure> {
    let state = results.ended().as_str();
    match global.output {
        Form::Json => output::json(&Told {
            dry_run: false,
            verb,
            action: &action.id,
            state,
            results,
        }),
        Form::Table => output::text(&fields([
            ("action", Some(action.id.clone())),
            ("state", Some(state.to_owned())),
            ("results", Some(results.told())),
        ])),
    }
}

fn kept<S: Step>(rows: &[S]) -> Result<Value, Failure> {
    let (sample, _rest) = rows.split_at(rows.len().min(SAMPLE));
    let sample = serde_json::to_value(sample).map_err(|source| Failure::Json { source })?;
    Ok(json!({"matched": rows.len(), "sample": sample}))
}

fn items<S: Step>(rows: &[S]) -> Vec<Item> {
    let item = |row: &S| Item {
        subject: row.subject(),
        source: None,
    };
    rows.iter().map(item).collect()
}

/// An action that has begun, with what it needs.
struct Run {
    writer: Writer,
    publisher: Publisher,
    interrupt: Interrupt,
    action: Action,
}

impl Run {
    /// Publishes row by row, none before its time. After an error nothing more is published: what
    /// was is carried out, and the action says how far it came.
    fn publish<S: Step>(&mut self, rows: &[S], rate: u32) -> Result<(), Failure> {
        let gap = Duration::from_secs(1) / rate.max(1);
        let mut due = Instant::now();
        for (done, row) in rows.iter().enumerate() {
            if self
                .interrupt
                .wait(due.saturating_duration_since(Instant::now()))
            {
                let what = format!(
                    "{done} of {} published; see bookend action show {}",
                    rows.len(),
                    self.action.id
                );
                self.stop(Ended::Interrupted)?;
                return Err(Failure::Interrupted { what });
            }
            due = due.checked_add(gap).unwrap_or(due);
            if let Err(failure) = self.publish_one(row) {
                let ended = if done == 0 {
                    Ended::Failed
                } else {
                    Ended::Partly
                };
                if let Err(second) = self.stop(ended) {
                    let why = crate::text::printable(&second.explain());
                    eprintln!("bookend: how it ended could not be recorded: {why}");
                }
                let id = &self.action.id;
                eprintln!(
                    "bookend: {done} of {} published; see bookend action show {id}",
                    rows.len()
                );
                return Err(match ended {
                    Ended::Partly => Failure::InPart {
                        what: failure.explain(),
                    },
                    Ended::Done | Ended::Failed | Ended::Interrupted => failure,
                });
            }
        }
        Ok(())
    }

    fn publish_one<S: Step>(&mut self, row: &S) -> Result<(), Failure> {
        let record = row.outgoing(&mut self.writer, &self.action)?;
        self.publisher
            .publish(&mut self.writer, &self.action, &row.subject(), record)
    }

    /// Notes an early end with the results so far.
    fn stop(&mut self, ended: Ended) -> Result<(), Failure> {
        let id = self.action.id.clone();
        let so_far = self.writer.run("action_results", |db| results(db, &id))?;
        self.finish(ended, &so_far)
    }

    fn finish(&mut self, ended: Ended, results: &Results) -> Result<(), Failure> {
        let result = serde_json::to_value(results).map_err(|source| Failure::Json { source })?;
        self.action.finish(&mut self.writer, ended, &result)
    }
}
