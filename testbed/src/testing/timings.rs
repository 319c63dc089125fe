//! Durations of statements and transactions, measured between a client and its server.
//!
//! A connection is a sequence of rounds: the client sends a query or a `Sync`, and the server ends its
//! answer with `ReadyForQuery`. The time of a round belongs to the statement that it carried. A
//! transaction lasts from its `BEGIN` to the answer to its `COMMIT`, and goes by the name that the
//! service gives it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Durations that are kept of one statement or transaction; later ones are dropped.
const MAX_KEPT: usize = 20_000;
/// Bytes of a server message before its content: its type and its length.
const HEAD: usize = 5;

/// Durations by statement, and by name of a transaction.
#[derive(Debug, Clone, Default)]
pub struct Timings {
    /// By the statement's text.
    pub statements: BTreeMap<String, Vec<Duration>>,
    /// By the transaction's name.
    pub transactions: BTreeMap<String, Vec<Duration>>,
}

impl Timings {
    /// The time of all statements together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.statements.values().flatten().sum()
    }

    /// The statement with the longest run.
    #[must_use]
    pub fn slowest(self) -> Option<String> {
        let longest = |(_, took): &(String, Vec<Duration>)| took.iter().max().copied();
        self.statements
            .into_iter()
            .max_by_key(longest)
            .map(|it| it.0)
    }
}

fn keep(kept: &mut BTreeMap<String, Vec<Duration>>, name: String, took: Duration) {
    let all = kept.entry(name).or_default();
    if all.len() < MAX_KEPT {
        all.push(took);
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Round {
    since: Instant,
    statement: Option<String>,
}

/// The rounds of one connection.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    waiting: VecDeque<Round>,
    began: Option<Instant>,
    transaction: Option<String>,
}

impl Rounds {
    /// The client waits for an answer from now on.
    pub(super) fn asked(&mut self, statement: Option<String>, now: Instant) {
        match statement.as_deref().map(str::trim) {
            Some("BEGIN") => (self.began, self.transaction) = (Some(now), None),
            Some(text) if text.contains("SET LOCAL bookend.transaction") => {
                self.transaction = text.split('\'').nth(1).map(ToOwned::to_owned);
            }
            _ => {}
        }
        self.waiting.push_back(Round {
            since: now,
            statement,
        });
    }

    /// The server ended the oldest answer.
    pub(super) fn answered(&mut self, now: Instant, timings: &mut Timings) {
        let Some(round) = self.waiting.pop_front() else {
            return;
        };
        let Some(statement) = round.statement else {
            return;
        };
        match statement.trim() {
            "COMMIT" => {
                let began = self.began.take();
                if let Some((began, name)) = began.zip(self.transaction.take()) {
                    keep(&mut timings.transactions, name, now.duration_since(began));
                }
            }
            "ROLLBACK" => self.began = None,
            _ => {}
        }
        let took = now.duration_since(round.since);
        keep(&mut timings.statements, statement, took);
    }
}

/// Finds the ends of answers in the server's bytes, without keeping them.
#[derive(Debug, Default)]
pub(super) struct Answers {
    head: Vec<u8>,
    left: usize,
}

impl Answers {
    /// The number of answers that end in this piece.
    pub(super) fn ends(&mut self, mut piece: &[u8]) -> usize {
        let mut ends = 0_usize;
        loop {
            let skipped = self.left.min(piece.len());
            self.left = self.left.saturating_sub(skipped);
            piece = piece.get(skipped..).unwrap_or_default();
            let wanted = HEAD.saturating_sub(self.head.len()).min(piece.len());
            let (head, rest) = piece.split_at(wanted);
            self.head.extend_from_slice(head);
            piece = rest;
            let &[kind, a, b, c, d] = self.head.as_slice() else {
                return ends;
            };
            ends = ends.saturating_add(usize::from(kind == b'Z'));
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            self.left = length.saturating_sub(4);
            self.head.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), content].concat()
    }

    #[test]
    fn ends_of_answers_are_found_however_the_bytes_are_cut() {
        let bytes = [
            message(b'D', b"ZZZZZ\0\0\0\x05"),
            message(b'Z', b"I"),
            message(b'C', b""),
            message(b'Z', b"T"),
        ]
        .concat();
        for size in 1..=bytes.len() {
            let mut answers = Answers::default();
            let ends: usize = bytes.chunks(size).map(|piece| answers.ends(piece)).sum();
            assert_eq!(ends, 2, "pieces of {size}");
        }
    }

    #[test]
    fn transaction_lasts_from_begin_to_the_answer_to_its_commit() {
        let (start, mut timings, mut rounds) =
            (Instant::now(), Timings::default(), Rounds::default());
        let mut at = 0;
        let named = "/* apply */ SET LOCAL bookend.transaction = 'apply'";
        rounds.asked(None, start);
        rounds.answered(start, &mut timings);
        for statement in ["BEGIN", named, "SELECT 1", "COMMIT"] {
            rounds.asked(
                Some(statement.to_owned()),
                start + Duration::from_millis(at),
            );
            at += 10;
            rounds.answered(start + Duration::from_millis(at), &mut timings);
        }
        let of = |kept: &BTreeMap<String, Vec<Duration>>, name: &str| kept.get(name).cloned();
        let ms = |ms| Some(vec![Duration::from_millis(ms)]);
        assert_eq!(of(&timings.transactions, "apply"), ms(40));
        assert_eq!(of(&timings.statements, "SELECT 1"), ms(10));
        assert_eq!(timings.total(), Duration::from_millis(40));
    }
}
