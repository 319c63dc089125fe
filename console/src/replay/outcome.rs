//! How a replay ended, from its items' states.
//!
//! Pure. Invariant: only a result that the processor wrote is one; what was published and has no
//! result is `unknown`, never taken for done.

use std::collections::BTreeMap;

use serde::Serialize;

/// Items of one action, by result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Results {
    /// Not published: whoever resumes goes on with these.
    pub(crate) planned: i64,
    /// Published, result not known (yet).
    pub(crate) unknown: i64,
    /// Of those, the ones whose result may still come.
    #[serde(skip)]
    pub(crate) awaited: i64,
    pub(crate) applied: i64,
    pub(crate) no_change: i64,
    pub(crate) ignored: i64,
    pub(crate) parked: i64,
    pub(crate) dead: i64,
    pub(crate) failed: i64,
}

/// What a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every item is where it should be.
    Done,
    /// Some are not: parked, dead, failed, or of unknown fate.
    Partly,
}

impl Results {
    /// From the counts of `operator_action_items.state`.
    pub(crate) fn of(counts: &BTreeMap<String, i64>) -> Self {
        let of = |state: &str| counts.get(state).copied().unwrap_or(0);
        Self {
            planned: of("planned"),
            unknown: of("published").saturating_add(of("unknown")),
            awaited: of("published"),
            applied: of("applied"),
            no_change: of("no_change"),
            ignored: of("ignored"),
            parked: of("parked"),
            dead: of("dead"),
            failed: of("failed"),
        }
    }

    /// `waited`: results were asked for. Without, published is all that can be had.
    pub(crate) fn verdict(&self, waited: bool) -> Verdict {
        let unknown = if waited { self.unknown } else { 0 };
        let bad = [self.planned, unknown, self.parked, self.dead, self.failed];
        if bad.iter().all(|count| *count == 0) {
            Verdict::Done
        } else {
            Verdict::Partly
        }
    }

    /// The counts that are not zero, by name.
    pub(crate) fn told(&self) -> Vec<(&'static str, i64)> {
        let all = [
            ("applied", self.applied),
            ("no_change", self.no_change),
            ("ignored", self.ignored),
            ("parked", self.parked),
            ("dead", self.dead),
            ("failed", self.failed),
            ("unknown", self.unknown),
            ("planned", self.planned),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(states: &[(&str, i64)]) -> Results {
        let counts = states.iter().map(|(name, n)| ((*name).to_owned(), *n));
        Results::of(&counts.collect())
    }

    #[test]
    fn all_is_well_only_when_every_item_has_a_good_result() {
        let good = of(&[("applied", 3), ("no_change", 2), ("ignored", 1)]);
        assert_eq!(good.verdict(true), Verdict::Done);
        for bad in ["planned", "published", "unknown", "parked", "dead", "failed"] {
            let results = of(&[("applied", 3), (bad, 1)]);
            assert_eq!(results.verdict(true), Verdict::Partly, "{bad}");
        }
    }

    #[test]
    fn published_without_a_result_is_unknown_and_enough_only_for_who_does_not_wait() {
        let results = of(&[("published", 4)]);
        assert_eq!((results.unknown, results.awaited), (4, 4));
        assert_eq!(results.verdict(false), Verdict::Done);
        assert_eq!(results.told(), [("unknown", 4)]);
        assert_eq!(of(&[("planned", 1)]).verdict(false), Verdict::Partly);
    }
}
