//! `bookend sweep repair`: a person says yes to what was too much for one sweep.
//!
//! *Invariant:* a plan is approved once, as it was shown: by a compare-and-set on its state and its
//! number of events, in the transaction that records the action. Nothing is published from here.

use std::time::{Duration, Instant};

use diesel::pg::PgConnection;
use diesel::sql_types::{Integer, Text};
use diesel::{RunQueryDsl as _, sql_query};
use serde::Serialize;
use serde_json::json;

use super::{account, second};
use crate::action::{Action, Attempt, Ended, Interrupt, Reason, begin, guarded, may_act};
use crate::args::{Global, SweepRepair};
use crate::database::{Writer, read};
use crate::failure::Failure;
use crate::ledger::plan::{self, PlanRow};
use crate::output::{self, Form, fields};

/// As it is recorded.
const VERB: &str = "sweep repair";
/// Events of a plan that are shown.
const SAMPLE: i64 = 10;
/// How often is looked whether it is carried out.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long is waited where nobody said.
const PATIENCE: Duration = Duration::from_mins(5);

/// The answer: of a dry run, or of an execution.
#[derive(Serialize)]
struct Shown {
    dry_run: bool,
    verb: &'static str,
    action: Option<String>,
    plan: PlanRow,
    /// Some of the events that are missing.
    sample: Vec<String>,
}

/// How a plan stands, for one that waits for it.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Waits,
    Done,
    Failed,
}

pub(super) fn run(global: &Global, args: &SweepRepair) -> Result<(), Failure> {
    match args.writing.reason()? {
        None => {
            let (plan, sample) = read(global.timeout, "repair_plan", |db| open(db, &args.plan))?;
            let missing = plan.missing;
            show(
                global,
                Shown {
                    dry_run: true,
                    verb: VERB,
                    action: None,
                    plan,
                    sample,
                },
            )?;
            eprintln!(
                "bookend: a dry run, nothing was done. The reconciler asks Stripe once more before \
                 it publishes, and publishes no more than {missing}. To approve it: \
                 --expect {missing} --execute --reason \"…\""
            );
            Ok(())
        }
        Some(reason) => execute(global, args, reason),
    }
}

/// The plan, which must be open, and some of its events.
fn open(db: &mut PgConnection, id: &str) -> Result<(PlanRow, Vec<String>), Failure> {
    let row = plan::find(db, id)?.ok_or_else(|| Failure::NothingMatched {
        what: format!("no plan {id}"),
    })?;
    if row.state != "open" {
        return Err(not_open(id, &row.state));
    }
    let sample = plan::sample(db, id, SAMPLE)?;
    Ok((row, sample))
}

fn not_open(id: &str, state: &str) -> Failure {
    Failure::Precondition {
        what: format!(
            "{id} is not open any more, it is {state}: see bookend sweep plans --all; nothing was \
             done"
        ),
    }
}

fn execute(global: &Global, args: &SweepRepair, reason: Reason) -> Result<(), Failure> {
    let attempt = Attempt::new(VERB, reason, json!({"plan": args.plan}))?;
    let (mut writer, interrupt, action, sample) = guarded(&attempt, global.timeout, || {
        let mut writer = Writer::connect(global.timeout)?;
        writer.run("may_act", may_act)?;
        let (plan, sample) = writer.read("repair_plan", |db| open(db, &args.plan))?;
        let missing = usize::try_from(plan.missing).unwrap_or(0);
        args.writing.check_count(missing)?;
        args.writing.confirm(missing, "events to publish")?;
        let interrupt = Interrupt::listen()?;
        let kept = json!({
            "account": plan.account, "from": plan.window_from, "to": plan.window_to,
            "missing": plan.missing, "cap": plan.cap, "sample": sample,
        });
        let action = begin(&mut writer, &attempt, &kept, &[], |db, id| {
            approve(db, &plan, id)?;
            let action = Action { id: id.to_owned() };
            // Whatever becomes of it, the approval is done; how the plan ended is added.
            action.finish_within(db, Ended::Done, &json!({"plan": "approved"}))
        })?;
        Ok((writer, interrupt, action, sample))
    })?;
    eprintln!("bookend: action {}: approved", action.id);
    let plan = carried_out(&mut writer, args, global, &interrupt)?;
    let result = json!({"plan": plan.state, "published": plan.published});
    if standing(&plan.state) == Standing::Failed {
        action.finish(&mut writer, Ended::Failed, &result)?;
        return Err(Failure::Undone {
            what: format!(
                "{}: {} of {} published: {}",
                plan.id,
                plan.published,
                plan.missing,
                plan.error.as_deref().unwrap_or("no reason was noted")
            ),
        });
    }
    action.finish(&mut writer, Ended::Done, &result)?;
    show(
        global,
        Shown {
            dry_run: false,
            verb: VERB,
            action: Some(action.id),
            plan,
            sample,
        },
    )
}

/// Compare and set: by somebody else's approval, or by a sweep that found more, it is refused.
fn approve(db: &mut PgConnection, plan: &PlanRow, action: &str) -> Result<(), Failure> {
    let approved = sql_query(
        "UPDATE repair_plans SET state = 'approved', action_id = $2, approved_at = now()
         WHERE id = $1 AND state = 'open' AND missing = $3",
    )
    .bind::<Text, _>(&plan.id)
    .bind::<Text, _>(action)
    .bind::<Integer, _>(plan.missing)
    .execute(db)
    .map_err(|source| Failure::Query {
        doing: "approving the plan",
        source,
    })?;
    if approved == 1 {
        return Ok(());
    }
    let now = plan::find(db, &plan.id)?;
    Err(match now {
        Some(now) if now.state == "open" => Failure::Precondition {
            what: format!(
                "the plan has changed: {} instead of {}; nothing was done",
                now.missing, plan.missing
            ),
        },
        Some(now) => not_open(&plan.id, &now.state),
        None => not_open(&plan.id, "gone"),
    })
}

/// Waits until the reconciler says how it ended.
fn carried_out(
    writer: &mut Writer,
    args: &SweepRepair,
    global: &Global,
    interrupt: &Interrupt,
) -> Result<PlanRow, Failure> {
    let limit = if global.timeout_is_default {
        PATIENCE
    } else {
        global.timeout
    };
    let started = Instant::now();
    loop {
        let row = writer.run("repair_plan", |db| plan::find(db, &args.plan))?;
        let row = row.ok_or_else(|| not_open(&args.plan, "gone"))?;
        match standing(&row.state) {
            Standing::Done | Standing::Failed => return Ok(row),
            Standing::Waits => {}
        }
        let what = || {
            let error = row.error.as_deref();
            let why = error.map_or_else(String::new, |error| format!(" ({error})"));
            format!(
                "{} stays approved, and the reconciler carries it out{why}: see bookend sweep plans \
                 --all",
                row.id
            )
        };
        if started.elapsed() >= limit {
            let what = what();
            return Err(Failure::Late { what, limit });
        }
        if interrupt.wait(LOOK_EVERY) {
            return Err(Failure::Interrupted { what: what() });
        }
    }
}

fn standing(state: &str) -> Standing {
    match state {
        "done" => Standing::Done,
        "failed" => Standing::Failed,
        _ => Standing::Waits,
    }
}

fn show(global: &Global, shown: Shown) -> Result<(), Failure> {
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => {
            let plan = shown.plan;
            output::text(&fields([
                ("plan", Some(plan.id)),
                ("state", Some(plan.state)),
                ("account", Some(account(&plan.account))),
                ("from", Some(second(plan.window_from))),
                ("to", Some(second(plan.window_to))),
                ("missing", Some(plan.missing.to_string())),
                ("cap of a sweep", Some(plan.cap.to_string())),
                ("published", Some(plan.published.to_string())),
                ("error", plan.error),
                ("for instance", Some(shown.sample.join(" "))),
                ("action", shown.action),
            ]))
        }
    }
}
