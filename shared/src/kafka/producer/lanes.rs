//! Which of several clients takes the next record: one sends at once, the others wait a moment for
//! company.
//!
//! No fixed wait is best everywhere. Few records in flight: waiting only adds to each answer. Many,
//! and brokers that are busy or far apart: fewer and larger requests make room for more records.
//! Where the border lies depends on machines that nobody described to us, so it is measured: while
//! several are in flight, the other lanes are tried for a moment now and then, and the one with the
//! highest rate, or at the same rate the quickest acknowledgements, is used. Records of one key may
//! so travel in several lanes and overtake each other: folding makes that harmless.
//!
//! What comes next is decided by [`choice::Memory`], a pure function; this counts.

mod choice;
mod recent;
mod seen;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) use choice::Lane;
use choice::Memory;
use seen::Seen;

/// How long a lane is used before the choice is thought over.
const SLICE: Duration = Duration::from_millis(100);
/// A trial lasts so many times as long: what is acknowledged late must be seen, too.
const TRIAL: u32 = 3;

/// Counts, and switches between slices.
#[derive(Debug)]
pub(super) struct Lanes {
    began: Instant,
    /// When the slice ends, microseconds after `began`.
    ends_us: AtomicU64,
    /// The lane in use: its wait, milliseconds.
    linger_ms: AtomicU8,
    /// Records on their way.
    in_flight: AtomicU64,
    /// Records of this slice that are not on their way any more, how many of them are not stored,
    /// and how long all of them took, microseconds.
    ended: AtomicU64,
    failed: AtomicU64,
    took_us: AtomicU64,
    memory: Mutex<(Memory, Slice)>,
}

/// When a slice began, and how long it should last.
#[derive(Debug, Clone, Copy)]
struct Slice {
    began: Instant,
    planned: Duration,
}

/// A record on its way, until this is dropped.
#[derive(Debug)]
pub(super) struct OnItsWay<'a> {
    lanes: &'a Lanes,
    since_us: u64,
    stored: bool,
}

impl OnItsWay<'_> {
    /// It was reported on; `stored`: the broker has it.
    pub(super) fn reported(mut self, stored: bool) {
        self.stored = stored;
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        let (lanes, now_us) = (self.lanes, self.lanes.now_us());
        let took_us = now_us.saturating_sub(self.since_us);
        lanes.took_us.fetch_add(took_us, Ordering::Relaxed);
        lanes.ended.fetch_add(1, Ordering::Relaxed);
        if !self.stored {
            lanes.failed.fetch_add(1, Ordering::Relaxed);
        }
        lanes.in_flight.fetch_sub(1, Ordering::Relaxed);
        lanes.look(now_us);
    }
}

impl Lanes {
    pub(super) fn new() -> Self {
        let began = Instant::now();
        let first = Slice {
            began,
            planned: SLICE,
        };
        Self {
            began,
            ends_us: AtomicU64::new(micros(SLICE)),
            linger_ms: AtomicU8::new(0),
            in_flight: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            took_us: AtomicU64::new(0),
            memory: Mutex::new((Memory::NEW, first)),
        }
    }

    /// The lane that takes the next record, and its place among those on their way.
    pub(super) fn enter(&self) -> (Lane, OnItsWay<'_>) {
        let since_us = self.now_us();
        // Here, too: a lane that hangs reports nothing.
        self.look(since_us);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let linger_ms = self.linger_ms();
        let mut lanes = Lane::ALL.into_iter();
        let lane = lanes.find(|lane| lane.linger_ms() == linger_ms);
        let on_its_way = OnItsWay {
            lanes: self,
            since_us,
            stored: false,
        };
        (lane.unwrap_or(Lane::AtOnce), on_its_way)
    }

    /// How long a record waits for company now, at most; milliseconds.
    pub(super) fn linger_ms(&self) -> u8 {
        self.linger_ms.load(Ordering::Relaxed)
    }

    fn now_us(&self) -> u64 {
        micros(self.began.elapsed())
    }

    /// One of those who come after a slice's end thinks the choice over; the others see no end.
    fn look(&self, now_us: u64) {
        let ends = self.ends_us.load(Ordering::Relaxed);
        let swap = |never| {
            self.ends_us
                .compare_exchange(ends, never, Ordering::Relaxed, Ordering::Relaxed)
        };
        if now_us >= ends && swap(u64::MAX).is_ok() {
            self.think();
        }
    }

    /// How many records have ended in this slice, and how many of them are stored; counts anew.
    fn take_counts(&self) -> (u32, u32) {
        let take = |count: &AtomicU64| {
            let count = count.swap(0, Ordering::Relaxed);
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let ended = take(&self.ended);
        (ended, ended.saturating_sub(take(&self.failed)))
    }

    fn think(&self) {
        let (ended, stored) = self.take_counts();
        let took = Duration::from_micros(self.took_us.swap(0, Ordering::Relaxed));
        let mut guard = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (memory, slice) = &mut *guard;
        let lasted = slice.began.elapsed();
        let waiting = self.in_flight.load(Ordering::Relaxed);
        let seen = Seen {
            // Over the time, not over the records: ten that come together are not ten always.
            in_flight: match ended {
                0 => f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)),
                _ => took.as_secs_f64() / lasted.as_secs_f64(),
            },
            rate: f64::from(stored) / lasted.as_secs_f64(),
        };
        let lane = memory.next(seen, lasted < slice.planned * 2);
        slice.began = Instant::now();
        slice.planned = if memory.is_trial() {
            SLICE * TRIAL
        } else {
            SLICE
        };
        let ends = self.began.elapsed().saturating_add(slice.planned);
        drop(guard);
        self.linger_ms.store(lane.linger_ms(), Ordering::Relaxed);
        self.ends_us.store(micros(ends), Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_or_given_up_has_ended_and_is_not_stored() {
        let lanes = Lanes::new();
        let enter = || lanes.enter().1;
        enter().reported(true);
        enter().reported(false);
        drop(enter());
        let waiting = enter();
        assert_eq!(lanes.take_counts(), (3, 1));
        assert_eq!(lanes.in_flight.load(Ordering::Relaxed), 1);
        waiting.reported(true);
        assert_eq!(lanes.take_counts(), (1, 1));
    }
}
