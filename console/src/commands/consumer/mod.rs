//! `bookend consumer status | pause | resume`.
//!
//! What is wanted goes into a table of the console's own and not through the log: a processor that
//! stands still reads no command.

mod status;

use std::time::{Duration, Instant};

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{RunQueryDsl as _, sql_query};
use serde::Serialize;
use serde_json::json;

use crate::action::{Action, Attempt, Ended, Interrupt, Reason, begin, guarded, may_act};
use crate::args::{ConsumerChange, ConsumerCommand, Global};
use crate::database::{Writer, read};
use crate::failure::Failure;
use crate::ledger::consumer::{self, Wanted};
use crate::output::{self, Form, fields};

/// How often is looked whether the processors have followed.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn run(global: &Global, command: ConsumerCommand) -> Result<(), Failure> {
    match command {
        ConsumerCommand::Status(log) => status::run(global, &log),
        ConsumerCommand::Pause(args) => change(global, &args, Change::Pause),
        ConsumerCommand::Resume(args) => change(global, &args, Change::Resume),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Pause,
    Resume,
}

impl Change {
    const fn verb(self) -> &'static str {
        match self {
            Self::Pause => "consumer pause",
            Self::Resume => "consumer resume",
        }
    }

    /// As in `consumer_control.state`.
    const fn state(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "running",
        }
    }

    /// What is added to `consumer_control.resumes`.
    const fn resumes(self) -> i64 {
        match self {
            Self::Pause => 0,
            Self::Resume => 1,
        }
    }

    /// Whether a live processor that says `state` has followed.
    fn is_followed(self, state: &str) -> bool {
        (state == "paused") == (self == Self::Pause)
    }
}

#[derive(Serialize)]
struct Changed<'a> {
    dry_run: bool,
    verb: &'static str,
    topic: &'a str,
    was: Wanted,
    becomes: &'static str,
    action: Option<String>,
}

fn change(global: &Global, args: &ConsumerChange, change: Change) -> Result<(), Failure> {
    let topic = args.events_topic.as_str();
    let reason = args.writing.reason()?;
    let dry_run = reason.is_none();
    let (was, action) = match reason {
        None => {
            let was = read(global.timeout, "consumer_plan", |db| {
                consumer::wanted(db, topic)
            })?;
            (was, None)
        }
        Some(reason) => {
            let (was, action) = execute(global, args, change, reason)?;
            (was, Some(action.id))
        }
    };
    let changed = Changed {
        dry_run,
        verb: change.verb(),
        topic,
        was,
        becomes: change.state(),
        action,
    };
    match global.output {
        Form::Json => output::json(&changed)?,
        Form::Table => output::text(&fields([
            ("topic", Some(topic.to_owned())),
            ("was", Some(changed.was.state)),
            ("becomes", Some(changed.becomes.to_owned())),
            ("action", changed.action),
        ]))?,
    }
    if dry_run {
        eprintln!("bookend: a dry run, nothing was done. To do it: --execute --reason \"…\"");
    }
    Ok(())
}

fn execute(
    global: &Global,
    args: &ConsumerChange,
    change: Change,
    reason: Reason,
) -> Result<(Wanted, Action), Failure> {
    let topic = args.events_topic.as_str();
    let attempt = Attempt::new(change.verb(), reason, json!({"topic": topic}))?;
    let (mut writer, was, action) = guarded(&attempt, global.timeout, || {
        let mut writer = Writer::connect(global.timeout)?;
        writer.run("may_act", may_act)?;
        let was = writer.run("consumer_plan", |db| consumer::wanted(db, topic))?;
        args.writing.check_count(1)?;
        let plan = json!({"was": was.state, "becomes": change.state()});
        let action = begin(&mut writer, &attempt, &plan, &[], |db, id| {
            set(db, topic, change, id)?;
            let action = Action { id: id.to_owned() };
            action.finish_within(db, Ended::Done, &json!({"wanted": change.state()}))
        })?;
        Ok((writer, was, action))
    })?;
    eprintln!("bookend: action {}", action.id);
    if args.wait {
        let interrupt = Interrupt::listen()?;
        followed(&mut writer, change, global.timeout, &interrupt)?;
    }
    Ok((was, action))
}

fn set(db: &mut PgConnection, topic: &str, change: Change, action: &str) -> Result<(), Failure> {
    sql_query(
        "INSERT INTO consumer_control AS c (topic, state, resumes, action_id)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (topic) DO UPDATE
             SET state = excluded.state, resumes = c.resumes + excluded.resumes,
                 action_id = excluded.action_id, changed_at = now()",
    )
    .bind::<Text, _>(topic)
    .bind::<Text, _>(change.state())
    .bind::<BigInt, _>(change.resumes())
    .bind::<Text, _>(action)
    .execute(db)
    .map(drop)
    .map_err(|source| Failure::Query {
        doing: "writing what is wanted of consumption",
        source,
    })
}

/// Waits until every processor that is there has followed.
fn followed(
    writer: &mut Writer,
    change: Change,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        let instances = writer.run("consumer_instances", consumer::instances)?;
        let live: Vec<_> = instances.iter().filter(|row| row.is_live()).collect();
        let behind: Vec<&str> = live
            .iter()
            .filter(|row| !change.is_followed(&row.state))
            .map(|row| row.instance.as_str())
            .collect();
        if behind.is_empty() {
            if live.is_empty() {
                eprintln!("bookend: no processor is there; the next one will follow");
            }
            return Ok(());
        }
        let what = || {
            format!(
                "it is on record and will be followed, but these processors have not said so: {}",
                behind.join(", ")
            )
        };
        if started.elapsed() >= limit {
            return Err(Failure::Late {
                what: what(),
                limit,
            });
        }
        if interrupt.wait(LOOK_EVERY) {
            return Err(Failure::Interrupted { what: what() });
        }
    }
}
