//! Up to where nothing is missing: what one certificate does to the span that is proven.
//!
//! Keeps: every second of the proven span lies in a window that was found complete when it was last
//! compared; the span never reaches over a window that differs, nor over one that was not compared.
//!
//! Pure. Deliberately absent: the certificates themselves.

use shared::windows::Window;

/// What is proven: nothing is missing from `from` up to `to`, both in seconds since 1970. Where they
/// are equal nothing is proven yet, and only a window that joins there proves something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    pub from: i64,
    pub to: i64,
}

/// What is proven after a window was compared. `oldest`: the first second that Stripe still lists. A
/// proof begins there, and begins there anew when it ended before: what lies between is on record as
/// a finding.
pub fn after(proven: Option<Proven>, window: Window, complete: bool, oldest: i64) -> Proven {
    let proven = proven
        .filter(|proven| proven.to >= oldest)
        .unwrap_or(Proven {
            from: oldest,
            to: oldest,
        });
    let joins = window.from() <= proven.to && window.to() >= proven.from;
    match (complete, joins) {
        (true, true) => Proven {
            from: proven.from.min(window.from()),
            to: proven.to.max(window.to()),
        },
        (true, false) => proven,
        (false, _) if window.from() >= proven.to => proven,
        (false, _) => Proven {
            from: proven.from.min(window.from()),
            to: window.from(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn span(from: i64, to: i64) -> Window {
        Window::new(from, to).unwrap()
    }

    fn proven(from: i64, to: i64) -> Proven {
        Proven { from, to }
    }

    #[test]
    fn complete_windows_that_join_extend_the_proof() {
        let first = after(None, span(0, 10), true, 0);
        assert_eq!(first, proven(0, 10));
        assert_eq!(after(Some(first), span(10, 20), true, 0), proven(0, 20));
        assert_eq!(after(Some(first), span(5, 30), true, 0), proven(0, 30));
    }

    #[test]
    fn a_window_behind_a_gap_proves_nothing_yet() {
        let first = proven(0, 10);
        assert_eq!(after(Some(first), span(11, 20), true, 0), first);
        assert_eq!(after(None, span(11, 20), true, 0), proven(0, 0));
    }

    #[test]
    fn a_window_that_differs_takes_back_all_that_comes_after_its_begin() {
        let all = Some(proven(0, 100));
        assert_eq!(after(all, span(40, 50), false, 0), proven(0, 40));
        assert_eq!(after(all, span(0, 50), false, 0), proven(0, 0));
        assert_eq!(after(all, span(100, 110), false, 0), proven(0, 100));
        assert_eq!(
            after(Some(proven(60, 90)), span(40, 50), false, 0),
            proven(40, 40)
        );
        assert_eq!(
            after(Some(proven(0, 40)), span(40, 50), true, 0),
            proven(0, 50)
        );
    }

    #[test]
    fn a_gap_at_the_very_begin_is_not_jumped_over() {
        let nothing = after(None, span(0, 10), false, 0);
        assert_eq!(nothing, proven(0, 0));
        let later = after(Some(nothing), span(10, 20), true, 0);
        assert_eq!(later, nothing, "the first window is not proven");
        assert_eq!(after(Some(later), span(0, 10), true, 0), proven(0, 10));
    }

    #[test]
    fn a_proof_whose_end_stripe_has_forgotten_begins_anew() {
        let old = Some(proven(0, 10));
        assert_eq!(after(old, span(45, 60), true, 50), proven(45, 60));
        assert_eq!(after(old, span(55, 60), true, 50), proven(50, 50));
        assert_eq!(after(old, span(50, 60), false, 50), proven(50, 50));
    }

    proptest! {
        /// Against a second-by-second record of the last comparison of each second.
        #[test]
        fn every_second_of_a_proof_was_last_found_complete(
            windows in prop::collection::vec((0i64..60, 1i64..30, prop::bool::weighted(0.7)), 1..40)
        ) {
            let (mut proof, mut last) = (None, BTreeMap::new());
            for (from, length, complete) in windows {
                let window = span(from, from + length);
                let now = after(proof, window, complete, 0);
                (window.from()..window.to()).for_each(|second| { last.insert(second, complete); });
                let all = (now.from..now.to).all(|second| last.get(&second) == Some(&true));
                prop_assert!(all);
                // Nothing that is known to differ lies before its end.
                prop_assert!(last.iter().all(|(second, complete)| *complete || *second >= now.to));
                proof = Some(now);
            }
        }
    }
}
