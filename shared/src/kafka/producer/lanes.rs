//! Which of several clients takes the next record: one sends at once, the others wait a moment for
//! company.
//!
//! No fixed wait is best everywhere. Few records in flight: waiting only adds to each answer. Many,
//! and brokers that are busy or far apart: fewer and larger requests make room for more records.
//! Where the border lies depends on machines that nobody described to us, so it is measured: while
//! several are in flight, the other lanes are tried for a moment now and then, and the one with the
//! quickest acknowledgements is used. (In a closed loop quicker acknowledgements *are* the
//! higher rate.) Records of one key may so travel in several lanes and overtake each other: folding
//! makes that harmless.
//!
//! What comes next is decided by [`choice::Memory`], a pure function; this counts.

mod choice;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) use choice::Lane;
use choice::{Memory, Seen};

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
    in_flight: AtomicU64,
    acks: AtomicU64,
    /// Records that were reported on in this slice, and the sum of those in flight at each report.
    reports: AtomicU64,
    in_flight_sum: AtomicU64,
    memory: Mutex<(Memory, Slice)>,
}

/// When a slice began, and how long it should last.
#[derive(Debug, Clone, Copy)]
struct Slice {
    began: Instant,
    planned: Duration,
}

/// A record on its way; it is counted until this is dropped.
#[derive(Debug)]
pub(super) struct OnItsWay<'a>(&'a Lanes);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl OnItsWay<'_> {
    /// It was reported on; `stored`: the broker has it.
    pub(super) fn reported(self, stored: bool) {
        let lanes = self.0;
        let in_flight = lanes.in_flight.load(Ordering::Relaxed);
        lanes.in_flight_sum.fetch_add(in_flight, Ordering::Relaxed);
        lanes.reports.fetch_add(1, Ordering::Relaxed);
        if stored {
            lanes.acks.fetch_add(1, Ordering::Relaxed);
        }
        let ends = lanes.ends_us.load(Ordering::Relaxed);
        let now = micros(lanes.began.elapsed());
        // One of those who come after its end thinks the choice over; the others see no end.
        let one = || {
            let never = u64::MAX;
            lanes
                .ends_us
                .compare_exchange(ends, never, Ordering::Relaxed, Ordering::Relaxed)
        };
        if now >= ends && one().is_ok() {
            lanes.think();
        }
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
            acks: AtomicU64::new(0),
            reports: AtomicU64::new(0),
            in_flight_sum: AtomicU64::new(0),
            memory: Mutex::new((Memory::NEW, first)),
        }
    }

    /// The lane that takes the next record, and its place among those in flight.
    pub(super) fn enter(&self) -> (Lane, OnItsWay<'_>) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let linger_ms = self.linger_ms.load(Ordering::Relaxed);
        let mut lanes = Lane::ALL.into_iter();
        let lane = lanes.find(|lane| lane.linger_ms() == linger_ms);
        (lane.unwrap_or(Lane::AtOnce), OnItsWay(self))
    }

    fn think(&self) {
        let take = |count: &AtomicU64| {
            let count = count.swap(0, Ordering::Relaxed);
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let (acks, reports) = (take(&self.acks), take(&self.reports));
        let sum = take(&self.in_flight_sum);
        let mut guard = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (memory, slice) = &mut *guard;
        let lasted = slice.began.elapsed();
        let seen = Seen {
            in_flight: f64::from(sum) / f64::from(reports.max(1)),
            rate: f64::from(acks) / lasted.as_secs_f64(),
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
