//! A shadow of everything, some objects at a time, in the order of their keys.
//!
//! *Invariant:* what is tied together is folded and compared in one read-only transaction of one
//! moment, and then kept in another. Whatever is in the shadow tables is not folded again, so a
//! run that was ended anyhow goes on where it was. Memory is bounded by one round.
//!
//! Live traffic goes on: rows are compared as they were when each was folded, and an object that
//! is first heard of behind the walk is not in it.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection as _;
use serde::Serialize;
use shared::db::{GatherError, ties};
use shared::folding::FOLD_VERSION;
use shared::folding::graph::Key;
use shared::folding::money::Policy;

use super::shadow::{Shadow, shadow};
use super::tables::{self, Run};
use crate::action::Interrupt;
use crate::database::Writer;
use crate::failure::{Failure, chain};

/// Objects or bookings that one round begins with.
const ROUND: i64 = 100;
/// What cannot be folded is counted, and listed up to here.
const MOST_LISTED: usize = 1_000;
/// Objects that are remembered as tied to one that could not be folded.
const MOST_SPARED: usize = 200_000;

/// What a walk needs.
pub(crate) struct Walk<'a> {
    pub(crate) reader: Writer,
    pub(crate) writer: Writer,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) policy: Policy,
}

/// What could not be folded.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Skipped {
    /// How many objects and bookings.
    pub(crate) count: usize,
    /// The first of them, and why.
    pub(crate) listed: Vec<(String, String)>,
    /// Objects that are tied to one that could not be folded: they are not tried themselves.
    #[serde(skip)]
    tied: BTreeSet<Key>,
}

impl Skipped {
    fn add(&mut self, round: &Round, refused: &GatherError) {
        let why = chain(refused);
        let objects = round.0.iter().map(|key| &key.id);
        for subject in objects.chain(&round.1) {
            self.count = self.count.saturating_add(1);
            if self.listed.len() < MOST_LISTED {
                self.listed.push((subject.clone(), why.clone()));
            }
        }
    }
}

type Round = (BTreeSet<Key>, BTreeSet<String>);

impl Walk<'_> {
    /// Folds everything that the run has not.
    ///
    /// # Errors
    /// 6 when the run is of other rules; 130 when it was interrupted: it can be gone on with. The
    /// database's own, as well.
    pub(crate) fn go(&mut self, run: &Run) -> Result<Skipped, Failure> {
        if run.fold_version != FOLD_VERSION {
            return Err(Failure::Precondition {
                what: format!(
                    "run {} was made by version {} of the rules, this program has {FOLD_VERSION}: \
                     begin another",
                    run.id, run.fold_version
                ),
            });
        }
        let mut skipped = Skipped::default();
        if run.finished_at.is_some() {
            return Ok(skipped);
        }
        self.objects(&run.id, &mut skipped)?;
        self.bookings(&run.id, &mut skipped)?;
        if skipped.count == 0 {
            let id = run.id.as_str();
            self.writer
                .run("refold_finish", |db| tables::finish(db, id))?;
        }
        Ok(skipped)
    }

    fn objects(&mut self, run: &str, skipped: &mut Skipped) -> Result<(), Failure> {
        let mut after = Key {
            account: String::new(),
            id: String::new(),
        };
        loop {
            let left = self.reader.run("refold_objects_left", |db| {
                tables::objects_left(db, run, &after, ROUND)
            })?;
            let Some(last) = left.last() else {
                return Ok(());
            };
            after.clone_from(last);
            self.round(run, (left.into_iter().collect(), BTreeSet::new()), skipped)?;
        }
    }

    /// Bookings that no object led to: registered and not paid, or left by what they had.
    fn bookings(&mut self, run: &str, skipped: &mut Skipped) -> Result<(), Failure> {
        let mut after = String::new();
        loop {
            let left = self.reader.run("refold_bookings_left", |db| {
                tables::bookings_left(db, run, &after, ROUND)
            })?;
            let Some(last) = left.last() else {
                return Ok(());
            };
            after.clone_from(last);
            self.round(run, (BTreeSet::new(), left.into_iter().collect()), skipped)?;
        }
    }

    /// Folds these together, or, where that is too much, one by one.
    fn round(&mut self, run: &str, round: Round, skipped: &mut Skipped) -> Result<(), Failure> {
        if self.interrupt.is_raised() {
            return Err(Failure::Interrupted {
                what: format!("go on with: bookend refold --all --run {run}"),
            });
        }
        if self.fold(run, &round)?.is_ok() {
            return Ok(());
        }
        let objects = round
            .0
            .into_iter()
            .map(|one| (BTreeSet::from([one]), BTreeSet::new()));
        let bookings = round
            .1
            .into_iter()
            .map(|one| (BTreeSet::new(), BTreeSet::from([one])));
        for one in objects.chain(bookings) {
            if one.0.iter().any(|key| skipped.tied.contains(key)) {
                skipped.count = skipped.count.saturating_add(1);
            } else if let Err(refused) = self.fold(run, &one)? {
                skipped.add(&one, &refused);
                self.spare(&one, skipped)?;
            }
        }
        Ok(())
    }

    /// What is too much together is so from whichever end it is begun.
    fn spare(&mut self, round: &Round, skipped: &mut Skipped) -> Result<(), Failure> {
        let keys: Vec<Key> = round.0.iter().cloned().collect();
        if keys.is_empty() || skipped.tied.len() >= MOST_SPARED {
            return Ok(());
        }
        let limit = i64::try_from(MOST_SPARED).unwrap_or(i64::MAX);
        let tied = self.reader.run("refold_tied", |db| {
            ties::reachable(db, &keys, limit).map_err(|source| Failure::Query {
                doing: "reading what is tied together",
                source,
            })
        })?;
        skipped.tied.extend(tied);
        Ok(())
    }

    fn fold(&mut self, run: &str, round: &Round) -> Result<Result<(), GatherError>, Failure> {
        let policy = self.policy;
        let folded: Result<Shadow, GatherError> = self.reader.run("refold_shadow", |db| {
            db.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                .map_err(|source| Failure::Query {
                    doing: "a read-only transaction",
                    source,
                })?;
            shadow(db, &round.0, &round.1, policy)
        })?;
        match folded {
            Err(refused) => Ok(Err(refused)),
            Ok(shadow) => self
                .writer
                .run("refold_keep", |db| tables::keep(db, run, &shadow))
                .map(Ok),
        }
    }
}
