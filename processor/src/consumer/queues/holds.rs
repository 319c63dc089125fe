//! What keeps a partition from being dealt out although records wait: the brake, an operator's
//! pause, a claim that was lost.
//!
//! Invariant: none of these drops a record for good; the partition is read again from where it
//! stood.

use std::time::{Duration, Instant};

use super::Queues;

impl Queues {
    /// Partitions that are due to be claimed again, if the group still calls them ours.
    pub fn take_reclaims(&self) -> Vec<i32> {
        let now = Instant::now();
        let mut state = self.state();
        let due: Vec<i32> = state
            .reclaim
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(partition, _)| *partition)
            .collect();
        state.reclaim.retain(|_, at| *at > now);
        due
    }

    /// Every open partition as we have it: `(partition, next_offset, epoch)`.
    #[must_use]
    pub fn claims(&self) -> Vec<(i32, i64, i64)> {
        let state = self.state();
        let open = state.open.iter();
        open.map(|(partition, queue)| (*partition, queue.next_offset, queue.epoch))
            .collect()
    }

    /// Compares what we had (see [`Queues::claims`]) with rows that were read *after* it. A row can
    /// only be ahead of us; one that is behind is from a database that was restored, and what it
    /// has lost is read again, whether anything new comes or not. Returns those partitions.
    pub fn compare(&self, ours: &[(i32, i64, i64)], rows: &[(i32, i64, i64)]) -> Vec<i32> {
        let mut state = self.state();
        let mut behind = Vec::new();
        for (partition, next, epoch) in rows {
            let Some((_, our_next, our_epoch)) = ours.iter().find(|(p, ..)| p == partition) else {
                continue;
            };
            // A running batch finds out by itself; a new claim has read the row anew.
            let current = state.open.get(partition);
            if current.is_none_or(|queue| queue.busy || queue.epoch != *our_epoch) {
                continue;
            }
            if epoch > our_epoch || (epoch == our_epoch && next >= our_next) {
                continue;
            }
            // The claim writes down what was forgotten before any of it is applied again.
            state.claim_again(*partition, Duration::ZERO);
            behind.push(*partition);
        }
        behind
    }

    /// A person resumed: it goes on.
    pub fn let_go(&self, partition: i32) {
        let mut state = self.state();
        if let Some(queue) = state.open.get_mut(&partition) {
            queue.held = None;
            let offset = queue.next_offset;
            state.ended_at(partition, offset);
        }
        drop(state);
        self.work.notify_all();
    }

    /// Partitions that the brake holds, with their epochs.
    #[must_use]
    pub fn held(&self) -> Vec<(i32, i64)> {
        let state = self.state();
        let held = state.open.iter().filter(|(_, queue)| queue.held.is_some());
        held.map(|(partition, queue)| (*partition, queue.epoch))
            .collect()
    }

    /// Whether an operator paused consumption.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.state().paused
    }

    /// Whether the process is about to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Pauses or resumes: a batch that is running is finished, no other is dealt out.
    pub fn set_paused(&self, paused: bool) {
        let mut state = self.state();
        state.paused = paused;
        state.clocks.restart_all();
        drop(state);
        self.work.notify_all();
    }
}
