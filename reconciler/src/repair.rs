//! What of the missing events a sweep publishes by itself, and what waits for a person.
//!
//! Keeps: a sweep publishes at most what is left of its cap, or nothing; an event that waits in a
//! plan is published by that plan alone; one that was published in vain again and again is left to
//! a person.
//!
//! Pure. Deliberately absent: publishing, and the plan's row ([`crate::store::plans`]).

use std::collections::{HashMap, HashSet};

use shared::ids::EventId;

/// How often one event is published before a person has to look: a processor that answers neither
/// with a row nor with a dead letter will not do so the next time.
const MAX_REPAIRS: i64 = 3;

/// What to do with the missing events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Publish these, which may be none.
    Publish(Vec<EventId>),
    /// These are too many: write down a plan, publish nothing.
    Plan(Vec<EventId>),
}

/// What is known of the missing events.
#[derive(Debug, Default)]
pub struct Known {
    /// How often each was published, for those that were.
    pub repaired: HashMap<String, i64>,
    /// Those that wait in a plan that nobody has carried out.
    pub planned: HashSet<String>,
}

/// Decides; `left` is what the pass may still publish.
pub fn decide(missing: &[EventId], known: &Known, left: usize) -> Decision {
    let in_vain = |id: &EventId| {
        known
            .repaired
            .get(id.as_str())
            .is_some_and(|times| *times >= MAX_REPAIRS)
    };
    let wanted: Vec<EventId> = missing
        .iter()
        .filter(|id| !in_vain(id) && !known.planned.contains(id.as_str()))
        .cloned()
        .collect();
    if wanted.len() > left {
        Decision::Plan(wanted)
    } else {
        Decision::Publish(wanted)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn ids(numbers: std::ops::Range<u32>) -> Vec<EventId> {
        numbers
            .map(|n| EventId::parse(&format!("evt_{n}")).unwrap())
            .collect()
    }

    #[test]
    fn up_to_the_cap_all_is_published_and_above_it_nothing() {
        let known = Known::default();
        assert_eq!(decide(&ids(0..5), &known, 5), Decision::Publish(ids(0..5)));
        assert_eq!(decide(&ids(0..6), &known, 5), Decision::Plan(ids(0..6)));
        assert_eq!(decide(&[], &known, 0), Decision::Publish(Vec::new()));
    }

    #[test]
    fn what_waits_in_a_plan_is_left_to_it_and_counts_against_no_cap() {
        let known = Known {
            planned: ids(0..90).iter().map(ToString::to_string).collect(),
            ..Known::default()
        };
        assert_eq!(
            decide(&ids(0..93), &known, 5),
            Decision::Publish(ids(90..93))
        );
    }

    #[test]
    fn what_was_published_in_vain_three_times_is_left_to_a_person() {
        let known = Known {
            repaired: HashMap::from([("evt_0".to_owned(), 3), ("evt_1".to_owned(), 2)]),
            ..Known::default()
        };
        assert_eq!(decide(&ids(0..2), &known, 5), Decision::Publish(ids(1..2)));
    }
}
