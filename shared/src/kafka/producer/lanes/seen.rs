//! What one slice showed of a lane, and how it stands beside what was seen of another.
//!
//! Pure. Invariant: two lanes are told apart only by what chance does not make of them, and only
//! where senders would notice.

/// Mean times whose ratio lies between these are alike …
const QUICKER: f64 = 0.95;
const SLOWER: f64 = 1.05;
/// … and so are those that differ by fewer seconds: to who sends webhooks it makes no difference.
const NO_MATTER_S: f64 = 0.003;
/// From this ratio on, a lane is not merely slower.
pub(super) const MUCH_SLOWER: f64 = 2.0;
/// Rates that differ by less, and by less than chance makes of them, are alike.
const MARGIN: f64 = 0.05;
/// By this factor in both of its numbers, a load is another one.
const ANOTHER: f64 = 2.0;

/// What one slice showed of the lane in use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// Records in flight, on average.
    pub(super) in_flight: f64,
    /// Acknowledged, each second.
    pub(super) rate: f64,
}

impl Seen {
    /// Mean time to the acknowledgement, seconds: Little's law. Who is not acknowledged at all
    /// makes it long, not short.
    pub(super) fn mean(self) -> f64 {
        self.in_flight / self.rate.max(f64::EPSILON)
    }

    /// How this one stands beside another. The rate counts first: where it differs, senders wait
    /// for their answers, and more of them get one. Else they do not, and the sooner the better.
    pub(super) fn beside(self, other: Self) -> Standing {
        // Of arrivals by chance, in a few slices.
        let chance = 2.0 / (other.rate * 0.3).max(1.0).sqrt();
        let rates = self.rate / other.rate.max(f64::EPSILON);
        let means = self.mean() / other.mean();
        if rates > 1.0 + MARGIN + chance {
            Standing::Better
        } else if rates < 1.0 - MARGIN - chance {
            if means > MUCH_SLOWER {
                Standing::MuchWorse
            } else {
                Standing::Worse
            }
        } else if (self.mean() - other.mean()).abs() < NO_MATTER_S {
            Standing::Alike
        } else if means < QUICKER {
            Standing::Better
        } else if means < SLOWER {
            Standing::Alike
        } else if means < MUCH_SLOWER {
            Standing::Worse
        } else {
            Standing::MuchWorse
        }
    }

    /// Under another load: senders who wait keep the number in flight when the lane changes,
    /// senders who do not keep the rate. If both changed, what was seen says nothing any more.
    pub(super) fn is_of_another_load(self, now: Self) -> bool {
        let apart = |a: f64, b: f64| a > b * ANOTHER || b > a * ANOTHER;
        apart(self.in_flight, now.in_flight) && apart(self.rate, now.rate)
    }
}

/// How what was seen of one lane stands beside what was seen of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Better,
    Alike,
    Worse,
    MuchWorse,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Senders who wait: so many records are always in flight.
    pub(in super::super) fn closed(in_flight: f64, mean_ms: f64) -> Seen {
        Seen {
            in_flight,
            rate: in_flight / mean_ms * 1_000.0,
        }
    }

    /// Senders who do not wait.
    pub(in super::super) fn open(rate: f64, mean_ms: f64) -> Seen {
        Seen {
            in_flight: rate * mean_ms / 1_000.0,
            rate,
        }
    }

    #[test]
    fn a_difference_that_nobody_feels_is_none_unless_the_rate_differs() {
        let (sooner, later) = (open(19_000.0, 2.5), open(19_000.0, 4.5));
        assert_eq!(sooner.beside(later), Standing::Alike);
        let (sooner, later) = (closed(64.0, 2.8), closed(64.0, 5.7));
        assert_eq!(sooner.beside(later), Standing::Better);
    }

    #[test]
    fn rates_that_differ_by_chance_are_alike() {
        let (few, more) = (open(400.0, 8.0), open(450.0, 8.0));
        assert_eq!(more.beside(few), Standing::Alike);
        let (few, more) = (open(20_000.0, 8.0), open(22_500.0, 8.0));
        assert_eq!(more.beside(few), Standing::Better);
        assert_eq!(few.beside(more), Standing::Worse);
    }
}
