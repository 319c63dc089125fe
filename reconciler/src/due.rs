//! When a booking that waits is checked next: the pause doubles as long as nothing changes.
//!
//! Keeps: a check is never due before the booking has waited for `base`; the pause until the next is
//! as long as the wait so far; after `give_up` the booking is left alone. Level *n* means that the
//! wait had doubled *n* times since `base` when the check became due, so lower levels are newer.
//!
//! Pure. Deliberately absent: the clock, the rows ([`crate::store::checks`]).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Highest level: no wait doubles as often.
pub const MAX_LEVEL: i16 = 62;
/// Shortest `base` that a pause is computed from, in microseconds.
const MIN_BASE_US: i64 = 1_000;

/// When one check is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub level: i16,
    pub at: DateTime<Utc>,
}

/// What follows a check that changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The booking is checked again.
    Again(Slot),
    /// It has waited for too long. Until that is recorded it is checked at this slot.
    GiveUp(Slot),
}

/// How long waits are checked, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a booking waits before its first check.
    pub base: Duration,
    /// How long a booking waits before it is given up on.
    pub give_up: Duration,
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn after(since: DateTime<Utc>, us: i64) -> DateTime<Utc> {
    since
        .checked_add_signed(TimeDelta::microseconds(us))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn waited(since: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    now.timestamp_micros()
        .saturating_sub(since.timestamp_micros())
        .max(0)
}

impl Policy {
    fn base_us(self) -> i64 {
        micros(self.base).max(MIN_BASE_US)
    }

    /// The wait at which a check of this level is due.
    fn wait_us(self, level: i16) -> i64 {
        let factor = 1_i64.checked_shl(u32::from(level.unsigned_abs()));
        self.base_us()
            .saturating_mul(factor.filter(|it| *it > 0).unwrap_or(i64::MAX))
    }

    /// The greatest level whose wait is over after `age_us`; `None`: not even the first.
    fn level(self, age_us: i64) -> Option<i16> {
        (0..=MAX_LEVEL)
            .take_while(|level| self.wait_us(*level) <= age_us)
            .last()
    }

    /// The first check of a booking that waits since `since`. One whose authorization has lapsed is
    /// checked at once. One that was found late is due at the level of its age, behind newer ones.
    pub fn first(self, since: DateTime<Utc>, lapsed: bool, now: DateTime<Utc>) -> Slot {
        match self.level(waited(since, now)) {
            Some(level) => Slot {
                level,
                at: after(since, self.wait_us(level)),
            },
            None if lapsed => Slot {
                level: 0,
                at: since,
            },
            None => Slot {
                level: 0,
                at: after(since, self.base_us()),
            },
        }
    }

    /// What follows a check at `now`.
    pub fn after(self, since: DateTime<Utc>, now: DateTime<Utc>) -> After {
        let age = waited(since, now);
        let reached = self.level(age);
        if age >= micros(self.give_up) {
            return After::GiveUp(Slot {
                level: reached.unwrap_or(0),
                at: after(now, self.base_us()),
            });
        }
        let level = reached.map_or(0, |level| level.saturating_add(1).min(MAX_LEVEL));
        // The last check is at the very end.
        let wait = self.wait_us(level).min(micros(self.give_up));
        After::Again(Slot {
            level,
            at: after(since, wait),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Policy = Policy {
        base: Duration::from_secs(600),
        give_up: Duration::from_secs(30 * 86_400),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        after(DateTime::UNIX_EPOCH, seconds * 1_000_000)
    }

    fn slot(level: i16, seconds: i64) -> Slot {
        Slot {
            level,
            at: at(seconds),
        }
    }

    #[test]
    fn each_pause_is_as_long_as_the_wait_before_it() {
        assert_eq!(POLICY.first(at(0), false, at(0)), slot(0, 600));
        assert_eq!(POLICY.after(at(0), at(600)), After::Again(slot(1, 1_200)));
        assert_eq!(POLICY.after(at(0), at(1_200)), After::Again(slot(2, 2_400)));
    }

    #[test]
    fn late_check_skips_those_that_were_missed() {
        assert_eq!(POLICY.after(at(0), at(2_500)), After::Again(slot(3, 4_800)));
        assert_eq!(POLICY.first(at(0), false, at(2_500)), slot(2, 2_400));
    }

    #[test]
    fn lapsed_authorization_is_due_at_once() {
        assert_eq!(POLICY.first(at(0), true, at(1)), slot(0, 0));
    }

    #[test]
    fn last_check_is_at_the_end_and_then_the_booking_is_given_up() {
        let end = 30 * 86_400;
        assert_eq!(
            POLICY.after(at(0), at(end - 1)),
            After::Again(slot(13, end))
        );
        assert_eq!(
            POLICY.after(at(0), at(end)),
            After::GiveUp(slot(12, end + 600))
        );
    }

    #[test]
    fn booking_that_never_changes_is_checked_a_dozen_times_in_all() {
        let (mut now, mut checks) = (POLICY.first(at(0), false, at(0)).at, 1);
        while let After::Again(next) = POLICY.after(at(0), now) {
            assert!(next.at > now);
            (now, checks) = (next.at, checks + 1);
        }
        assert_eq!(checks, 14);
    }

    proptest! {
        #[test]
        fn extreme_times_neither_overflow_nor_come_before_the_first_wait(
            since in -8_000_000_000_000i64..8_000_000_000_000,
            now in -8_000_000_000_000i64..8_000_000_000_000,
            base in 0u64..u64::MAX / 2,
            give_up: u64,
        ) {
            let policy = Policy {
                base: Duration::from_micros(base),
                give_up: Duration::from_secs(give_up),
            };
            let (since, now) = (at(since / 1_000), at(now / 1_000));
            let first = policy.first(since, false, now);
            prop_assert!(first.at >= since && (0..=MAX_LEVEL).contains(&first.level));
            match policy.after(since, now) {
                After::Again(next) => prop_assert!((0..=MAX_LEVEL).contains(&next.level)),
                After::GiveUp(next) => prop_assert!(next.at >= now),
            }
        }
    }
}
