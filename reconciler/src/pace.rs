//! When the next repair may be published: a token bucket, as the instant at which it is full again.
//!
//! Keeps: over any stretch of time no more records are granted than rate · time + burst, so that
//! live traffic is not drowned.
//!
//! Deliberately absent: the clock and the waiting; calls to Stripe, which all processes share
//! ([`crate::budget`]).

use std::time::{Duration, Instant};

/// A token bucket. `interval` is one token's worth of time; up to `burst` tokens pile up.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    tolerance: Duration,
    /// When the next call would be due if the bucket never held more than one token.
    due: Option<Instant>,
}

impl Pace {
    /// `per_second` calls on average, at most `burst` at once. Both count as at least one.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            tolerance: interval * burst.max(1).saturating_sub(1),
            due: None,
        }
    }

    /// Takes one token at `now` and tells how long to wait before the record may be sent; zero when
    /// the bucket held one. The token is taken either way: callers queue in the order they ask.
    pub fn reserve(&mut self, now: Instant) -> Duration {
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = due.checked_add(self.interval).or(Some(due));
        due.saturating_duration_since(now)
            .saturating_sub(self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_beyond_the_burst_are_spread_by_the_rate() {
        let (mut pace, now) = (Pace::new(10, 3), Instant::now());
        let waits: Vec<u128> = (0..6).map(|_| pace.reserve(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
    }

    #[test]
    fn no_second_publishes_more_than_rate_and_burst() {
        let (mut pace, start) = (Pace::new(25, 5), Instant::now());
        let mut granted: Vec<Duration> = Vec::new();
        for ms in 0..2_000 {
            let now = start + Duration::from_millis(ms);
            granted.push(Duration::from_millis(ms) + pace.reserve(now));
        }
        for from in [0, 300, 1_000, 7_777] {
            let from = Duration::from_millis(from);
            let within = |at: &&Duration| **at >= from && **at < from + Duration::from_secs(1);
            assert!(granted.iter().filter(within).count() <= 25 + 5);
        }
    }

    #[test]
    fn idle_time_does_not_pile_up_beyond_the_burst() {
        let (mut pace, now) = (Pace::new(10, 2), Instant::now());
        pace.reserve(now);
        let later = now + Duration::from_secs(3_600);
        let waits: Vec<u128> = (0..3).map(|_| pace.reserve(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 100]);
    }
}
