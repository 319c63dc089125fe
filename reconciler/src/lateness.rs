//! How late events really appear in Stripe's list, and how far in the past windows end because of it.
//!
//! An event is late when it is listed in a second that an earlier sweep had already listed without
//! it. What was seen is kept for a day, so one slow hour at Stripe widens the lag for that long.
//!
//! Keeps: the lag is never below the configured one, nor above its cap; memory is bounded by one
//! overlap's ids for each account.
//!
//! Pure. Deliberately absent: the clock; any memory across restarts (the first sweep of a process
//! only learns).

use std::collections::{HashMap, HashSet};

use shared::ids::EventId;
use shared::windows::Window;

/// How long what was seen counts, in seconds.
const REMEMBERED_S: i64 = 86_400;
/// Ids remembered for one account; beyond them its next sweep only learns.
const MAX_IDS: usize = 50_000;

/// One account's last listing.
#[derive(Debug)]
struct Listing {
    window: Window,
    asked_at: i64,
    ids: HashSet<EventId>,
}

/// What is known of lateness; `K` names an account.
#[derive(Debug)]
pub struct Lateness<K> {
    last: HashMap<K, Listing>,
    /// When it was seen, and how late it was, in seconds.
    worst: Option<(i64, i64)>,
}

impl<K> Default for Lateness<K> {
    fn default() -> Self {
        Self {
            last: HashMap::new(),
            worst: None,
        }
    }
}

impl<K: Eq + std::hash::Hash> Lateness<K> {
    /// Learns from one listing of `window`, asked for at `asked_at` by Stripe's clock: every event's
    /// id and second. Returns by how many seconds at least its latest event was late, if one was.
    pub fn learn(
        &mut self,
        account: K,
        window: Window,
        asked_at: i64,
        events: &[(EventId, i64)],
    ) -> Option<i64> {
        let late = self.last.get(&account).and_then(|last| {
            let late = |(id, created): &(EventId, i64)| {
                let missed = last.window.contains(*created) && !last.ids.contains(id);
                // It was not there yet when the last listing was asked for; when it came after that
                // nobody knows, and how long we paused meanwhile says nothing about it.
                (missed && last.asked_at > *created).then(|| last.asked_at.saturating_sub(*created))
            };
            events.iter().filter_map(late).max()
        });
        let worse = |seconds: &i64| self.current(asked_at).is_none_or(|worst| worst <= *seconds);
        if let Some(seconds) = late.filter(worse) {
            self.worst = Some((asked_at, seconds));
        }
        if events.len() > MAX_IDS {
            self.last.remove(&account);
        } else {
            let ids = events.iter().map(|(id, _)| id.clone()).collect();
            let listing = Listing {
                window,
                asked_at,
                ids,
            };
            self.last.insert(account, listing);
        }
        late
    }

    fn current(&self, now: i64) -> Option<i64> {
        let (seen, seconds) = self.worst?;
        (now.saturating_sub(seen) < REMEMBERED_S).then_some(seconds)
    }

    /// How far in the past a window ends at `now`: half as much again as the latest event was late,
    /// at least `base` and at most `cap` seconds.
    pub fn lag(&self, now: i64, base: i64, cap: i64) -> i64 {
        let wanted = self
            .current(now)
            .map_or(base, |seconds| seconds.saturating_add(seconds / 2));
        wanted.min(cap).max(base)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn event(n: u32, created: i64) -> (EventId, i64) {
        (EventId::parse(&format!("evt_{n}")).unwrap(), created)
    }

    fn window(from: i64, to: i64) -> Window {
        Window::new(from, to).unwrap()
    }

    #[test]
    fn an_event_that_an_earlier_sweep_should_have_seen_widens_the_lag() {
        let mut lateness = Lateness::default();
        assert_eq!(
            lateness.learn("", window(0, 940), 1_000, &[event(1, 900)]),
            None
        );
        assert_eq!(lateness.lag(1_000, 60, 900), 60);
        let late = lateness.learn(
            "",
            window(800, 1_000),
            1_060,
            &[event(1, 900), event(2, 920), event(3, 990)],
        );
        assert_eq!(late, Some(80));
        assert_eq!(lateness.lag(1_060, 60, 900), 120);
        assert_eq!(
            lateness.lag(1_060, 300, 900),
            300,
            "never below the configured one"
        );
        assert_eq!(lateness.lag(1_060, 60, 100), 100, "never above the cap");
    }

    #[test]
    fn events_of_seconds_that_nobody_had_listed_are_not_late() {
        let mut lateness = Lateness::default();
        lateness.learn("", window(0, 940), 1_000, &[]);
        assert_eq!(
            lateness.learn("", window(800, 1_000), 1_060, &[event(1, 950)]),
            None
        );
    }

    #[test]
    fn accounts_are_told_apart() {
        let mut lateness = Lateness::default();
        lateness.learn("a", window(0, 940), 1_000, &[]);
        assert_eq!(
            lateness.learn("b", window(0, 940), 1_060, &[event(1, 900)]),
            None
        );
    }

    #[test]
    fn after_a_day_the_lag_is_what_it_was() {
        let mut lateness = Lateness::default();
        lateness.learn("", window(0, 940), 1_000, &[]);
        lateness.learn("", window(0, 940), 1_100, &[event(1, 900)]);
        assert_eq!(lateness.lag(1_100 + REMEMBERED_S - 1, 60, 900), 150);
        assert_eq!(lateness.lag(1_100 + REMEMBERED_S, 60, 900), 60);
    }

    #[test]
    fn a_listing_too_large_to_remember_only_learns_again() {
        let mut lateness = Lateness::default();
        let many: Vec<_> = (0..=50_000).map(|n| event(n, 10)).collect();
        lateness.learn("", window(0, 940), 1_000, &many);
        assert_eq!(
            lateness.learn("", window(0, 940), 1_060, &[event(60_001, 10)]),
            None
        );
    }
}
