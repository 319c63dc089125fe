//! The last slices of a lane, of which the middle one counts.
//!
//! Pure. A moment in which everything is slow (a pause of the broker's, of the machine's) is not the
//! lane's fault: in a mean it would outweigh what the lane showed before and after.

use super::seen::Seen;

/// Slices that are remembered: fewer than half of them may be out of the ordinary.
const SLICES: usize = 7;

/// Up to [`SLICES`] of them, at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recent {
    /// The newest first; what is not known yet repeats the first.
    slices: [Seen; SLICES],
    known: usize,
}

impl Recent {
    pub(super) const fn new(first: Seen) -> Self {
        Self {
            slices: [first; SLICES],
            known: 1,
        }
    }

    pub(super) fn and(mut self, newest: Seen) -> Self {
        self.slices.rotate_right(1);
        if let Some(first) = self.slices.first_mut() {
            *first = newest;
        }
        self.known = self.known.saturating_add(1).min(SLICES);
        self
    }

    /// The one whose mean time is the middle one; of two, the slower.
    pub(super) fn middle(&self) -> Seen {
        let mut slices: Vec<Seen> = self.slices.into_iter().take(self.known).collect();
        slices.sort_by(|one, other| one.mean().total_cmp(&other.mean()));
        let [newest, ..] = self.slices;
        slices.get(slices.len() / 2).copied().unwrap_or(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::open;
    use super::*;

    #[test]
    fn three_slow_moments_of_seven_count_for_nothing_and_four_do() {
        let (usual, slow) = (open(9_000.0, 4.0), open(9_000.0, 40.0));
        let mut recent = Recent::new(usual);
        for _ in 0..6 {
            recent = recent.and(usual);
        }
        for _ in 0..3 {
            recent = recent.and(slow);
            assert_eq!(recent.middle(), usual);
        }
        assert_eq!(recent.and(slow).middle(), slow);
    }

    #[test]
    fn what_is_not_known_yet_does_not_count() {
        let recent = Recent::new(open(9_000.0, 4.0)).and(open(9_000.0, 6.0));
        assert_eq!(recent.middle(), open(9_000.0, 6.0));
        assert_eq!(recent.and(open(9_000.0, 5.0)).middle(), open(9_000.0, 5.0));
    }
}
