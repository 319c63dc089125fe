//! Since when each partition's next record waits to be applied, and what stands in its way.
//!
//! Invariant: the clock of a partition runs while it has a record that is not applied, from the
//! last progress on. Reading the same offset again does not set it back. It does not run while the
//! brake holds the partition, which says so by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Queues, State};

/// A partition that makes no progress although it has records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stalled {
    /// The partition.
    pub partition: i32,
    /// First offset that is not applied.
    pub offset: i64,
    /// Why the last attempt failed; none: it has not ended yet.
    pub trouble: Option<String>,
}

#[derive(Debug)]
struct Clock {
    since: Instant,
    /// First offset not applied, inside of a batch too.
    offset: i64,
    trouble: Option<String>,
}

/// The clocks of all open partitions that have records.
#[derive(Debug, Default)]
pub(super) struct Clocks(BTreeMap<i32, Clock>);

impl Clocks {
    /// There is a record; the clock runs already if there was one.
    pub(super) fn run(&mut self, partition: i32, offset: i64) {
        self.0.entry(partition).or_insert_with(|| Clock {
            since: Instant::now(),
            offset,
            trouble: None,
        });
    }

    /// Progress up to `offset`, and there is more.
    pub(super) fn restart(&mut self, partition: i32, offset: i64) {
        self.stop(partition);
        self.run(partition, offset);
    }

    /// Nothing is left, or nothing is to be done.
    pub(super) fn stop(&mut self, partition: i32) {
        drop(self.0.remove(&partition));
    }

    /// A pause is over.
    pub(super) fn restart_all(&mut self) {
        let now = Instant::now();
        for clock in self.0.values_mut() {
            clock.since = now;
        }
    }
}

impl State {
    /// Whether this claim still is current.
    pub(super) fn has(&self, partition: i32, epoch: i64) -> bool {
        self.open
            .get(&partition)
            .is_some_and(|queue| queue.epoch == epoch)
    }

    /// A batch ended here: the clock starts anew if there are more records.
    pub(super) fn ended_at(&mut self, partition: i32, offset: i64) {
        let more = self
            .open
            .get(&partition)
            .is_some_and(|queue| !queue.records.is_empty() && queue.held.is_none());
        if more {
            self.clocks.restart(partition, offset);
        } else {
            self.clocks.stop(partition);
        }
    }
}

impl Queues {
    /// A part of a batch is applied: everything below `offset`.
    pub fn progressed(&self, partition: i32, epoch: i64, offset: i64) {
        let mut state = self.state();
        if state.has(partition, epoch) {
            state.clocks.restart(partition, offset);
        }
    }

    /// Why an attempt failed, for whoever asks why there is no progress.
    pub fn trouble(&self, partition: i32, epoch: i64, trouble: String) {
        let mut state = self.state();
        if state.has(partition, epoch)
            && let Some(clock) = state.clocks.0.get_mut(&partition)
        {
            clock.trouble = Some(trouble);
        }
    }

    /// Partitions whose next record waits for longer than `limit`. None while an operator paused
    /// consumption.
    #[must_use]
    pub fn stalled(&self, limit: Duration) -> Vec<Stalled> {
        let state = self.state();
        if state.paused {
            return Vec::new();
        }
        let late = state.clocks.0.iter();
        late.filter(|(_, clock)| clock.since.elapsed() >= limit)
            .map(|(partition, clock)| Stalled {
                partition: *partition,
                offset: clock.offset,
                trouble: clock.trouble.clone(),
            })
            .collect()
    }
}
