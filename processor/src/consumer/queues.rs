//! Bounded per-partition queues between the polling thread and the workers.
//!
//! Invariant: at most one worker holds a batch of a partition, and batches of a partition are
//! dealt out in offset order. A closed or superseded queue's batch can still be running; it is
//! harmless, because its compare-and-set on the epoch fails.

mod holds;
mod record;
mod stall;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use record::{Batch, Probe, Record};
pub use stall::Stalled;

/// Bounds of the queues.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Records waiting in one partition before it is paused.
    pub high: usize,
    /// Bytes of values waiting in one partition before it is paused.
    pub high_bytes: usize,
    /// Records waiting at which it is resumed.
    pub low: usize,
    /// Records in one batch.
    pub batch: usize,
    /// How long the first record waits for company.
    pub linger: Duration,
}

/// Why a batch could not move the progress row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The epoch still is ours: read on at this offset.
    Moved(i64),
    /// Another processor claimed the partition: should the group still call it ours after a
    /// while, it is claimed again.
    Evicted,
    /// The row is older than our claim: the database was restored. It is claimed again at once.
    Restored,
    /// The brake holds the partition at this offset; its head is tried again after the pause.
    Held {
        /// First offset that is not applied.
        next_offset: i64,
        /// It was held already. If a person resumed meanwhile, it is not held again for that.
        probe: bool,
    },
}

struct PartitionQueue {
    epoch: i64,
    next_offset: i64,
    fetch_next: i64,
    records: VecDeque<Record>,
    bytes: usize,
    busy: bool,
    paused: bool,
    /// Moved by a worker, and the client not yet told: what arrives is from the old place.
    seeking: bool,
    /// Held by the brake.
    held: Option<Held>,
}

#[derive(Clone, Copy)]
struct Held {
    /// When its head is tried next.
    due: Instant,
    /// How often it was.
    tries: u32,
    /// By another process, before it was claimed.
    inherited: bool,
}

/// How long whoever lost a partition waits for the group's word before it claims it again: longer
/// than a session, so that one who was frozen has learned that it is out.
const RECLAIM_AFTER: Duration = Duration::from_secs(10);

/// Pauses between two tries of a held partition's head.
const PROBE: shared::backoff::Policy = shared::backoff::Policy {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(30),
};

impl PartitionQueue {
    fn clear(&mut self) {
        self.records.clear();
        self.bytes = 0;
    }
}

#[derive(Default)]
struct State {
    open: BTreeMap<i32, PartitionQueue>,
    finished: BTreeMap<i32, i64>,
    /// How far this process is in each partition it ever had since it was last claimed.
    reached: BTreeMap<i32, i64>,
    clocks: stall::Clocks,
    /// Partitions to be claimed again, and when.
    reclaim: BTreeMap<i32, Instant>,
    seek: bool,
    stopping: bool,
    paused: bool,
    turn: i32,
}

/// The queues of all partitions this process owns.
pub struct Queues {
    limits: QueueLimits,
    state: Mutex<State>,
    work: Condvar,
    idle: Condvar,
}

impl Queues {
    /// Empty queues.
    #[must_use]
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            work: Condvar::new(),
            idle: Condvar::new(),
        }
    }

    /// A panicking worker must not take the others' queues with it: the state is consistent
    /// between statements.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a partition that was claimed under `epoch`, to be read from `next_offset`. One that
    /// was `held` by the brake stays so until its head shows otherwise.
    pub fn open(&self, partition: i32, epoch: i64, next_offset: i64, held: bool) {
        let queue = PartitionQueue {
            epoch,
            next_offset,
            fetch_next: next_offset,
            records: VecDeque::new(),
            bytes: 0,
            busy: false,
            paused: false,
            seeking: false,
            held: held.then(|| Held {
                due: Instant::now(),
                tries: 0,
                inherited: true,
            }),
        };
        let mut state = self.state();
        state.reclaim.remove(&partition);
        state.reached.insert(partition, next_offset);
        state.clocks.stop(partition);
        drop(state.open.insert(partition, queue));
    }

    /// Closes partitions and waits up to `grace` for their running batches. Returns the offsets
    /// finished, for the commit hint. A batch that misses the grace is harmless (see above).
    pub fn close(&self, partitions: &[i32], grace: Duration) -> Vec<(i32, i64)> {
        let deadline = Instant::now() + grace;
        let mut state = self.state();
        for partition in partitions {
            if let Some(queue) = state.open.get_mut(partition) {
                queue.clear();
            }
        }
        loop {
            let busy = partitions
                .iter()
                .any(|p| state.open.get(p).is_some_and(|q| q.busy));
            let left = deadline.saturating_duration_since(Instant::now());
            if !busy || left.is_zero() {
                break;
            }
            state = self
                .idle
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        partitions
            .iter()
            .filter_map(|partition| {
                state.clocks.stop(*partition);
                state
                    .open
                    .remove(partition)
                    .map(|q| (*partition, q.next_offset))
            })
            .collect()
    }

    /// All partitions now open, with the offset to be fetched next.
    #[must_use]
    pub fn positions(&self) -> Vec<(i32, i64)> {
        self.state()
            .open
            .iter()
            .map(|(p, q)| (*p, q.fetch_next))
            .collect()
    }

    /// Queues one record; one of a partition that is not open is dropped, because whoever owns
    /// it reads it again. A record that was already dealt out is dropped too, and one that was
    /// fetched before the client was told of a move: between it and the new place lie others.
    pub fn push(&self, record: Record) {
        let mut state = self.state();
        let Some(queue) = state.open.get_mut(&record.partition) else {
            return;
        };
        if queue.seeking || record.offset < queue.fetch_next {
            return;
        }
        queue.fetch_next = record.offset.saturating_add(1);
        queue.bytes = queue.bytes.saturating_add(record.value.len());
        let (partition, offset) = (record.partition, queue.next_offset);
        queue.records.push_back(record);
        if queue.held.is_none() {
            state.clocks.run(partition, offset);
        }
        drop(state);
        self.work.notify_one();
    }

    /// Partitions whose pause state must change: `(pause, resume)`.
    pub fn pressure(&self) -> (Vec<i32>, Vec<i32>) {
        let mut state = self.state();
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for (partition, queue) in &mut state.open {
            let full =
                queue.records.len() >= self.limits.high || queue.bytes >= self.limits.high_bytes;
            if !queue.paused && full {
                queue.paused = true;
                pause.push(*partition);
            } else if queue.paused && !full && queue.records.len() <= self.limits.low {
                queue.paused = false;
                resume.push(*partition);
            }
        }
        (pause, resume)
    }

    /// Forgets every pause: a fresh assignment resumes all partitions.
    pub fn forget_pauses(&self) {
        for queue in self.state().open.values_mut() {
            queue.paused = false;
        }
    }

    /// The next batch for a worker; waits for one. `None`: stopping, and nothing is left to do.
    #[must_use]
    pub fn take(&self) -> Option<Batch> {
        let mut state = self.state();
        loop {
            if state.stopping {
                return None;
            }
            if state.paused {
                state = self
                    .work
                    .wait_timeout(state, Duration::from_millis(500))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            }
            let now = Instant::now();
            let wait = match ripe(&state, self.limits, now) {
                Ripe::Now(partition) => {
                    if let Some(batch) = deal(&mut state, partition, self.limits.batch) {
                        return Some(batch);
                    }
                    Duration::ZERO
                }
                Ripe::In(wait) => wait,
            };
            state = self
                .work
                .wait_timeout(state, wait.max(Duration::from_micros(200)))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// A batch was committed: everything below `next_offset` is applied. One of a held partition
    /// shows that it need not be held any more.
    pub fn applied(&self, partition: i32, epoch: i64, next_offset: i64) {
        let mut state = self.state();
        if let Some(queue) = state.open.get_mut(&partition).filter(|q| q.epoch == epoch) {
            queue.busy = false;
            queue.held = None;
            queue.next_offset = next_offset;
            state.finished.insert(partition, next_offset);
            state.reached.insert(partition, next_offset);
            state.ended_at(partition, next_offset);
        }
        drop(state);
        self.idle.notify_all();
        self.work.notify_all();
    }

    /// How far this process was in a partition when it last had it; 0: it never had it.
    #[must_use]
    pub fn reached(&self, partition: i32) -> i64 {
        let state = self.state();
        state.reached.get(&partition).copied().unwrap_or_default()
    }

    /// A batch lost its compare-and-set.
    pub fn lost(&self, partition: i32, epoch: i64, lost: Lost) {
        let mut state = self.state();
        if state.has(partition, epoch) {
            match lost {
                Lost::Evicted => state.claim_again(partition, RECLAIM_AFTER),
                Lost::Restored => state.claim_again(partition, Duration::ZERO),
                Lost::Moved(next_offset) => state.read_again(partition, next_offset),
                Lost::Held { next_offset, probe } => state.hold(partition, next_offset, probe),
            }
        }
        drop(state);
        self.idle.notify_all();
    }

    /// Whether this claim still is current: a retrying worker stops when it is not.
    #[must_use]
    pub fn owns(&self, partition: i32, epoch: i64) -> bool {
        let state = self.state();
        !state.stopping && state.has(partition, epoch)
    }

    /// Offsets finished since the last call, for the commit hint.
    pub fn take_finished(&self) -> Vec<(i32, i64)> {
        std::mem::take(&mut self.state().finished)
            .into_iter()
            .collect()
    }

    /// Whether a partition must be read again from another offset (since the last call). The
    /// caller is the thread that polls, and tells the client before it polls again: what is
    /// pushed after this call comes from the new place.
    pub fn take_seek(&self) -> bool {
        let mut state = self.state();
        for queue in state.open.values_mut() {
            queue.seeking = false;
        }
        std::mem::take(&mut state.seek)
    }

    /// Records waiting in all queues.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().open.values().map(|q| q.records.len()).sum()
    }

    /// Workers finish their batch and get no other.
    pub fn stop(&self) {
        self.state().stopping = true;
        self.work.notify_all();
    }
}

impl State {
    fn hold(&mut self, partition: i32, next_offset: i64, probe: bool) {
        self.read_again(partition, next_offset);
        let Some(queue) = self.open.get_mut(&partition) else {
            return;
        };
        if probe && queue.held.is_none() {
            return;
        }
        let tries = queue.held.map_or(0, |held| held.tries).saturating_add(1);
        self.clocks.stop(partition);
        queue.held = Some(Held {
            due: Instant::now() + shared::backoff::delay(tries, &PROBE, 1.0),
            tries,
            inherited: queue.held.is_some_and(|held| held.inherited),
        });
    }

    fn claim_again(&mut self, partition: i32, after: Duration) {
        drop(self.open.remove(&partition));
        self.clocks.stop(partition);
        self.reclaim.insert(partition, Instant::now() + after);
    }

    /// What was fetched is dropped, and the client told to read again from there.
    fn read_again(&mut self, partition: i32, next_offset: i64) {
        if let Some(queue) = self.open.get_mut(&partition) {
            queue.busy = false;
            queue.clear();
            if queue.next_offset != next_offset {
                self.clocks.stop(partition);
            }
            queue.next_offset = next_offset;
            queue.fetch_next = next_offset;
            queue.seeking = true;
        }
        self.seek = true;
    }
}

enum Ripe {
    Now(i32),
    In(Duration),
}

/// The next partition in turn whose batch is full or has waited long enough.
fn ripe(state: &State, limits: QueueLimits, now: Instant) -> Ripe {
    let mut soonest = Duration::from_millis(500);
    let after = state.open.range(state.turn.saturating_add(1)..);
    let before = state.open.range(..=state.turn);
    for (partition, queue) in after.chain(before) {
        let Some(first) = queue.records.front().filter(|_| !queue.busy) else {
            continue;
        };
        if let Some(held) = queue.held
            && held.due > now
        {
            soonest = soonest.min(held.due - now);
            continue;
        }
        let age = now.saturating_duration_since(first.arrived);
        if queue.records.len() >= limits.batch || age >= limits.linger {
            return Ripe::Now(*partition);
        }
        soonest = soonest.min(limits.linger.saturating_sub(age));
    }
    Ripe::In(soonest)
}

fn deal(state: &mut State, partition: i32, limit: usize) -> Option<Batch> {
    state.turn = partition;
    let queue = state.open.get_mut(&partition)?;
    let probe = match queue.held {
        None => Probe::No,
        Some(held) if held.inherited => Probe::MustSucceed,
        Some(_) => Probe::AskBrake,
    };
    let limit = if probe.is_probe() { 1 } else { limit };
    let count = queue.records.len().min(limit);
    let records: Vec<Record> = queue.records.drain(..count).collect();
    if records.is_empty() {
        return None;
    }
    queue.bytes = queue.records.iter().map(|record| record.value.len()).sum();
    queue.busy = true;
    Some(Batch {
        partition,
        epoch: queue.epoch,
        next_offset: queue.next_offset,
        records,
        probe,
    })
}

#[cfg(test)]
mod tests;
