//! How long a processor that is behind is waited for: as long as it gets nearer.
//!
//! Pure.

use crate::barrier::Lag;

/// Waits in a row that may bring it no nearer: it may just be starting, or changing hands.
const IN_VAIN: u32 = 2;

/// What to do about a processor that is still behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Again,
    GiveUp,
}

/// One wait for one end of the log.
#[derive(Debug, Default)]
pub struct Patience {
    least: Option<i64>,
    in_vain: u32,
}

impl Patience {
    /// Judges how far behind it was when a wait was over.
    pub fn judge(&mut self, lag: Lag) -> Verdict {
        if self.least.is_none_or(|least| lag.records < least) {
            self.least = Some(lag.records);
            self.in_vain = 0;
            return Verdict::Again;
        }
        self.in_vain = self.in_vain.saturating_add(1);
        match self.in_vain >= IN_VAIN {
            true => Verdict::GiveUp,
            false => Verdict::Again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lags: &[i64]) -> Vec<Verdict> {
        let mut patience = Patience::default();
        let judge = |records: &i64| {
            patience.judge(Lag {
                records: *records,
                partitions: 1,
            })
        };
        lags.iter().map(judge).collect()
    }

    #[test]
    fn processor_that_gets_nearer_is_waited_for() {
        let all: Vec<i64> = (1..50).rev().collect();
        assert!(judged(&all).iter().all(|it| *it == Verdict::Again));
    }

    #[test]
    fn processor_that_stands_still_is_given_up_on() {
        let verdicts = judged(&[9, 9, 9]);
        assert_eq!(verdicts, [Verdict::Again, Verdict::Again, Verdict::GiveUp]);
    }

    #[test]
    fn live_traffic_that_arrives_meanwhile_does_not_end_it_at_once() {
        let verdicts = judged(&[9, 12, 5, 6, 4]);
        assert!(verdicts.iter().all(|it| *it == Verdict::Again));
    }
}
