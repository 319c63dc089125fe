//! How often a waiting booking is looked at: less and less, as long as nothing changes.
//!
//! Kept in memory on purpose: after a restart each is looked at once more, which changes nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Longest pause between two looks at one booking.
const LOOK_CAP: Duration = Duration::from_secs(86_400);
/// Bookings remembered; beyond them all are looked at again.
const MAX_REMEMBERED: usize = 100_000;

/// When each waiting booking may be looked at again.
#[derive(Debug, Default)]
pub struct Looks(HashMap<String, Look>);

/// The last look at one booking.
#[derive(Debug)]
struct Look {
    /// As the booking was then; another stamp: it is looked at anew.
    stamp: i64,
    due: Instant,
    times: u32,
}

impl Looks {
    /// The bookings that may not be looked at yet, as long as they keep these stamps.
    pub(super) fn too_recent(&self, now: Instant) -> Vec<(String, i64)> {
        let recent = self.0.iter().filter(|(_, look)| look.due > now);
        recent
            .map(|(booking, look)| (booking.clone(), look.stamp))
            .collect()
    }

    /// Notes a look: the next is due after `base`, then after twice as long, and so on, until the
    /// booking has another stamp.
    pub(super) fn looked(&mut self, booking: &str, stamp: i64, now: Instant, base: Duration) {
        if self.0.len() >= MAX_REMEMBERED {
            self.0.clear();
        }
        let first = Look {
            stamp,
            due: now,
            times: 0,
        };
        let look = self.0.entry(booking.to_owned()).or_insert(first);
        if look.stamp != stamp {
            (look.stamp, look.times) = (stamp, 0);
        }
        look.due = now
            + base
                .saturating_mul(2u32.saturating_pow(look.times.min(16)))
                .min(LOOK_CAP);
        look.times = look.times.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booking_that_stays_as_it_is_is_asked_about_less_and_less_often() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let base = Duration::from_secs(600);
        looks.looked("B", 4, start, base);
        assert_eq!(looks.too_recent(start), [("B".to_owned(), 4)]);
        let later = start + base;
        assert!(looks.too_recent(later).is_empty());
        looks.looked("B", 4, later, base);
        assert!(!looks.too_recent(later + base).is_empty());
        assert!(looks.too_recent(later + base * 2).is_empty());
    }

    #[test]
    fn booking_that_changed_begins_anew() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let base = Duration::from_secs(600);
        for _ in 0..5 {
            looks.looked("B", 4, start, base);
        }
        looks.looked("B", 5, start, base);
        assert_eq!(looks.too_recent(start), [("B".to_owned(), 5)]);
        assert!(looks.too_recent(start + base).is_empty());
    }
}
