//! `bookend replay`: find, show, and with `--execute` publish again, wait, tell.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};

use crate::action::{
    Action, Attempt, Ended, Interrupt, Item, Publisher, Results, Writing, await_results, begin,
    guarded, may_act, results,
};
use crate::args::Global;
use crate::database::Writer;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::replay::acting;
use crate::replay::args::ReplayArgs;
use crate::replay::candidate::Origin;
use crate::replay::describe::{Outcome, Shown};
use crate::replay::find::{Found, Place, Request, find};
use crate::replay::log::Log;
use crate::replay::pace::Pace;
use crate::replay::plan::drifted;
use crate::replay::progress::Progress;
use crate::replay::publish::{Carrier, Published};
use crate::{kafka, text};

/// What publishing and waiting may take together where `--timeout` does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_hours(1);

pub(crate) fn run(global: &Global, args: &ReplayArgs) -> Result<(), Failure> {
    let reason = args.writing.reason()?;
    let interrupt = Interrupt::listen()?;
    let mut command = Command {
        global,
        args,
        topic: args.log.kafka.events_topic.as_str(),
        session: Writer::connect(global.timeout)?,
        interrupt: &interrupt,
    };
    if let Some(id) = &args.resume {
        return command.resume(id);
    }
    let request = args.request(SystemClock.now())?;
    let Some(reason) = reason else {
        let found = command.find(&request)?;
        return command.show(&request, &found);
    };
    let attempt = Attempt::new("replay", reason, value(&request.asked())?)?;
    let (action, publisher, count) = guarded(&attempt, global.timeout, || {
        command.start(&request, &attempt)
    })?;
    command.carry_out(&action, &publisher, count)
}

struct Command<'a> {
    global: &'a Global,
    args: &'a ReplayArgs,
    topic: &'a str,
    session: Writer,
    interrupt: &'a Interrupt,
}

impl Command<'_> {
    /// What matches; never nothing.
    fn find(&mut self, request: &Request) -> Result<Found, Failure> {
        let place = Place {
            topic: self.topic,
            kafka: &|| kafka::settings(&self.args.log.kafka, self.args.log.deployment),
            stopped: &|| self.interrupt.is_raised(),
        };
        let found = find(request, &mut self.session, &place)?;
        if found.plan.items.is_empty() {
            let mut what = "no event fits all filters".to_owned();
            for warning in Shown::new(request, &found, self.topic).warnings() {
                what.push_str("; ");
                what.push_str(warning);
            }
            return Err(Failure::NothingMatched { what });
        }
        Ok(found)
    }

    fn show(&self, request: &Request, found: &Found) -> Result<(), Failure> {
        let shown = Shown::new(request, found, self.topic);
        for warning in shown.warnings() {
            eprintln!("bookend: {}", text::printable(warning));
        }
        if self.args.export {
            return output::text(&shown.csv());
        }
        eprintln!(
            "bookend: dry run, nothing was changed; to do it: the same with --execute \
             --reason \"…\" --expect {}",
            shown.matched()
        );
        match self.global.output {
            Form::Json => output::json(&shown),
            Form::Table => output::text(&shown.table()),
        }
    }

    /// Plans, asks and commits the action with its items. Nothing is published yet.
    fn start(
        &mut self,
        request: &Request,
        attempt: &Attempt,
    ) -> Result<(Action, Publisher, usize), Failure> {
        self.session.run("may_act", may_act)?;
        let found = self.find(request)?;
        let count = found.plan.items.len();
        check_drift(&self.args.writing, count)?;
        let publisher = Publisher::connect(&self.args.log, self.global.timeout)?;
        let shown = Shown::new(request, &found, self.topic);
        for warning in shown.warnings() {
            eprintln!("bookend: {}", text::printable(warning));
        }
        self.args
            .writing
            .confirm(count, "events to be published again")?;
        let items: Vec<Item> = found
            .plan
            .items
            .iter()
            .map(|item| Item {
                subject: item.subject.clone(),
                source: (item.origin == Origin::Log).then_some((item.partition, item.offset)),
            })
            .collect();
        let plan = value(&shown)?;
        let action = begin(&mut self.session, attempt, &plan, &items, acting::hold)?;
        Ok((action, publisher, count))
    }

    /// Goes on with a replay. That somebody does is an action of its own.
    fn resume(&mut self, id: &str) -> Result<(), Failure> {
        let writing = Writing {
            execute: true,
            reason: Some(format!("to go on with {id}")),
            ..Writing::default()
        };
        let Some(reason) = writing.reason()? else {
            return Ok(());
        };
        let attempt = Attempt::new("replay resume", reason, json!({ "action": id }))?;
        let limit = self.global.timeout;
        let (note, publisher, count) = guarded(&attempt, limit, || {
            self.session.run("may_act", may_act)?;
            let found = self
                .session
                .read("replay_action", |db| acting::find(db, id))?;
            let Some(found) = found else {
                return Err(Failure::NothingMatched {
                    what: format!("there is no action {id}"),
                });
            };
            if let Some(why) = acting::cannot_resume(&found, self.topic) {
                return Err(Failure::Precondition {
                    what: format!("{id} cannot be gone on with: {why}"),
                });
            }
            let publisher = Publisher::connect(&self.args.log, limit)?;
            let note = begin(&mut self.session, &attempt, &json!({}), &[], |db, _note| {
                acting::hold(db, id)?;
                acting::resume(db, id)
            })?;
            let left = self.session.read("replay_left", |db| results(db, id))?;
            Ok((note, publisher, left.unsent()))
        })?;
        let action = Action { id: id.to_owned() };
        let outcome = self.carry_out(&action, &publisher, count);
        let ended = match &outcome {
            Ok(()) => Ended::Done,
            Err(Failure::Interrupted { .. }) => Ended::Interrupted,
            Err(_) => Ended::Partly,
        };
        note.finish(&mut self.session, ended, &json!({ "action": id }))?;
        outcome
    }

    /// Publishes what is planned, waits for the results, and tells them.
    fn carry_out(
        &mut self,
        action: &Action,
        publisher: &Publisher,
        count: usize,
    ) -> Result<(), Failure> {
        let limit = if self.global.timeout_is_default {
            DEFAULT_TIMEOUT
        } else {
            self.global.timeout
        };
        let now = Instant::now();
        let deadline = now.checked_add(limit).unwrap_or(now);
        let settings = kafka::settings(&self.args.log.kafka, self.args.log.deployment)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| Failure::Runtime { source })?;
        let mut carrier = Carrier {
            action,
            log: Log::new(&settings, self.topic, self.global.timeout)?,
            session: &mut self.session,
            publisher,
            runtime,
            pace: Pace::new(self.args.rate),
            interrupt: self.interrupt,
            deadline,
        };
        let published = carrier.run(&mut Progress::new("published", count));
        let to_go_on = format!("to go on: bookend replay --resume {}", action.id);
        let left = match published {
            Ok(Published::All) => return self.conclude(action, deadline, limit),
            Ok(Published::Stopped) => Failure::Interrupted { what: to_go_on },
            Ok(Published::Late) => Failure::Late {
                what: format!("not all was published; {to_go_on}"),
                limit,
            },
            Ok(Published::Refused(why)) => Failure::InPart {
                what: format!("Kafka takes no more ({why}); {to_go_on}"),
            },
            Err(failure) => {
                eprintln!("bookend: interrupted by an error; {to_go_on}");
                failure
            }
        };
        // What cannot be noted is still planned: whoever goes on sees it.
        drop(self.finish(action, Some(Ended::Interrupted), false));
        Err(left)
    }

    /// Waits, unless nobody wants to know, and tells what came of it.
    fn conclude(
        &mut self,
        action: &Action,
        deadline: Instant,
        limit: Duration,
    ) -> Result<(), Failure> {
        if self.args.no_wait {
            let (ended, results) = self.finish(action, None, false)?;
            return self.tell(action, ended, &results);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match await_results(&mut self.session, action, left, self.interrupt) {
            Ok(_all) => {
                let (ended, results) = self.finish(action, None, true)?;
                self.tell(action, ended, &results)
            }
            Err(failure) => {
                let failure = match failure {
                    Failure::Pending {
                        action,
                        waiting,
                        published,
                        limit: _rest,
                    } => Failure::Pending {
                        action,
                        waiting,
                        published,
                        limit,
                    },
                    other => other,
                };
                let ended = match &failure {
                    Failure::Interrupted { .. } => Ended::Interrupted,
                    _ => Ended::Partly,
                };
                drop(self.finish(action, Some(ended), true));
                Err(failure)
            }
        }
    }

    /// Writes how it ended: as said, else as the items' states say.
    fn finish(
        &mut self,
        action: &Action,
        ended: Option<Ended>,
        awaited: bool,
    ) -> Result<(Ended, Results), Failure> {
        self.session.run("replay_finish", |db| {
            let results = results(db, &action.id)?;
            let ended = ended.unwrap_or_else(|| ended_of(&results, awaited));
            let counts = value(&results)?;
            action.finish_within(db, ended, &counts)?;
            Ok((ended, results))
        })
    }

    /// The counts by result; where not all is well, as the failure that the exit code tells.
    fn tell(&self, action: &Action, ended: Ended, results: &Results) -> Result<(), Failure> {
        let what = || format!("{}; see bookend action show {}", results.told(), action.id);
        match ended {
            Ended::Done => {}
            Ended::Failed => return Err(Failure::Undone { what: what() }),
            Ended::Partly | Ended::Interrupted => return Err(Failure::InPart { what: what() }),
        }
        let outcome = Outcome {
            action: &action.id,
            state: ended.as_str(),
            results,
        };
        match self.global.output {
            Form::Json => output::json(&outcome),
            Form::Table => output::text(&outcome.table()),
        }
    }
}

/// Who does not wait is content with what the log has acknowledged.
fn ended_of(results: &Results, awaited: bool) -> Ended {
    let mut judged = results.clone();
    if !awaited && let Some(published) = judged.0.remove("published") {
        let applied = judged.0.entry("applied".to_owned()).or_default();
        *applied = applied.saturating_add(published);
    }
    judged.ended()
}

fn check_drift(writing: &Writing, matched: usize) -> Result<(), Failure> {
    let Some(expected) = writing.expect else {
        return Ok(());
    };
    let as_count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    if drifted(as_count(matched), as_count(expected)) {
        return Err(Failure::Precondition {
            what: format!(
                "{matched} match, more than a tenth off the {expected} of --expect; nothing was done"
            ),
        });
    }
    Ok(())
}

fn value(of: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(of).map_err(|source| Failure::Json { source })
}
