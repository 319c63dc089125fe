//! The steps of a roll, one after the other, each from a fresh look at the world.
//!
//! *Invariant:* a step that was done is not done again, because it is asked what is so, not what
//! was done; a signing secret is in memory, in requests' answers and in the watched file, and nowhere
//! else.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use shared::clock::{Clock as _, SystemClock};
use shared::config::{ExposeSecret as _, Secret};

use super::roll::{Parts, refused};
use crate::action::{Action, Interrupt};
use crate::args::SecretsRoll;
use crate::commands::endpoint::books;
use crate::commands::second;
use crate::database::Writer;
use crate::endpoint::{Listed, Made, StripeError};
use crate::failure::Failure;
use crate::ingestors::Told;
use crate::ledger::secret::{self, Whose};
use crate::ledger::sender;
use crate::roll::decide::{REPLACES, Stage, Step, World, created, widened};
use crate::roll::judge::{Silence, stays};

/// How often is looked for what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many new endpoints one roll asks for: an answer under a known key may tell one that is gone.
const CREATES: u32 = 10;

/// What this process has done.
#[derive(Default)]
pub(super) struct Done {
    pub(super) steps: Vec<Stage>,
    pub(super) new_endpoint: Option<String>,
}

/// A roll that has begun.
pub(super) struct Run<'a> {
    pub(super) args: &'a SecretsRoll,
    pub(super) parts: Parts,
    pub(super) writer: Writer,
    pub(super) interrupt: Interrupt,
    pub(super) action: Action,
    pub(super) done: Done,
    pub(super) ends: Instant,
    pub(super) limit: Duration,
}

impl Run<'_> {
    /// Goes on until all is done; the world as it is then.
    pub(super) fn go_on(&mut self) -> Result<World, Failure> {
        let (mut loaded, mut seen, mut accepted, mut silent) = (false, false, false, false);
        loop {
            self.not_interrupted()?;
            let mut world = self.parts.look(self.args)?;
            (world.loaded, world.seen) = (loaded, seen);
            self.done.new_endpoint = world.new_id().map(str::to_owned);
            let step = world.next().map_err(|refusal| refused(&refusal))?;
            let widens = matches!(step, Step::Widen { .. });
            // Not where it was widened: a process that was killed just then has not written it
            // down. Nor where it is about to be: what it lacks would be accepted.
            if let Some(new) = world.delivering().filter(|_| !accepted && !widens) {
                self.writer
                    .run("endpoint_accept", |db| books::accept(db, &new.url, new))?;
                accepted = true;
            }
            match &step {
                Step::Discard { id } => self.discard(id)?,
                Step::Create => {
                    self.create(&world)?;
                    loaded = false;
                }
                Step::Load { id } => {
                    self.load(id)?;
                    loaded = true;
                }
                Step::Widen { id } => {
                    self.widen(&world, id)?;
                    accepted = false;
                }
                Step::See { id, since } => {
                    self.see(id, *since)?;
                    seen = true;
                }
                Step::Overlap { until } => self.overlap(*until)?,
                Step::Disable => self.disable(&world)?,
                Step::Delete => self.delete(&world)?,
                Step::Forget { name } if !silent => {
                    self.wait_for_silence(name)?;
                    silent = true;
                    // It took minutes: the new endpoint may no longer be what it was.
                    continue;
                }
                Step::Forget { name } => self.forget(name)?,
                Step::Done => {
                    self.retire()?;
                    return Ok(world);
                }
            }
            if let Some(stage) = step.stage() {
                self.done.steps.push(stage);
                eprintln!("bookend: {}", stage.past());
            }
        }
    }

    fn discard(&self, id: &str) -> Result<(), Failure> {
        let deleted = self.parts.client.delete(id);
        deleted.map_err(stripe("removing a new endpoint whose secret is lost"))
    }

    /// Asks for the new endpoint and keeps its secret. The key of the request is the same in every
    /// process that rolls this endpoint, so that a request whose answer was lost makes no second
    /// one; an answer that tells one which was discarded leads to the next key.
    fn create(&self, world: &World) -> Result<(), Failure> {
        let old = old(world)?;
        let form = created(old);
        for number in 1..=CREATES {
            let key = format!("bookend-roll-{}-{number}", old.id);
            let made = self.parts.client.write(None, &form, &key);
            let listed = self.parts.client.list();
            let listed = listed.map_err(stripe("looking for the new endpoint"))?;
            let Made { endpoint, secret } = match made {
                // Stripe keeps this answer for the key, too: the next request needs another.
                Err(StripeError::Failing { .. }) if number < CREATES && !is_there(&listed, old) => {
                    continue;
                }
                made => made.map_err(stripe("creating the new endpoint"))?,
            };
            if listed.iter().all(|one| one.id != endpoint.id) {
                continue;
            }
            let Some(secret) = secret else {
                return Err(Failure::Undone {
                    what: format!("Stripe told no secret of {}; roll again", endpoint.id),
                });
            };
            return self.keep(&endpoint.id, &secret);
        }
        Err(Failure::Undone {
            what: format!("none of {CREATES} requests made a new endpoint"),
        })
    }

    fn keep(&self, id: &str, secret: &Secret) -> Result<(), Failure> {
        self.parts.file.rewrite(|now| {
            let more = now.with(id, secret.expose_secret());
            more.map_err(|error| Failure::Undone {
                what: format!("the secret that Stripe told cannot be taken: {error}"),
            })
        })
    }

    /// Waits until every ingestor named tells the new secret, or, where none is named, for so long
    /// that each must have it.
    fn load(&self, id: &str) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            if self.parts.ingestors.is_empty() {
                if begun.elapsed() >= self.args.settle {
                    return Ok(());
                }
            } else {
                let told = self.parts.ingestors.ask();
                let lacking = match &told {
                    Ok(told) => told.iter().filter(|told| !told.contains_key(id)).count(),
                    Err(_) => 1,
                };
                if lacking == 0 {
                    return Ok(());
                }
                if begun.elapsed() >= self.args.settle {
                    told.map_err(super::ingestors)?;
                    return Err(self.late(format!(
                        "{lacking} ingestor(s) have not loaded the secret {id} yet. Bring the \
                         content of {} to them, then roll again",
                        self.parts.file.path().display()
                    )));
                }
            }
            self.pause("the ingestors have not loaded the new secret yet; roll again")?;
        }
    }

    /// Once more where somebody has taken types away meanwhile, or Stripe does not list them yet:
    /// not at once, and not for ever.
    fn widen(&self, world: &World, id: &str) -> Result<(), Failure> {
        let widened_before = self.done.steps.iter().filter(|one| **one == Stage::Widen);
        let number = widened_before.count();
        if number > 0 {
            self.pause(&format!(
                "{id} lacks types of {}, though it was subscribed to them; roll again",
                world.endpoint
            ))?;
        }
        let old = old(world)?;
        let name = world.old_name().map_err(|refusal| refused(&refusal))?;
        let form = widened(old, &name, SystemClock.now().timestamp());
        // The time is in the form: a key that was used stands for another one.
        let key = format!("{}-widen-{number}", self.action.id);
        let made = self.parts.client.write(Some(id), &form, &key);
        made.map(drop)
            .map_err(stripe("subscribing the new endpoint"))
    }

    /// Waits until the new secret verified something: the ledger says so, or an ingestor.
    fn see(&mut self, id: &str, since: i64) -> Result<(), Failure> {
        // The secret is new: nothing older can bear its name, and clocks may differ.
        let from = DateTime::from_timestamp(since.saturating_sub(3_600), 0).unwrap_or_default();
        loop {
            let in_ledger = self.writer.read("roll_see", |db| {
                secret::seen_since(db, Whose::This(id), from)
            })?;
            let told = self.parts.ingestors.ask().unwrap_or_default();
            let verified = |told: &Told| told.get(id).is_some_and(|used| used.verified > 0);
            if in_ledger || told.iter().any(verified) {
                return Ok(());
            }
            self.pause(
                "both endpoints deliver, and nothing that the new secret verified was seen yet; \
                 let something happen at Stripe, then roll again",
            )?;
        }
    }

    /// Waits where that ends in time; else says when to go on.
    fn overlap(&self, until: i64) -> Result<(), Failure> {
        let until = DateTime::from_timestamp(until, 0).unwrap_or_default();
        loop {
            let left = until.signed_duration_since(SystemClock.now());
            let Ok(left) = left.to_std() else {
                return Ok(());
            };
            let time = self.ends.saturating_duration_since(Instant::now());
            if left > time {
                return Err(self.late(format!(
                    "both endpoints deliver until {}; roll again then",
                    second(until)
                )));
            }
            if self.interrupt.wait(left.min(LOOK_EVERY)) {
                self.not_interrupted()?;
            }
        }
    }

    fn disable(&mut self, world: &World) -> Result<(), Failure> {
        // First, so that the reconciler does not take what is meant for a fault.
        self.retire()?;
        let old = old(world)?;
        let key = format!("{}-disable", self.action.id);
        let form = [("disabled".to_owned(), "true".to_owned())];
        let made = self.parts.client.write(Some(&old.id), &form, &key);
        made.map(drop).map_err(stripe("disabling the old endpoint"))
    }

    fn delete(&mut self, world: &World) -> Result<(), Failure> {
        let deleted = self.parts.client.delete(&old(world)?.id);
        deleted.map_err(stripe("removing the old endpoint"))?;
        self.retire()
    }

    /// Waits until the old secret alone has verified nothing for a while: one that still does
    /// belongs to another endpoint, too.
    fn wait_for_silence(&mut self, name: &str) -> Result<(), Failure> {
        let id = &self.args.endpoint;
        let began = SystemClock.now();
        let gone = self
            .writer
            .read("roll_gone", |db| sender::gone_at(db, id))?
            .map_or(began, |at| at.min(began));
        while let Some(stays) = stays(&self.silence(name, gone)?) {
            self.pause(&format!(
                "the old endpoint is gone, and its secret {name} stays in the file: {}; roll again",
                stays.as_str()
            ))?;
        }
        Ok(())
    }

    fn forget(&self, name: &str) -> Result<(), Failure> {
        self.parts.file.rewrite(|now| {
            now.without(name).ok_or_else(|| Failure::Undone {
                what: format!("{name} is the only secret in the file: it stays"),
            })
        })
    }

    /// What is known now of the old endpoint's secret, its endpoint being gone since then.
    fn silence(&mut self, name: &str, gone: DateTime<Utc>) -> Result<Silence, Failure> {
        let (now, settle) = (SystemClock.now(), self.args.settle);
        let from = now - TimeDelta::from_std(settle).unwrap_or_default();
        let (in_ledger, others) = self.writer.read("roll_forget", |db| {
            let signs = secret::seen_since(db, Whose::This(name), from)?;
            Ok((signs, secret::seen_since(db, Whose::AnyBut(name), gone)?))
        })?;
        // None is named: the ledger's word must do.
        let told = self.parts.ingestors.ask().ok();
        let used = |told: &Told| told.get(name).map_or(0, |used| used.last_seen);
        let signs_since = |told: &Told| {
            let mut all = told.iter();
            all.any(|(other, used)| other != name && used.last_seen > gone.timestamp())
        };
        Ok(Silence {
            now,
            gone,
            settle,
            in_ledger,
            at_ingestors: told
                .as_ref()
                .map(|all| all.iter().map(used).max().unwrap_or(0)),
            others: others || told.iter().flatten().any(signs_since),
        })
    }

    /// The old endpoint is none of ours any more.
    fn retire(&mut self) -> Result<(), Failure> {
        let id = &self.args.endpoint;
        self.writer
            .run("endpoint_retire", |db| books::retire(db, id))
    }

    /// Waits a moment; `what`: what is told if the time is over.
    fn pause(&self, what: &str) -> Result<(), Failure> {
        if Instant::now() >= self.ends {
            return Err(self.late(what.to_owned()));
        }
        self.interrupt.wait(LOOK_EVERY);
        self.not_interrupted()
    }

    fn late(&self, what: String) -> Failure {
        Failure::Late {
            what,
            limit: self.limit,
        }
    }

    fn not_interrupted(&self) -> Result<(), Failure> {
        if !self.interrupt.is_raised() {
            return Ok(());
        }
        Err(Failure::Interrupted {
            what: "the roll stands where it was; the same command goes on".to_owned(),
        })
    }
}

/// Whether some endpoint replaces the old one.
fn is_there(listed: &[Listed], old: &Listed) -> bool {
    let mut all = listed.iter();
    all.any(|one| one.metadata.get(REPLACES) == Some(&old.id))
}

fn old(world: &World) -> Result<&Listed, Failure> {
    world.old().ok_or_else(|| Failure::Undone {
        what: format!("Stripe no longer lists {}", world.endpoint),
    })
}

fn stripe(doing: &'static str) -> impl Fn(StripeError) -> Failure {
    move |source| Failure::Stripe { doing, source }
}
