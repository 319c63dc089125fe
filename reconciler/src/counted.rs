//! What the ingestors answered in a span of time, by their own counts: how much was refused, how
//! much could not be stored, and whether that is all.
//!
//! Keeps: `complete` is said only when each second of the span was told by somebody, no instance's
//! records have a hole, and none ended without saying so. Counts are never too small: a record
//! that only touches the span counts whole. Reading joins no group and commits nothing.
//!
//! Leaves out: which events were refused (nobody knows) and what follows from that (`evidence`).

mod reader;

use std::collections::BTreeMap;

use shared::stats::{Answered, LONGEST_INTERVAL_S, Stats};
use shared::windows::Window;

pub use reader::{StatsError, StatsReader};

/// Seconds that a record may be late.
pub const GRACE_S: i64 = 2 * LONGEST_INTERVAL_S;

/// The answers in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Answered 4xx.
    pub refused: u64,
    /// Answered 503.
    pub unavailable: u64,
    /// Whether that is all of them.
    pub complete: bool,
    /// Records that touch the span.
    pub records: usize,
}

/// One instance's records by their number.
type Told<'a> = BTreeMap<u64, &'a Stats>;

/// Adds up the records that touch `span`, and judges whether they tell all of it. A span that ends
/// now is not told yet: it is asked for again when it is.
#[must_use]
pub fn counted(records: &[Stats], span: Window) -> Counted {
    let mut instances: BTreeMap<&str, Told<'_>> = BTreeMap::new();
    for stats in records {
        let told = instances.entry(&stats.instance).or_default();
        // A record that was told again is longer; it tells all that the shorter one does.
        let longest = told.entry(stats.seq).or_insert(stats);
        if (longest.to, longest.last) < (stats.to, stats.last) {
            *longest = stats;
        }
    }
    let touching: Vec<&Stats> = instances
        .values()
        .flat_map(|told| told.values().copied())
        .filter(|stats| stats.from < span.to() && stats.to >= span.from())
        .collect();
    let sum = |how| {
        let counts = touching.iter().map(|stats| stats.answered(how));
        counts.fold(0, u64::saturating_add)
    };
    let complete =
        instances.values().all(|told| is_whole(told, span)) && is_covered(&touching, span);
    Counted {
        refused: sum(Answered::Refused),
        unavailable: sum(Answered::Unavailable),
        complete,
        records: touching.len(),
    }
}

/// Whether an instance has told all that it answered in the window.
fn is_whole(told: &Told<'_>, asked: Window) -> bool {
    let begun = told.values().next().is_none_or(|first| {
        first.seq == 0 || first.from <= asked.from() || first.from >= asked.to()
    });
    let pairs = told.values().zip(told.values().skip(1));
    let unbroken = pairs.into_iter().all(|(one, next)| {
        let joined = one.seq.checked_add(1) == Some(next.seq) && one.to == next.from && !one.last;
        joined || next.from < asked.from() || one.to >= asked.to()
    });
    // Whoever ended shortly before the window without a word may have answered in it.
    let ended = told.values().next_back().is_none_or(|last| {
        last.last || last.to >= asked.to() || last.to < asked.from().saturating_sub(GRACE_S)
    });
    begun && unbroken && ended
}

/// Whether each second of the window lies in some record.
fn is_covered(records: &[&Stats], asked: Window) -> bool {
    let mut spans: Vec<(i64, i64)> = records.iter().map(|stats| (stats.from, stats.to)).collect();
    spans.sort_unstable();
    let covered_to = spans.into_iter().fold(asked.from(), |covered, (from, to)| {
        if from <= covered {
            covered.max(to)
        } else {
            covered
        }
    });
    covered_to >= asked.to()
}

#[cfg(test)]
#[path = "counted/tests.rs"]
mod tests;
