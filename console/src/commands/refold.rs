//! `bookend refold`: what today's rules make of the ledger, beside what is stored; and the commands
//! that make it so.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;
use shared::folding::graph::Key;
use shared::ids::{AccountId, BookingId};

use crate::action::{Attempt, Interrupt, Reason, Results, begin, guarded, may_act};
use crate::args::Global;
use crate::database::{Writer, read};
use crate::failure::{Failure, chain};
use crate::output::{self, Form, columns};
use crate::refold::{
    self, Change, Findings, Plan, RefoldArgs, Run, Shadow, Skipped, Walk, carry_out,
};

pub(crate) fn run(global: &Global, args: &RefoldArgs) -> Result<(), Failure> {
    let reason = args.writing.reason()?;
    if let Some(run) = &args.promote {
        return promote(global, args, run, reason);
    }
    if let Some(run) = &args.drop {
        return forget(global, run, reason);
    }
    if args.all {
        return everything(global, args, reason.is_some());
    }
    named(global, args, reason)
}

/// Some bookings, or one object.
fn named(global: &Global, args: &RefoldArgs, reason: Option<Reason>) -> Result<(), Failure> {
    let Some(reason) = reason else {
        let shadow = look(global, args)?;
        return tell(global, &Seen::of(&shadow, args));
    };
    let request = json!({
        "bookings": args.booking.iter().map(BookingId::as_str).collect::<Vec<_>>(),
        "object": args.object.as_ref().map(ToString::to_string),
        "account": args.account.as_ref().map(ToString::to_string),
        "force": args.force,
    });
    let attempt = Attempt::new("refold", reason, request)?;
    let (action, results) = guarded(&attempt, global.timeout, || {
        let shadow = look(global, args)?;
        let plan = refold::wanted(&shadow, args.force);
        let told = json!(Seen::of(&shadow, args));
        carry_out(global, args, &attempt, plan, &told)
    })?;
    done(global, &action.id, &results)
}

fn look(global: &Global, args: &RefoldArgs) -> Result<Shadow, Failure> {
    let bookings: BTreeSet<String> = args
        .booking
        .iter()
        .map(|id| id.as_str().to_owned())
        .collect();
    let objects: BTreeSet<Key> = args
        .object
        .iter()
        .map(|id| Key {
            account: args
                .account
                .as_ref()
                .map(AccountId::to_string)
                .unwrap_or_default(),
            id: id.to_string(),
        })
        .collect();
    let folded = read(global.timeout, "refold", |db| {
        refold::shadow(db, &objects, &bookings, args.policy())
    })?;
    let shadow = folded.map_err(|refused| Failure::Precondition {
        what: format!("it cannot be folded: {}", chain(&refused)),
    })?;
    let held: BTreeSet<&str> = shadow.bookings.iter().map(|it| it.id.as_str()).collect();
    let unknown = bookings.iter().find(|id| !held.contains(id.as_str()));
    let nothing = |what: String| Err(Failure::NothingMatched { what });
    if let Some(id) = unknown {
        return nothing(format!("no booking {id}"));
    }
    let known = |key: &Key| {
        let mut objects = shadow.objects.iter();
        objects.any(|it| it.key == *key)
    };
    if let Some(key) = objects.iter().find(|key| !known(key)) {
        return nothing(format!("no object {}", key.id));
    }
    Ok(shadow)
}

/// What a shadow of some bookings showed.
#[derive(Serialize)]
struct Seen<'a> {
    /// Objects that are tied together, and were folded.
    objects: usize,
    /// Ledger rows they were folded from.
    events: usize,
    bookings: usize,
    bookings_that_differ: Vec<BookingSeen<'a>>,
    objects_that_differ: Vec<ObjectSeen<'a>>,
    /// What `--execute` would refold.
    would_refold: Vec<String>,
}

#[derive(Serialize)]
struct BookingSeen<'a> {
    id: &'a str,
    changes: &'a [Change],
}

#[derive(Serialize)]
struct ObjectSeen<'a> {
    account: &'a str,
    id: &'a str,
    r#type: &'a str,
    booking_id: Option<&'a str>,
    changes: &'a [Change],
}

impl<'a> Seen<'a> {
    fn of(shadow: &'a Shadow, args: &RefoldArgs) -> Self {
        let bookings = shadow.bookings.iter().filter(|it| !it.changes.is_empty());
        let objects = shadow.objects.iter().filter(|it| !it.changes.is_empty());
        Self {
            objects: shadow.objects.len(),
            events: shadow.rows,
            bookings: shadow.bookings.len(),
            bookings_that_differ: bookings
                .map(|it| BookingSeen {
                    id: &it.id,
                    changes: &it.changes,
                })
                .collect(),
            objects_that_differ: objects
                .map(|it| ObjectSeen {
                    account: &it.key.account,
                    id: &it.key.id,
                    r#type: &it.kind,
                    booking_id: it.booking_id.as_deref(),
                    changes: &it.changes,
                })
                .collect(),
            would_refold: refold::wanted(shadow, args.force).into_keys().collect(),
        }
    }
}

fn tell(global: &Global, seen: &Seen<'_>) -> Result<(), Failure> {
    match global.output {
        Form::Json => output::json(seen),
        Form::Table => {
            let summary = format!(
                "{} objects of {} bookings folded from {} ledger rows; nothing was written\n",
                seen.objects, seen.bookings, seen.events
            );
            let bookings = seen.bookings_that_differ.iter();
            let objects = seen.objects_that_differ.iter();
            let lines: Vec<[String; 3]> = bookings
                .flat_map(|it| lines(it.id, it.changes))
                .chain(objects.flat_map(|it| lines(it.id, it.changes)))
                .collect();
            if lines.is_empty() {
                return output::text(&format!("{summary}no difference\n"));
            }
            let table = columns(["BOOKING OR OBJECT", "FIELD", "STORED → FOLDED"], lines);
            output::text(&format!("{summary}\n{table}"))
        }
    }
}

fn lines(id: &str, changes: &[Change]) -> Vec<[String; 3]> {
    let line = |change: &Change| [id.to_owned(), change.field.clone(), change.told()];
    changes.iter().map(line).collect()
}

/// What an action came to.
#[derive(Serialize)]
struct Done<'a> {
    action: &'a str,
    results: &'a Results,
}

fn done(global: &Global, action: &str, results: &Results) -> Result<(), Failure> {
    match global.output {
        Form::Json => output::json(&Done { action, results }),
        Form::Table => output::text(&format!("{action}: {}\n", results.told())),
    }
}

/// The report of a run.
#[derive(Serialize)]
struct Report {
    run: Run,
    /// Everything was folded.
    complete: bool,
    /// What live traffic means for it.
    compared: &'static str,
    #[serde(flatten)]
    findings: Findings,
    skipped: Skipped,
}

const COMPARED: &str = "each row as it was when it was folded; live traffic went on meanwhile";

fn everything(global: &Global, args: &RefoldArgs, execute: bool) -> Result<(), Failure> {
    if execute {
        return Err(Failure::Usage {
            what: "--all only looks: what it finds is made right by --promote RUN".to_owned(),
        });
    }
    let interrupt = Interrupt::listen()?;
    let mut walk = Walk {
        reader: Writer::connect(global.timeout)?,
        writer: Writer::connect(global.timeout)?,
        interrupt: &interrupt,
        policy: args.policy(),
    };
    let run = walk.writer.run("refold_begin", |db| {
        refold::may_keep(db)?;
        match &args.run {
            Some(run) => refold::find(db, run),
            None => refold::begin(db),
        }
    })?;
    eprintln!("bookend: run {}", run.id);
    let skipped = walk.go(&run)?;
    let report = read(global.timeout, "refold_report", |db| {
        let run = refold::find(db, &run.id)?;
        let findings = refold::findings(db, &run.id)?;
        Ok(Report {
            complete: run.finished_at.is_some(),
            compared: COMPARED,
            run,
            findings,
            skipped,
        })
    })?;
    match global.output {
        Form::Json => output::json(&report)?,
        Form::Table => output::text(&describe(&report))?,
    }
    match report.skipped.count {
        0 => Ok(()),
        count => Err(Failure::InPart {
            what: format!("{count} objects and bookings could not be folded"),
        }),
    }
}

/// Differing bookings that the table shows; JSON has all.
const SAMPLE: usize = 10;

fn describe(report: &Report) -> String {
    let (run, findings) = (&report.run, &report.findings);
    let counts = &findings.counts;
    let mut text = format!(
        "run {}{}: {} of {} bookings and {} of {} objects differ, folded from {} ledger rows\n{}\n",
        run.id,
        if report.complete {
            ""
        } else {
            " (not complete)"
        },
        counts.bookings_differing,
        counts.bookings,
        counts.objects_differing,
        counts.objects,
        run.events,
        report.compared,
    );
    let mut section = |table: String| {
        text.push('\n');
        text.push_str(&table);
    };
    let dash = |status: &Option<String>| status.clone().unwrap_or_else(|| "-".to_owned());
    if !findings.moves.is_empty() {
        let rows = findings.moves.iter();
        section(columns(
            ["STORED", "FOLDED", "BOOKINGS"],
            rows.map(|it| [dash(&it.before), dash(&it.after), it.bookings.to_string()]),
        ));
        let sample = findings.bookings_that_differ.iter().take(SAMPLE);
        section(columns(
            ["BOOKING", "FIELD", "STORED → FOLDED"],
            sample.flat_map(|it| lines(&it.id, &it.changes)),
        ));
    }
    if report.skipped.count > 0 {
        let rows = report.skipped.listed.iter().take(SAMPLE);
        section(columns(
            ["NOT FOLDED", "BECAUSE"],
            rows.map(|(subject, why)| [subject.clone(), why.clone()]),
        ));
    }
    text
}

/// The plan of a run's promotion.
#[derive(Serialize)]
struct Promotion<'a> {
    run: &'a str,
    refolds: usize,
    would_refold: Vec<&'a String>,
}

fn promotion<'a>(run: &'a str, plan: &'a Plan) -> Promotion<'a> {
    Promotion {
        run,
        refolds: plan.len(),
        would_refold: plan.keys().collect(),
    }
}

fn promote(
    global: &Global,
    args: &RefoldArgs,
    run: &str,
    reason: Option<Reason>,
) -> Result<(), Failure> {
    let plan = || {
        read(global.timeout, "refold_plan", |db| {
            let found = refold::find(db, run)?;
            if found.finished_at.is_none() && !args.force {
                return Err(Failure::Precondition {
                    what: format!(
                        "run {run} is not complete: go on with bookend refold --all --run {run}, \
                         or promote what it has with --force"
                    ),
                });
            }
            refold::plan(db, run)
        })
    };
    let Some(reason) = reason else {
        let plan = plan()?;
        let promotion = promotion(run, &plan);
        return match global.output {
            Form::Json => output::json(&promotion),
            Form::Table => {
                let rows = promotion.would_refold.iter().map(|id| [(*id).clone()]);
                let table = columns(["WOULD REFOLD"], rows);
                output::text(&format!("{} refolds\n\n{table}", promotion.refolds))
            }
        };
    };
    let attempt = Attempt::new("refold promote", reason, json!({"run": run}))?;
    let (action, results) = guarded(&attempt, global.timeout, || {
        let plan = plan()?;
        let told = json!({"run": run, "refolds": plan.len()});
        carry_out(global, args, &attempt, plan, &told)
    })?;
    done(global, &action.id, &results)
}

fn forget(global: &Global, run: &str, reason: Option<Reason>) -> Result<(), Failure> {
    let Some(reason) = reason else {
        let found = read(global.timeout, "refold_find", |db| refold::find(db, run))?;
        return match global.output {
            Form::Json => output::json(&found),
            Form::Table => output::text(&format!(
                "would forget run {run} with its {} objects\n",
                found.objects
            )),
        };
    };
    let attempt = Attempt::new("refold drop", reason, json!({"run": run}))?;
    let action = guarded(&attempt, global.timeout, || {
        let mut writer = Writer::connect(global.timeout)?;
        writer.run("refold_may_act", may_act)?;
        let action = begin(&mut writer, &attempt, &json!({}), &[], |db, _| {
            refold::find(db, run)?;
            refold::forget(db, run)
        })?;
        let ended = Results::default();
        action.finish(&mut writer, ended.ended(), &json!(ended))?;
        Ok(action)
    })?;
    output::text(&format!("{}: run {run} is forgotten\n", action.id))
}
