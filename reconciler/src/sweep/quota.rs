//! So many a day, spread over the day.
//!
//! Pure. What was not due when the process ended is forgotten: less than one.

use std::time::Duration;

const DAY_MS: u128 = 86_400_000;
/// Most that are due at once, after a pause for instance.
const MOST: u128 = 100;

/// What is owed of a daily number, in parts of a day.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    per_day: u32,
    owed: u128,
}

impl Quota {
    #[must_use]
    pub fn new(per_day: u32) -> Self {
        Self { per_day, owed: 0 }
    }

    /// How many have become due in the time that passed.
    pub fn due(&mut self, passed: Duration) -> i64 {
        let more = passed.as_millis().saturating_mul(u128::from(self.per_day));
        self.owed = self.owed.saturating_add(more);
        let due = self.owed / DAY_MS;
        self.owed %= DAY_MS;
        i64::try_from(due.min(MOST)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_brings_the_whole_number_however_it_is_cut() {
        let mut quota = Quota::new(100);
        let minutes = (0..1_440).map(|_| quota.due(Duration::from_secs(60)));
        let due: Vec<i64> = minutes.collect();
        assert_eq!(due.iter().sum::<i64>(), 100);
        assert!(due.iter().all(|due| *due <= 1), "spread over the day");
    }

    #[test]
    fn zero_switches_it_off_and_a_long_pause_brings_no_flood() {
        assert_eq!(Quota::new(0).due(Duration::from_secs(864_000)), 0);
        assert_eq!(Quota::new(u32::MAX).due(Duration::from_secs(86_400)), 100);
    }
}
