//! The last slices of a lane, of which the middle counts.
//!
//! Pure. A moment in which everything is slow (a pause of the broker's, of the machine's) is not the
//! lane's fault: in a mean it would outweigh what the lane showed before and after. The price: a lane
//! that is itself slow in fewer than half of its slices is not seen to be.

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

    /// The middle rate, and the middle mean time. Each by itself: of a pause the first slice shows few
    /// records with a usual time, the next one a usual rate of late ones. Of two, the better: a moment
    /// makes nobody quicker.
    pub(super) fn middle(&self) -> Seen {
        let sorted = |figure: fn(Seen) -> f64| {
            let known = self.slices.into_iter().take(self.known);
            let mut figures: Vec<f64> = known.map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures
        };
        let (rates, means) = (sorted(|slice| slice.rate), sorted(Seen::mean));
        let rate = rates.get(rates.len() / 2);
        let mean = means.get(means.len().saturating_sub(1) / 2);
        let [newest, ..] = self.slices;
        rate.zip(mean).map_or(newest, |(rate, mean)| Seen {
            rate: *rate,
            // Who acknowledges nothing is not quick.
            in_flight: rate.max(f64::EPSILON) * mean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::open;
    use super::*;

    /// After seven usual slices.
    fn usual() -> (Seen, Recent) {
        let usual = open(9_000.0, 4.0);
        let seven = (0..6).fold(Recent::new(usual), |recent, _| recent.and(usual));
        (usual, seven)
    }

    fn assert_alike(one: Seen, other: Seen) {
        let alike = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        let all = alike(one.rate, other.rate) && alike(one.in_flight, other.in_flight);
        assert!(all, "{one:?} {other:?}");
    }

    #[test]
    fn three_slow_moments_of_seven_count_for_nothing_and_four_do() {
        let ((usual, mut recent), slow) = (usual(), open(9_000.0, 40.0));
        for _ in 0..3 {
            recent = recent.and(slow);
            assert_alike(recent.middle(), usual);
        }
        assert_alike(recent.and(slow).middle(), slow);
    }

    #[test]
    fn a_pause_with_few_records_of_a_usual_time_counts_for_nothing_wherever_it_stands() {
        let (usual, mut recent) = usual();
        let pause = Seen {
            rate: usual.rate * 0.57,
            in_flight: usual.in_flight * 0.57,
        };
        recent = recent.and(pause);
        for _ in 0..7 {
            assert_alike(recent.middle(), usual);
            recent = recent.and(usual);
        }
    }

    #[test]
    fn what_is_not_known_yet_does_not_count_and_of_two_the_better_does() {
        let recent = Recent::new(open(9_000.0, 4.0)).and(open(8_000.0, 6.0));
        assert_alike(recent.middle(), open(9_000.0, 4.0));
        let recent = recent.and(open(8_500.0, 5.0));
        assert_alike(recent.middle(), open(8_500.0, 5.0));
    }
}
