//! Which requests get a line: all that end badly, up to so many a second; of the good, one in so
//! many.
//!
//! Invariant: a flood of any kind makes a bounded number of lines; counters stay exact, they do
//! not depend on lines.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many lines are written.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Of the good, one in so many; 0: none.
    pub good_one_in: u64,
    /// Of the others, so many a second.
    pub bad_a_second: u32,
}

/// Chooses, and remembers what was left out.
#[derive(Debug)]
pub(super) struct Sample {
    rates: Rates,
    good: AtomicU64,
    /// The second and how many lines it had: upper and lower 32 bits.
    bad: AtomicU64,
    left_out: AtomicU64,
}

impl Sample {
    pub(super) const fn new(rates: Rates) -> Self {
        Self {
            rates,
            good: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether a good request gets a line.
    pub(super) fn good(&self) -> bool {
        let number = self.good.fetch_add(1, Ordering::Relaxed);
        number.checked_rem(self.rates.good_one_in) == Some(0)
    }

    /// Whether a request that ended badly in this second gets a line; if so, how many got none
    /// since the last that did.
    pub(super) fn bad(&self, second: i64) -> Option<u64> {
        let now = u64::from(u32::try_from(second).unwrap_or(0)) << 32;
        let counted = self
            .bad
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
                // Requests end in another order than they began: time does not go back here, or
                // each step back would open the second again.
                let second = now.max(state & 0xffff_ffff_0000_0000);
                let of_this_second = state & 0xffff_ffff_0000_0000 == second;
                let lines = if of_this_second {
                    state & 0xffff_ffff
                } else {
                    0
                };
                (lines < u64::from(self.rates.bad_a_second))
                    .then(|| (second | lines).wrapping_add(1))
            });
        if counted.is_ok() {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_requests_get_so_many_lines_a_second_and_the_rest_is_counted() {
        let sample = Sample::new(Rates {
            good_one_in: 1,
            bad_a_second: 2,
        });
        let lines: Vec<_> = (0..5).map(|_| sample.bad(100)).collect();
        assert_eq!(lines, [Some(0), Some(0), None, None, None]);
        assert_eq!(sample.bad(101), Some(3));
        assert_eq!(sample.bad(101), Some(0));
        assert_eq!(sample.bad(101), None);
        // One that began earlier and ended later opens no second again.
        assert_eq!((sample.bad(100), sample.bad(101)), (None, None));
    }

    #[test]
    fn of_good_requests_one_in_so_many_gets_a_line() {
        let sample = |good_one_in| {
            Sample::new(Rates {
                good_one_in,
                bad_a_second: 0,
            })
        };
        let third = sample(3);
        let lines = (0..9).filter(|_| third.good()).count();
        assert_eq!(lines, 3);
        let none = sample(0);
        assert!(!none.good() && none.bad(1).is_none());
    }
}
