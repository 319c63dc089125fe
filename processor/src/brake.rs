//! The brake: when too much fails, consumption stops instead of emptying the topic into the dead
//! letters or parking every booking.
//!
//! Pure but for one lock. Invariant: between two successes at most `in_row` records of this
//! process are given up on or parked, however many partitions and workers it has; and of any
//! `window` outcomes at most `share` percent. A record that is not let pass is not counted: it
//! stays where it is, and its partition is held until its head can be applied or a person
//! resumes.
//!
//! Deliberately absent: events that only queue behind a parked one (they neither failed nor
//! succeeded), and the attempts on what is parked already.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// When it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrakeLimits {
    /// Failures in a row, of one partition and of the process.
    pub in_row: usize,
    /// Outcomes over which the share is taken.
    pub window: usize,
    /// Percent of them that may fail; 100: any share.
    pub share: usize,
    /// Bookings that may be parked at once, over all processes.
    pub parked: usize,
}

/// Whether a failing record may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// It may be given up on or parked.
    Go,
    /// It must stay: its partition is held.
    Hold {
        /// Why, for people.
        reason: String,
    },
}

#[derive(Debug, Default)]
struct State {
    in_row: usize,
    of_partition: BTreeMap<i32, usize>,
    /// Whether each of the last outcomes failed.
    window: VecDeque<bool>,
    failed: usize,
    /// Bookings parked, as last counted, and by this process since.
    parked: usize,
}

/// One process's brake.
#[derive(Debug)]
pub struct Brake {
    limits: BrakeLimits,
    state: Mutex<State>,
}

impl Brake {
    /// A brake that has seen nothing.
    #[must_use]
    pub fn new(limits: BrakeLimits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record of this partition fails for a reason of its own. Counted only if it may pass.
    pub fn fail(&self, partition: i32) -> Passage {
        let mut state = self.state();
        let of_partition = state.of_partition.get(&partition).copied().unwrap_or(0);
        if of_partition >= self.limits.in_row || state.in_row >= self.limits.in_row {
            return Passage::Hold {
                reason: format!("{} records in a row failed", self.limits.in_row),
            };
        }
        let full = state.window.len() >= self.limits.window;
        if full
            && state.failed.saturating_mul(100)
                > self.limits.window.saturating_mul(self.limits.share)
        {
            return Passage::Hold {
                reason: format!(
                    "{} of the last {} records failed",
                    state.failed, self.limits.window
                ),
            };
        }
        state.in_row = state.in_row.saturating_add(1);
        state
            .of_partition
            .insert(partition, of_partition.saturating_add(1));
        state.note(true, self.limits.window);
        Passage::Go
    }

    /// As [`Brake::fail`], for a record that is to be parked: that is bounded by itself, too.
    pub fn park(&self, partition: i32) -> Passage {
        if self.state().parked >= self.limits.parked {
            return Passage::Hold {
                reason: format!("{} bookings are parked", self.limits.parked),
            };
        }
        let passage = self.fail(partition);
        if passage == Passage::Go {
            let mut state = self.state();
            state.parked = state.parked.saturating_add(1);
        }
        passage
    }

    /// So many bookings are parked now.
    pub fn count_parked(&self, bookings: usize) {
        self.state().parked = bookings;
    }

    /// So many records of this partition were applied.
    pub fn succeed(&self, partition: i32, records: usize) {
        if records == 0 {
            return;
        }
        let mut state = self.state();
        state.in_row = 0;
        state.of_partition.remove(&partition);
        for _ in 0..records.min(self.limits.window) {
            state.note(false, self.limits.window);
        }
    }

    /// Forgets everything but what is parked: a person said so.
    pub fn release(&self) {
        let mut state = self.state();
        *state = State {
            parked: state.parked,
            ..State::default()
        };
    }
}

impl State {
    fn note(&mut self, failed: bool, window: usize) {
        if self.window.len() >= window && self.window.pop_front() == Some(true) {
            self.failed = self.failed.saturating_sub(1);
        }
        self.window.push_back(failed);
        self.failed = self.failed.saturating_add(usize::from(failed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brake(in_row: usize, window: usize, share: usize) -> Brake {
        Brake::new(BrakeLimits {
            in_row,
            window,
            share,
            parked: 1_000,
        })
    }

    fn passed(brake: &Brake, partitions: impl IntoIterator<Item = i32>) -> usize {
        let pass = |partition: &i32| brake.fail(*partition) == Passage::Go;
        partitions.into_iter().filter(pass).count()
    }

    #[test]
    fn when_everything_fails_no_more_than_the_limit_passes_over_all_partitions() {
        let brake = brake(20, 200, 50);
        assert_eq!(passed(&brake, (0..1_000).map(|n| n % 12)), 20);
    }

    #[test]
    fn a_partition_in_which_everything_fails_is_held_alone() {
        let brake = brake(5, 1_000, 100);
        let mut passed = 0;
        for _ in 0..100 {
            passed += usize::from(brake.fail(3) == Passage::Go);
            brake.succeed(4, 1);
            assert_eq!(brake.fail(4), Passage::Go);
            brake.succeed(4, 1);
        }
        assert_eq!(passed, 5);
    }

    #[test]
    fn more_than_the_share_is_held_although_never_many_in_a_row() {
        let brake = brake(1_000, 100, 50);
        let mut passed = 0_usize;
        for _ in 0..1_000 {
            passed += passed_of_two(&brake);
            brake.succeed(0, 1);
        }
        // Two of three fail: none passes once more than half of the last hundred did.
        assert!((51..=1_150).contains(&passed), "{passed}");
        let share = brake.state().failed;
        assert!(share <= 51, "{share}");
    }

    fn passed_of_two(brake: &Brake) -> usize {
        passed(brake, [0, 0])
    }

    #[test]
    fn no_more_bookings_are_parked_than_the_bound_however_slowly() {
        let brake = brake(5, 10, 100);
        brake.count_parked(997);
        let mut parked = 0;
        for _ in 0..50 {
            parked += usize::from(brake.park(0) == Passage::Go);
            brake.succeed(0, 10);
        }
        assert_eq!(parked, 3);
        brake.release();
        assert_ne!(brake.park(0), Passage::Go);
        // Poison is given up on and holds nobody.
        assert_eq!(brake.fail(0), Passage::Go);
        brake.count_parked(0);
        assert_eq!(brake.park(0), Passage::Go);
    }

    #[test]
    fn one_success_between_keeps_it_off_and_a_release_starts_anew() {
        let brake = brake(3, 100, 100);
        assert_eq!(passed(&brake, [0; 10]), 3);
        brake.succeed(0, 1);
        assert_eq!(passed(&brake, [0; 10]), 3);
        brake.release();
        assert_eq!(passed(&brake, [0; 10]), 3);
        brake.succeed(0, 0);
        assert_eq!(passed(&brake, [0]), 0);
    }
}
