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
pub struct Looks(HashMap<String, (Instant, u32)>);

impl Looks {
    /// The bookings that may not be looked at yet.
    pub(super) fn too_recent(&self, now: Instant) -> Vec<String> {
        let recent = self.0.iter().filter(|(_, (due, _))| *due > now);
        recent.map(|(booking, _)| booking.clone()).collect()
    }

    /// Notes a look: the next is due after `base`, then after twice as long, and so on.
    pub(super) fn looked(&mut self, booking: &str, now: Instant, base: Duration) {
        if self.0.len() >= MAX_REMEMBERED {
            self.0.clear();
        }
        let (due, times) = self.0.entry(booking.to_owned()).or_insert((now, 0));
        *due = now
            + base
                .saturating_mul(2u32.saturating_pow((*times).min(16)))
                .min(LOOK_CAP);
        *times = times.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booking_that_stays_as_it_is_is_asked_about_less_and_less_often() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let base = Duration::from_secs(600);
        looks.looked("B", start, base);
        assert_eq!(looks.too_recent(start), ["B"]);
        let later = start + base;
        assert!(looks.too_recent(later).is_empty());
        looks.looked("B", later, base);
        assert!(!looks.too_recent(later + base).is_empty());
        assert!(looks.too_recent(later + base * 2).is_empty());
    }
}
