//! Carries a plan out: fetches each item's bytes, publishes them at a capped rate, notes where
//! they lie.
//!
//! *Invariants:* an item is noted as published only with the log's acknowledgement; whatever is
//! not acknowledged stays planned and is safe to publish again. Between two chunks it can be
//! stopped or killed: what is left is in the database.

use std::time::{Duration, Instant};

use shared::backoff::{Policy, delay};
use shared::kafka::producer::AppendError;

use super::items::{self, Item};
use super::log::Log;
use super::pace::Pace;
use super::progress::Progress;
use super::record;
use super::stored;
use crate::action::{Action, Interrupt, Outgoing, Publisher};
use crate::database::Writer;
use crate::failure::{Failure, chain};

/// Tries of one chunk before the replay is interrupted.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Policy = Policy {
    base: Duration::from_millis(500),
    cap: Duration::from_secs(5),
};

/// What is needed to carry a plan out.
pub(crate) struct Carrier<'a> {
    pub(crate) action: &'a Action,
    pub(crate) session: &'a mut Writer,
    pub(crate) log: Log,
    pub(crate) publisher: &'a Publisher,
    /// Waits for acknowledgements.
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) pace: Pace,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) deadline: Instant,
}

/// How publishing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// Nothing is planned any more.
    All,
    /// An operator stopped it.
    Stopped,
    /// Its time was over.
    Late,
    /// The log took no more: why.
    Refused(String),
}

/// One record and the item it is for.
type Ready = (String, Outgoing);

impl Carrier<'_> {
    /// Publishes every item that is still planned.
    ///
    /// # Errors
    /// The database's or the log's: items that were not acknowledged are still planned.
    pub(crate) fn run(&mut self, progress: &mut Progress) -> Result<Published, Failure> {
        // Items are numbered from 0.
        let mut after = -1;
        loop {
            if self.interrupt.is_raised() {
                return Ok(Published::Stopped);
            }
            if Instant::now() >= self.deadline {
                return Ok(Published::Late);
            }
            let begun = Instant::now();
            let limit = i64::from(self.pace.chunk());
            let action = &self.action.id;
            let chunk = self
                .session
                .run("replay_next", |db| items::next(db, action, after, limit))?;
            let Some(last) = chunk.last() else {
                return Ok(Published::All);
            };
            after = last.seq;
            let ready = self.fetch(&chunk)?;
            if let Some(why) = self.send(ready)? {
                return Ok(Published::Refused(why));
            }
            progress.advance(chunk.len());
            let rest = self.pace.takes(chunk.len());
            // A signal ends the pause; the next turn sees it.
            self.interrupt.wait(rest.saturating_sub(begun.elapsed()));
        }
    }

    /// The records of a chunk. What the log has lost since it was planned is taken from the
    /// database; what is nowhere any more has failed for good.
    fn fetch(&mut self, chunk: &[Item]) -> Result<Vec<Ready>, Failure> {
        let mut ready = self.read_log(chunk)?;
        let missing: Vec<&str> = chunk
            .iter()
            .map(|item| item.subject.as_str())
            .filter(|subject| !ready.iter().any(|(there, _)| there == subject))
            .collect();
        if missing.is_empty() {
            return Ok(ready);
        }
        let found = self
            .session
            .read("replay_stored", |db| stored::stored(db, &missing))?;
        let mut gone: Vec<String> = missing.iter().map(ToString::to_string).collect();
        for (subject, stored) in found {
            gone.retain(|one| *one != subject);
            // One id may stand under two creation times: one record is enough.
            if !ready.iter().any(|(there, _)| *there == subject) {
                let record = record::from_ledger(&self.action.id, stored);
                ready.push((subject, record));
            }
        }
        if !gone.is_empty() {
            self.fail(&gone, "its bytes are neither in the log nor in the ledger")?;
        }
        Ok(ready)
    }

    fn read_log(&mut self, chunk: &[Item]) -> Result<Vec<Ready>, Failure> {
        let mut ready = Vec::with_capacity(chunk.len());
        // A plan is sorted by place, so each partition of a chunk is one run of items.
        for run in chunk.chunk_by(|one, next| one.source_partition == next.source_partition) {
            let Some(partition) = run.first().and_then(|item| item.source_partition) else {
                continue;
            };
            let offsets: Vec<i64> = run.iter().filter_map(|item| item.source_offset).collect();
            for record in self.log.read(partition, &offsets)? {
                let item = run
                    .iter()
                    .find(|item| item.source_offset == Some(record.offset));
                if let Some(item) = item {
                    let record = record::from_log(&self.action.id, record);
                    ready.push((item.subject.clone(), record));
                }
            }
        }
        Ok(ready)
    }

    /// Publishes a chunk and notes what was acknowledged; none: all was, or can never be.
    fn send(&mut self, mut ready: Vec<Ready>) -> Result<Option<String>, Failure> {
        let mut refused = String::new();
        for attempt in 1..=TRIES {
            let answers = self.publisher.append_all(&self.runtime, &ready);
            let (mut sent, mut again, mut too_large) = (Vec::new(), Vec::new(), Vec::new());
            for ((subject, record), answer) in ready.into_iter().zip(answers) {
                match answer {
                    Ok(ack) => sent.push((subject, ack)),
                    Err(AppendError::TooLarge) => too_large.push(subject),
                    Err(
                        error @ (AppendError::Overloaded
                        | AppendError::Deadline(_)
                        | AppendError::Unproven
                        | AppendError::Failed(_)
                        | AppendError::Fatal(_)),
                    ) => {
                        refused = chain(&error);
                        again.push((subject, record));
                    }
                }
            }
            let (action, publisher) = (self.action, self.publisher);
            self.session.run("replay_published", |db| {
                publisher.note_published(db, action, &sent)
            })?;
            if !too_large.is_empty() {
                self.fail(&too_large, "the record is larger than the topic takes")?;
            }
            if again.is_empty() {
                return Ok(None);
            }
            ready = again;
            self.interrupt.wait(delay(attempt, &BETWEEN_TRIES, 1.0));
        }
        Ok(Some(refused))
    }

    fn fail(&mut self, subjects: &[String], detail: &str) -> Result<(), Failure> {
        let action = &self.action.id;
        self.session.run("replay_failed", |db| {
            items::failed(db, action, subjects, detail)
        })
    }
}
