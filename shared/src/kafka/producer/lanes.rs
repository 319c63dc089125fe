//! Which of two clients takes the next record: the one that sends at once, or the one that waits
//! a moment for company.
//!
//! No fixed wait is best everywhere. Few records in flight: waiting only adds to each answer. Many,
//! and brokers whose processors are busy: fewer and larger requests make room for more records.
//! Where the border lies depends on machines that nobody described to us, so it is measured: while
//! many are in flight, the other lane is tried for a moment now and then, and the one with the
//! quicker acknowledgements is used. (In a closed loop quicker acknowledgements *are* the higher
//! rate.) Records of one key may so travel in either lane and overtake each other: folding makes
//! that harmless.
//!
//! What comes next is decided by [`Memory::next`], a pure function; the rest counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a lane is used before the choice is thought over.
const SLICE: Duration = Duration::from_millis(100);
/// Records in flight below which waiting for company cannot pay.
const FEW: f64 = 24.0;
/// A trial lasts so many slices: what is acknowledged late must be seen, too.
const TRIAL: u32 = 3;
/// Slices between two trials of the other lane while both are about as quick.
const TRY_EVERY: u32 = 60;
/// … and while it is clearly the slower one.
const TRY_SELDOM: u32 = 240;
/// Clearly slower: by this factor.
const CLEARLY: f64 = 1.25;
/// The other lane must be quicker by this factor to be taken.
const BETTER: f64 = 0.95;
/// Weight of the newest slice in a lane's mean.
const NEWEST: f64 = 0.4;

/// A client that records are handed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Sends at once.
    Quick,
    /// Waits a moment for company.
    Batching,
}

impl Lane {
    const fn other(self) -> Self {
        match self {
            Self::Quick => Self::Batching,
            Self::Batching => Self::Quick,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Quick => 0,
            Self::Batching => 1,
        }
    }
}

/// What one slice showed of a lane.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    acks: u32,
    waited: Duration,
}

impl Slice {
    /// Mean time to the acknowledgement, seconds; none: too few to tell.
    fn mean(self) -> Option<f64> {
        (self.acks >= 8).then(|| self.waited.as_secs_f64() / f64::from(self.acks))
    }
}

/// What is remembered from slice to slice.
#[derive(Debug, Clone, Copy)]
struct Memory {
    best: Lane,
    /// Mean time to the acknowledgement, seconds.
    means: (Option<f64>, Option<f64>),
    trying: bool,
    slices_since_trial: u32,
}

impl Memory {
    const NEW: Self = Self {
        best: Lane::Quick,
        means: (None, None),
        trying: false,
        slices_since_trial: 0,
    };

    fn mean(&self, lane: Lane) -> Option<f64> {
        match lane {
            Lane::Quick => self.means.0,
            Lane::Batching => self.means.1,
        }
    }

    fn learn(&mut self, lane: Lane, slice: Slice) {
        let place = match lane {
            Lane::Quick => &mut self.means.0,
            Lane::Batching => &mut self.means.1,
        };
        if let Some(newest) = slice.mean() {
            *place = Some(place.map_or(newest, |old| old + NEWEST * (newest - old)));
        }
    }

    /// The lane of the next slice. `slices`: of the quick and the batching lane; `lasted`: how
    /// long they took.
    fn next(&mut self, slices: (Slice, Slice), lasted: Duration) -> Lane {
        let waited = slices.0.waited.saturating_add(slices.1.waited);
        // Little's law: records in flight = time waited by all of them for each second.
        let in_flight = waited.as_secs_f64() / lasted.as_secs_f64().max(f64::EPSILON);
        if in_flight < FEW {
            *self = Self::NEW;
            return Lane::Quick;
        }
        // Acknowledgements that were due from before the switch say little of a lane in use.
        let used = if self.trying {
            self.best.other()
        } else {
            self.best
        };
        match used {
            Lane::Quick => self.learn(used, slices.0),
            Lane::Batching => self.learn(used, slices.1),
        }
        if self.trying {
            self.trying = false;
            self.slices_since_trial = 0;
        }
        let other = self.best.other();
        let ratio = self
            .mean(other)
            .zip(self.mean(self.best))
            .map(|(other, best)| other / best);
        if ratio.is_some_and(|ratio| ratio < BETTER) {
            self.best = other;
            return other;
        }
        let pause = match ratio {
            None => 1,
            Some(ratio) if ratio > CLEARLY => TRY_SELDOM,
            Some(_) => TRY_EVERY,
        };
        self.slices_since_trial = self.slices_since_trial.saturating_add(1);
        if self.slices_since_trial >= pause {
            self.trying = true;
            return other;
        }
        self.best
    }
}

/// Counts, and switches between slices.
#[derive(Debug)]
pub(super) struct Lanes {
    began: Instant,
    /// When the slice ends, microseconds after `began`.
    ends_us: AtomicU64,
    lane: AtomicUsize,
    acks: [AtomicU64; 2],
    waited_us: [AtomicU64; 2],
    memory: Mutex<(Memory, Instant)>,
}

impl Lanes {
    pub(super) fn new() -> Self {
        let began = Instant::now();
        Self {
            began,
            ends_us: AtomicU64::new(micros(SLICE)),
            lane: AtomicUsize::new(Lane::Quick.index()),
            acks: Default::default(),
            waited_us: Default::default(),
            memory: Mutex::new((Memory::NEW, began)),
        }
    }

    /// The lane that takes the next record.
    pub(super) fn lane(&self) -> Lane {
        if self.lane.load(Ordering::Relaxed) == Lane::Quick.index() {
            Lane::Quick
        } else {
            Lane::Batching
        }
    }

    /// A record that went by `lane` was reported on after `waited`.
    pub(super) fn reported(&self, lane: Lane, waited: Duration) {
        let add = |counters: &[AtomicU64; 2], more: u64| {
            let [quick, batching] = counters;
            let counter = match lane {
                Lane::Quick => quick,
                Lane::Batching => batching,
            };
            counter.fetch_add(more, Ordering::Relaxed);
        };
        add(&self.acks, 1);
        add(&self.waited_us, micros(waited));
        let ends = self.ends_us.load(Ordering::Relaxed);
        let now = micros(self.began.elapsed());
        let next = now.saturating_add(micros(SLICE));
        // One of those who come after its end thinks the choice over.
        if now >= ends
            && self
                .ends_us
                .compare_exchange(ends, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.think();
        }
    }

    fn think(&self) {
        let slice = |acks: &AtomicU64, waited: &AtomicU64| Slice {
            acks: u32::try_from(acks.swap(0, Ordering::Relaxed)).unwrap_or(u32::MAX),
            waited: Duration::from_micros(waited.swap(0, Ordering::Relaxed)),
        };
        let ([quick_acks, batching_acks], [quick_waited, batching_waited]) =
            (&self.acks, &self.waited_us);
        let slices = (
            slice(quick_acks, quick_waited),
            slice(batching_acks, batching_waited),
        );
        let mut guard = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (memory, began) = &mut *guard;
        let lasted = began.elapsed();
        *began = Instant::now();
        let lane = memory.next(slices, lasted);
        let trying = memory.trying;
        drop(guard);
        if trying {
            let ends = self.began.elapsed().saturating_add(SLICE * TRIAL);
            self.ends_us.store(micros(ends), Ordering::Relaxed);
        }
        self.lane.store(lane.index(), Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slice of 100 ms in which `in_flight` records always waited `mean` for each report.
    fn slice(in_flight: u32, mean: Duration) -> Slice {
        let acks = (f64::from(in_flight) * 0.1 / mean.as_secs_f64()).round();
        Slice {
            acks: format!("{acks:.0}").parse().unwrap(),
            waited: SLICE * in_flight,
        }
    }

    /// Runs `slices` slices against lanes with these mean times; how many used each.
    fn run(memory: &mut Memory, slices: u32, in_flight: u32, ms: (u64, u64)) -> (u32, u32) {
        let mut used = (0, 0);
        let mut lane = Lane::Quick;
        for _ in 0..slices {
            let (quick, batching) = match lane {
                Lane::Quick => {
                    used.0 += 1;
                    let slice = slice(in_flight, Duration::from_millis(ms.0));
                    (slice, Slice::default())
                }
                Lane::Batching => {
                    used.1 += 1;
                    let slice = slice(in_flight, Duration::from_millis(ms.1));
                    (Slice::default(), slice)
                }
            };
            lane = memory.next((quick, batching), SLICE);
        }
        used
    }

    #[test]
    fn few_in_flight_never_wait_for_company() {
        assert_eq!(run(&mut Memory::NEW.clone(), 500, 23, (5, 1)), (500, 0));
    }

    #[test]
    fn the_quicker_lane_is_found_and_kept() {
        let (quick, batching) = run(&mut Memory::NEW.clone(), 500, 64, (3, 6));
        assert!(batching < 6 && quick > 490, "{quick} {batching}");
        let (quick, batching) = run(&mut Memory::NEW.clone(), 500, 64, (14, 9));
        assert!(quick < 6 && batching > 490, "{quick} {batching}");
    }

    #[test]
    fn a_change_of_the_brokers_is_noticed() {
        let mut memory = Memory::NEW;
        run(&mut memory, 100, 64, (3, 6));
        let (_, batching) = run(&mut memory, 1_000, 64, (20, 6));
        assert!(batching > 700, "{batching}");
    }

    #[test]
    fn lanes_that_are_alike_are_not_changed_all_the_time() {
        let (quick, batching) = run(&mut Memory::NEW.clone(), 400, 64, (8, 8));
        assert!(quick > 370, "{quick} {batching}");
    }
}
