//! Up to where nothing is missing: what one certificate does to the span that is proven.
//!
//! Keeps: every second of the proven span lies in a window that was found complete when it was last
//! compared; the span never reaches over a window that differs, nor over one that was not compared.
//!
//! Pure. Deliberately absent: the certificates themselves.

use shared::windows::Window;

/// The span after a window was compared. `oldest`: the first second that Stripe still lists; a span
/// that ended before it can grow no more (what lies between is on record as a finding), so the
/// window begins a new one.
pub fn after(
    proven: Option<Window>,
    window: Window,
    complete: bool,
    oldest: i64,
) -> Option<Window> {
    let proven = proven.filter(|span| span.to() >= oldest);
    match (proven, complete) {
        (None, true) => Some(window),
        (None, false) => None,
        (Some(span), true) => {
            let joins = window.from() <= span.to() && window.to() >= span.from();
            match joins {
                true => Window::new(span.from().min(window.from()), span.to().max(window.to())),
                false => Some(span),
            }
        }
        (Some(span), false) => {
            let apart = window.from() >= span.to() || window.to() <= span.from();
            match apart {
                true => Some(span),
                false => Window::new(span.from(), window.from()),
            }
        }
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

    #[test]
    fn complete_windows_that_join_extend_the_proof() {
        let first = after(None, span(0, 10), true, 0);
        assert_eq!(first, Some(span(0, 10)));
        assert_eq!(after(first, span(10, 20), true, 0), Some(span(0, 20)));
        assert_eq!(after(first, span(5, 30), true, 0), Some(span(0, 30)));
    }

    #[test]
    fn a_window_behind_a_gap_proves_nothing_yet() {
        let proven = Some(span(0, 10));
        assert_eq!(after(proven, span(11, 20), true, 0), proven);
    }

    #[test]
    fn a_window_that_differs_takes_back_all_that_comes_after_its_begin() {
        let proven = Some(span(0, 100));
        assert_eq!(after(proven, span(40, 50), false, 0), Some(span(0, 40)));
        assert_eq!(after(proven, span(0, 50), false, 0), None);
        assert_eq!(after(proven, span(100, 110), false, 0), proven);
        let mended = after(Some(span(0, 40)), span(40, 50), true, 0);
        assert_eq!(mended, Some(span(0, 50)));
    }

    #[test]
    fn a_proof_that_stripe_no_longer_lists_the_end_of_begins_anew() {
        assert_eq!(
            after(Some(span(0, 10)), span(50, 60), true, 50),
            Some(span(50, 60))
        );
        assert_eq!(after(Some(span(0, 10)), span(50, 60), false, 50), None);
    }

    proptest! {
        /// Against a second-by-second record of the last comparison of each second.
        #[test]
        fn every_second_of_a_proof_was_last_found_complete(
            windows in prop::collection::vec((0i64..60, 1i64..30, prop::bool::weighted(0.7)), 1..40)
        ) {
            let (mut proven, mut last) = (None, BTreeMap::new());
            for (from, length, complete) in windows {
                let window = span(from, from + length);
                proven = after(proven, window, complete, i64::MIN);
                (window.from()..window.to()).for_each(|second| { last.insert(second, complete); });
                if let Some(proven) = proven {
                    prop_assert!((proven.from()..proven.to()).all(|second| last.get(&second) == Some(&true)));
                }
            }
        }
    }
}
