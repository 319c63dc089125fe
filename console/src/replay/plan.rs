//! What would be replayed: collected, each event once, and summed up.
//!
//! Pure. Invariants: an event is in a plan once however often it is in the log; a plan is never
//! larger than its bound; its order depends on what it holds, not on the order of finding.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::candidate::{Candidate, Known, Origin};

/// Items shown of a plan.
const SAMPLE: usize = 10;
/// Difference from what the dry run showed that is let pass: one part in so many.
const DRIFT: u64 = 10;

/// One event of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Planned {
    pub(crate) subject: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) disposition: String,
    pub(crate) livemode: Option<bool>,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    #[serde(skip)]
    pub(crate) origin: Origin,
    #[serde(skip)]
    readable: bool,
}

impl Planned {
    /// A plan is carried out in the log's order, which is read quickest.
    fn place(&self) -> (i32, i64, &str) {
        (self.partition, self.offset, &self.subject)
    }
}

/// More than the bound matched.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} match: narrow the filters, or raise --max")]
pub(crate) struct TooMany(pub(crate) usize);

/// Collects a plan.
#[derive(Debug)]
pub(crate) struct Collector {
    max: usize,
    items: BTreeMap<String, Planned>,
    /// Further records of events that are in the plan.
    copies: u64,
    /// Commands seen, which are never replayed.
    pub(crate) commands: u64,
}

impl Collector {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            items: BTreeMap::new(),
            copies: 0,
            commands: 0,
        }
    }

    /// Takes one that matched. Of several copies the first that can be read stays.
    ///
    /// # Errors
    /// [`TooMany`]: the plan is no plan any more.
    pub(crate) fn add(&mut self, candidate: Candidate, known: &Known) -> Result<(), TooMany> {
        let item = Planned {
            subject: candidate.subject,
            event_type: candidate.event_type,
            disposition: known.disposition().to_owned(),
            livemode: candidate.livemode,
            received_at: candidate.received_at,
            partition: candidate.partition,
            offset: candidate.offset,
            origin: candidate.origin,
            readable: candidate.readable,
        };
        let full = self.items.len() >= self.max;
        match self.items.entry(item.subject.clone()) {
            Entry::Occupied(mut there) => {
                self.copies = self.copies.saturating_add(1);
                let held = there.get();
                let better = item.readable && !held.readable;
                let same = item.readable == held.readable;
                if better || (same && item.place() < held.place()) {
                    there.insert(item);
                }
            }
            Entry::Vacant(_) if full => return Err(TooMany(self.max)),
            Entry::Vacant(free) => {
                free.insert(item);
            }
        }
        Ok(())
    }

    /// The plan, in the order in which it is carried out.
    pub(crate) fn finish(self) -> Plan {
        let mut items: Vec<Planned> = self.items.into_values().collect();
        items.sort_by(|one, other| one.place().cmp(&other.place()));
        Plan {
            items,
            copies: self.copies,
            commands: self.commands,
        }
    }
}

/// What would be replayed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) items: Vec<Planned>,
    pub(crate) copies: u64,
    pub(crate) commands: u64,
}

/// What is read of one partition, and how much of it matched.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    pub(crate) partition: i32,
    /// Lowest offset.
    pub(crate) from: i64,
    /// One past the highest.
    pub(crate) to: i64,
    pub(crate) count: u64,
}

/// A plan in numbers.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) matched: u64,
    pub(crate) by_type: BTreeMap<String, u64>,
    pub(crate) by_disposition: BTreeMap<String, u64>,
    /// When the first of them was received.
    pub(crate) oldest: Option<DateTime<Utc>>,
    /// When the last of them was.
    pub(crate) newest: Option<DateTime<Utc>>,
    pub(crate) partitions: Vec<Part>,
    /// Evenly spread over the plan.
    pub(crate) sample: Vec<Planned>,
    pub(crate) livemode: u64,
}

impl Plan {
    /// Sums the plan up.
    pub(crate) fn summary(&self) -> Summary {
        let mut summary = Summary {
            matched: count(self.items.len()),
            by_type: BTreeMap::new(),
            by_disposition: BTreeMap::new(),
            oldest: self.items.iter().map(|item| item.received_at).min(),
            newest: self.items.iter().map(|item| item.received_at).max(),
            partitions: Vec::new(),
            sample: self.sample(),
            livemode: 0,
        };
        let mut parts: BTreeMap<i32, Part> = BTreeMap::new();
        for item in &self.items {
            one_more(summary.by_type.entry(item.event_type.clone()).or_default());
            one_more(
                summary
                    .by_disposition
                    .entry(item.disposition.clone())
                    .or_default(),
            );
            if item.livemode == Some(true) {
                one_more(&mut summary.livemode);
            }
            let part = parts.entry(item.partition).or_insert(Part {
                partition: item.partition,
                from: item.offset,
                to: item.offset,
                count: 0,
            });
            part.from = part.from.min(item.offset);
            part.to = part.to.max(item.offset.saturating_add(1));
            one_more(&mut part.count);
        }
        summary.partitions = parts.into_values().collect();
        summary
    }

    fn sample(&self) -> Vec<Planned> {
        let step = self.items.len().div_ceil(SAMPLE).max(1);
        self.items.iter().step_by(step).cloned().collect()
    }
}

impl Summary {
    /// What an operator should know before going on.
    pub(crate) fn warnings(&self, plan: &Plan, not_applied: i64) -> Vec<String> {
        let of = |names: &[&str]| -> u64 {
            let counts = names
                .iter()
                .filter_map(|name| self.by_disposition.get(*name));
            counts.sum()
        };
        let (done, parked) = (of(&["applied", "no_change", "ignored"]), of(&["parked"]));
        let lines = [
            (
                done,
                format!(
                    "{done} are applied already: replaying changes nothing; did you mean \
                     `bookend refold`, which folds them anew by today's rules?"
                ),
            ),
            (
                parked,
                format!(
                    "{parked} are parked: they wait for their booking and are tried again anyway"
                ),
            ),
            (
                self.livemode,
                format!("{} are live-mode events", self.livemode),
            ),
            (
                u64::try_from(not_applied).unwrap_or(0),
                format!(
                    "{not_applied} records of the range are not applied yet and are left out: \
                     they will be applied anyway"
                ),
            ),
            (
                plan.copies,
                format!(
                    "{} further copies are left out: each event is replayed once",
                    plan.copies
                ),
            ),
            (
                plan.commands,
                format!("{} commands are left out", plan.commands),
            ),
        ];
        lines
            .into_iter()
            .filter_map(|(count, line)| (count > 0).then_some(line))
            .collect()
    }
}

/// Whether a plan is no longer the one that the dry run showed: more than a tenth off.
pub(crate) fn drifted(matched: u64, expected: u64) -> bool {
    matched.abs_diff(expected).saturating_mul(DRIFT) > expected
}

fn one_more(count: &mut u64) {
    *count = count.saturating_add(1);
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, partition: i32, offset: i64) -> Candidate {
        Candidate {
            subject: id.to_owned(),
            event_type: "charge.refunded".into(),
            account: None,
            livemode: Some(true),
            names_booking: None,
            received_at: DateTime::from_timestamp(offset, 0).unwrap_or_default(),
            origin: Origin::Log,
            partition,
            offset,
            readable: true,
        }
    }

    fn planned(candidates: Vec<Candidate>) -> Result<Plan, TooMany> {
        let mut collector = Collector::new(3);
        let known = Known {
            disposition: Some("applied".into()),
            ..Known::default()
        };
        for candidate in candidates {
            collector.add(candidate, &known)?;
        }
        Ok(collector.finish())
    }

    fn places(plan: Result<Plan, TooMany>) -> Vec<(i32, i64)> {
        let items = plan.map(|plan| plan.items).unwrap_or_default();
        items
            .iter()
            .map(|item| (item.partition, item.offset))
            .collect()
    }

    #[test]
    fn an_event_is_planned_once_in_whatever_order_its_copies_are_found() {
        let copies = vec![
            candidate("evt_1", 3, 9),
            candidate("evt_2", 1, 5),
            candidate("evt_1", 3, 2),
            candidate("evt_1", 4, 0),
        ];
        let mut backwards = copies.clone();
        backwards.reverse();
        assert_eq!(places(planned(copies)), [(1, 5), (3, 2)]);
        assert_eq!(places(planned(backwards)), [(1, 5), (3, 2)]);
    }

    #[test]
    fn of_two_copies_the_one_that_can_be_read_is_replayed() {
        let broken = Candidate {
            readable: false,
            ..candidate("evt_1", 0, 1)
        };
        let copies = vec![broken, candidate("evt_1", 5, 9)];
        assert_eq!(places(planned(copies)), [(5, 9)]);
    }

    #[test]
    fn a_plan_beyond_its_bound_is_refused_and_copies_do_not_count_towards_it() {
        let numbered = |n: i64| candidate(&format!("evt_{n}"), 0, n);
        assert_eq!(planned((0..4).map(numbered).collect()), Err(TooMany(3)));
        let copies = (0..9).map(|n| candidate("evt_1", 0, n)).collect();
        assert!(planned(copies).is_ok_and(|plan| plan.copies == 8));
    }

    #[test]
    fn the_summary_counts_and_bounds() {
        let plan = planned(vec![
            candidate("evt_1", 0, 4),
            candidate("evt_2", 0, 9),
            candidate("evt_3", 2, 1),
        ])
        .unwrap_or_default();
        let summary = plan.summary();
        assert_eq!(summary.matched, 3);
        assert_eq!(summary.by_disposition.get("applied"), Some(&3));
        let part = |partition, from, to, count| Part {
            partition,
            from,
            to,
            count,
        };
        assert_eq!(summary.partitions, [part(0, 4, 10, 2), part(2, 1, 2, 1)]);
        assert_eq!(summary.oldest, DateTime::from_timestamp(1, 0));
        assert_eq!(summary.newest, DateTime::from_timestamp(9, 0));
        let warnings = summary.warnings(&plan, 5).join("\n");
        for words in [
            "3 are applied already",
            "refold",
            "3 are live-mode",
            "5 records",
        ] {
            assert!(warnings.contains(words), "{words}: {warnings}");
        }
        assert!(!warnings.contains("commands"), "{warnings}");
    }

    #[test]
    fn a_sample_is_small_and_spread() {
        let mut collector = Collector::new(1_000);
        for n in 0..995 {
            let added = collector.add(candidate(&format!("evt_{n}"), 0, n), &Known::default());
            assert_eq!(added, Ok(()));
        }
        let sample = collector.finish().summary().sample;
        assert_eq!(sample.len(), SAMPLE);
        assert!(sample.last().is_some_and(|last| last.offset > 800));
    }

    #[test]
    fn a_tenth_more_or_less_is_no_drift() {
        for (matched, expected, wanted) in [
            (100, 100, false),
            (110, 100, false),
            (111, 100, true),
            (90, 100, false),
            (89, 100, true),
            (1, 0, true),
            (0, 0, false),
            (2, 1, true),
        ] {
            assert_eq!(
                drifted(matched, expected),
                wanted,
                "{matched} of {expected}"
            );
        }
    }
}
