//! `bookend secrets roll`: shown, or begun, carried out as far as the time goes, and noted.
//!
//! *Invariant:* the action is on record before Stripe is asked to change anything, and one process
//! at a time rolls anything: it holds the rolls' advisory lock while its connection lives.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;
use shared::clock::{Clock as _, SystemClock};

use super::carry_out::{Done, Run};
use crate::action::{Attempt, Ended, Interrupt, Reason, begin, guarded, may_act};
use crate::args::{Global, SecretsRoll};
use crate::commands::endpoint::key;
use crate::database::Writer;
use crate::endpoint::Client;
use crate::failure::Failure;
use crate::ingestors::Ingestors;
use crate::output::{self, Form, fields};
use crate::replay::acting::hold;
use crate::roll::Watched;
use crate::roll::decide::{Refusal, Stage, Step, World};

const VERB: &str = "secrets roll";
/// One for all endpoints: two of them may have their secrets in one file.
const LOCK: &str = "a roll of a signing secret";
/// How long a roll may take where nobody said.
const DEFAULT_LIMIT: Duration = Duration::from_mins(10);
/// Longest wait for one answer of Stripe's.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// The answer: of a dry run, or of an execution that came to its end.
#[derive(Serialize)]
struct Shown<'a> {
    dry_run: bool,
    verb: &'static str,
    action: Option<&'a str>,
    endpoint: &'a str,
    url: Option<&'a str>,
    connect: Option<bool>,
    new_endpoint: Option<&'a str>,
    old_secret: Option<String>,
    file: String,
    steps: Vec<Stage>,
    settle_s: u64,
    overlap_s: u64,
    waits_for: &'static str,
}

pub(super) fn run(global: &Global, args: &SecretsRoll) -> Result<(), Failure> {
    let reason = args.writing.reason()?;
    let limit = if global.timeout_is_default {
        DEFAULT_LIMIT
    } else {
        global.timeout
    };
    if args.settle >= limit {
        return Err(Failure::Usage {
            what: "--settle must be shorter than --timeout: else the wait never ends".to_owned(),
        });
    }
    let client = key::client(&args.stripe, CALL_LIMIT.min(limit))?;
    match reason {
        None => {
            let world = Parts::new(args, client)?.look(args)?;
            show(global, args, &world, None)?;
            eprintln!("bookend: a dry run, nothing was done. To do it: --execute --reason \"…\"");
            Ok(())
        }
        Some(reason) => execute(global, args, reason, client, limit),
    }
}

/// What a roll looks at and acts on.
pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) file: Watched,
    pub(super) ingestors: Ingestors,
}

impl Parts {
    fn new(args: &SecretsRoll, client: Client) -> Result<Self, Failure> {
        Ok(Self {
            client,
            file: Watched::at(&args.file)?,
            ingestors: Ingestors::new(args.metrics.clone()).map_err(super::ingestors)?,
        })
    }

    /// Asks Stripe and reads the file; nothing was seen yet.
    pub(super) fn look(&self, args: &SecretsRoll) -> Result<World, Failure> {
        let livemode = args.stripe.livemode()?;
        let listed = self.client.list().map_err(|source| Failure::Stripe {
            doing: "listing the endpoints",
            source,
        })?;
        let names = self.file.read()?;
        Ok(World {
            endpoint: args.endpoint.clone(),
            listed: listed
                .into_iter()
                .filter(|one| one.livemode == livemode)
                .collect(),
            names: names.names().into_iter().map(str::to_owned).collect(),
            old_secret: args.old_secret.clone(),
            loaded: false,
            seen: false,
            now: SystemClock.now().timestamp(),
            overlap: i64::try_from(args.overlap.as_secs()).unwrap_or(i64::MAX),
        })
    }
}

/// A refusal as a failure: 3 where there is no such endpoint, else 6.
pub(super) fn refused(refusal: &Refusal) -> Failure {
    let what = refusal.to_string();
    match refusal {
        Refusal::Unknown(_) => Failure::NothingMatched { what },
        Refusal::Disabled(_)
        | Refusal::Several(_)
        | Refusal::OtherFile(_)
        | Refusal::NewDisabled(_)
        | Refusal::OldIsGone(_)
        | Refusal::WhichSecret(_)
        | Refusal::NoSuchSecret(_) => Failure::Precondition { what },
    }
}

fn execute(
    global: &Global,
    args: &SecretsRoll,
    reason: Reason,
    client: Client,
    limit: Duration,
) -> Result<(), Failure> {
    let request = json!({
        "endpoint": args.endpoint, "file": args.file.display().to_string(),
        "old_secret": args.old_secret, "overlap_s": args.overlap.as_secs(),
        "settle_s": args.settle.as_secs(), "ingestors": args.metrics.len(),
    });
    let attempt = Attempt::new(VERB, reason, request)?;
    let mut run = guarded(&attempt, global.timeout, || {
        let mut writer = Writer::connect(global.timeout)?;
        writer.run("may_act", may_act)?;
        writer.run("roll_hold", |db| hold(db, LOCK))?;
        let parts = Parts::new(args, client)?;
        parts.file.try_replacing()?;
        let world = parts.look(args)?;
        let steps = stages(&world)?;
        args.writing.check_count(steps.len())?;
        args.writing.confirm(steps.len(), VERB)?;
        let interrupt = Interrupt::listen()?;
        let plan = json!({"steps": steps, "new_endpoint": world.new_id()});
        let action = begin(&mut writer, &attempt, &plan, &[], |_, _| Ok(()))?;
        Ok(Run {
            args,
            parts,
            writer,
            interrupt,
            action,
            done: Done::default(),
            ends: Instant::now() + limit,
            limit,
        })
    })?;
    eprintln!("bookend: action {}", run.action.id);
    let outcome = run.go_on();
    finish(&mut run, &outcome)?;
    let world = outcome?;
    show(global, args, &world, Some(&run))
}

/// Notes how it ended; where that fails after another failure, says so and keeps the first.
fn finish(run: &mut Run<'_>, outcome: &Result<World, Failure>) -> Result<(), Failure> {
    let ended = match outcome {
        Ok(_) => Ended::Done,
        Err(Failure::Interrupted { .. }) => Ended::Interrupted,
        Err(_) if run.done.steps.is_empty() => Ended::Failed,
        Err(_) => Ended::Partly,
    };
    let result = json!({
        "steps": run.done.steps, "new_endpoint": run.done.new_endpoint,
        "error": outcome.as_ref().err().map(Failure::explain),
    });
    let noted = run.action.finish(&mut run.writer, ended, &result);
    match (noted, outcome) {
        (Err(second), Err(_)) => {
            let why = crate::text::printable(&second.explain());
            eprintln!("bookend: how it ended could not be recorded: {why}");
            Ok(())
        }
        (noted, _) => noted,
    }
}

fn stages(world: &World) -> Result<Vec<Stage>, Failure> {
    let next = world.next().map_err(|refusal| refused(&refusal))?;
    Ok(next.stage().map(Stage::and_after).unwrap_or_default())
}

fn show(
    global: &Global,
    args: &SecretsRoll,
    world: &World,
    run: Option<&Run<'_>>,
) -> Result<(), Failure> {
    let planned = match world.next().map_err(|refusal| refused(&refusal))? {
        Step::Done => Vec::new(),
        _ => stages(world)?,
    };
    let shown = Shown {
        dry_run: run.is_none(),
        verb: VERB,
        action: run.map(|run| run.action.id.as_str()),
        endpoint: &args.endpoint,
        url: world.old().map(|old| old.url.as_str()),
        connect: world.old().map(|old| old.application.is_some()),
        new_endpoint: world.new_id(),
        old_secret: world.old_name().ok(),
        file: args.file.display().to_string(),
        steps: run.map_or(planned, |run| run.done.steps.clone()),
        settle_s: args.settle.as_secs(),
        overlap_s: args.overlap.as_secs(),
        waits_for: if args.metrics.is_empty() {
            "--settle alone: name the ingestors by --metrics to know that they have the secret"
        } else {
            "every ingestor of --metrics to have the secret"
        },
    };
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => {
            let told = |stage: &Stage| stage.told(args.settle, args.overlap);
            let steps: Vec<String> = shown.steps.iter().map(told).collect();
            let steps = if steps.is_empty() {
                "nothing is left to do".to_owned()
            } else {
                steps.join("; ")
            };
            output::text(&fields([
                ("endpoint", Some(shown.endpoint.to_owned())),
                ("url", shown.url.map(str::to_owned)),
                ("connect", shown.connect.map(|yes| yes.to_string())),
                ("new endpoint", shown.new_endpoint.map(str::to_owned)),
                ("old secret", shown.old_secret),
                ("file", Some(shown.file)),
                ("steps", Some(steps)),
                ("waits for", Some(shown.waits_for.to_owned())),
                ("action", shown.action.map(str::to_owned)),
            ]))
        }
    }
}
