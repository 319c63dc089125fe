//! What was seen of each lane, and which comes next.
//!
//! Pure: time is counted in slices, and what happened in one is handed in. Invariants: few records
//! in flight never wait for company; a lane whose wait alone is longer than what an acknowledgement
//! takes is not tried; a lane is left for one that was seen to be better, or alike and cheaper, by the
//! middle one of its last slices and not by a moment. The first slice after a change of lanes teaches
//! nothing: what was sent before it is still on its way.

use super::recent::Recent;
use super::seen::{MUCH_SLOWER, Seen, Standing};

/// How long a record waits for company: the lanes, from the shortest wait to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka::producer) enum Lane {
    /// Sent at once.
    AtOnce,
    /// Waits 5 ms.
    Short,
    /// Waits 20 ms.
    Long,
}

impl Lane {
    /// All of them.
    pub(in crate::kafka::producer) const ALL: [Self; 3] = [Self::AtOnce, Self::Short, Self::Long];

    /// Milliseconds.
    pub(in crate::kafka::producer) const fn linger_ms(self) -> u8 {
        match self {
            Self::AtOnce => 0,
            Self::Short => 5,
            Self::Long => 20,
        }
    }

    /// Name of its client, in metrics.
    pub(in crate::kafka::producer) const fn client(self) -> &'static str {
        match self {
            Self::AtOnce => "producer",
            Self::Short => "producer_short",
            Self::Long => "producer_long",
        }
    }
}

/// One value for each lane.
#[derive(Debug, Clone, Copy, Default)]
struct Each<T> {
    at_once: T,
    short: T,
    long: T,
}

impl<T> Each<T> {
    const fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::AtOnce => &self.at_once,
            Lane::Short => &self.short,
            Lane::Long => &self.long,
        }
    }

    const fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::AtOnce => &mut self.at_once,
            Lane::Short => &mut self.short,
            Lane::Long => &mut self.long,
        }
    }
}

/// Records in flight below which waiting for company cannot pay.
const FEW: f64 = 4.0;
/// Slices before a lane of which nothing is known is tried.
const TRY_SOON: u32 = 2;
/// Longest pause between trials, slices. A trial takes four: of a hundred answers less than one
/// comes from a lane that is only tried.
const TRY_SELDOM: u32 = 600;
/// What a record waits for company of the longest wait: those that come later wait less.
const ON_AVERAGE: f64 = 0.6;
/// What is known of a lane.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    recent: Recent,
    /// How often it was tried under this load.
    trials: u32,
}

/// What is remembered from slice to slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    best: Lane,
    known: Each<Option<Known>>,
    /// The lane in use.
    lane: Lane,
    /// It was changed at the end of the last slice.
    settling: bool,
    /// It is only tried.
    trying: bool,
    slices_since_trial: u32,
}

impl Memory {
    pub(super) const NEW: Self = Self {
        best: Lane::AtOnce,
        known: Each {
            at_once: None,
            short: None,
            long: None,
        },
        lane: Lane::AtOnce,
        settling: true,
        trying: false,
        slices_since_trial: 0,
    };

    /// Whether the slice that was decided last is a trial that will be judged.
    pub(super) const fn is_trial(&self) -> bool {
        self.trying && !self.settling
    }

    /// The lane of the next slice, after one that showed `now`; `lasting`: it was not
    /// interrupted by a silence, after which the rate says nothing of the lane.
    pub(super) fn next(&mut self, now: Seen, lasting: bool) -> Lane {
        if now.in_flight < FEW {
            // What comes after may be another load, and too like the last to be told apart.
            *self = Self {
                settling: self.lane != Lane::AtOnce,
                ..Self::NEW
            };
            return self.lane;
        }
        let settling = std::mem::take(&mut self.settling);
        if settling && !(self.trying && self.is_hopeless(now)) {
            return self.lane;
        }
        if self.trying {
            self.slices_since_trial = 0;
            if lasting || self.is_hopeless(now) {
                self.learn(now);
                self.judge();
            }
            return self.take(self.best, false);
        }
        if !lasting {
            return self.lane;
        }
        self.learn(now);
        self.slices_since_trial = self.slices_since_trial.saturating_add(1);
        match self.next_trial() {
            Some((other, pause)) if self.slices_since_trial >= pause => self.take(other, true),
            Some(_) | None => self.lane,
        }
    }

    /// Whether the lane that was tried is the best from now on.
    fn judge(&mut self) {
        // Of two that are alike, fewer and larger requests cost everybody less.
        let saves = self.lane.linger_ms() > self.best.linger_ms();
        match self.standing(self.lane) {
            Some(Standing::Better) => self.best = self.lane,
            Some(Standing::Alike) if saves => self.best = self.lane,
            Some(Standing::Alike | Standing::Worse | Standing::MuchWorse) | None => {}
        }
    }

    fn take(&mut self, lane: Lane, trying: bool) -> Lane {
        self.settling = lane != self.lane;
        self.lane = lane;
        self.trying = trying;
        lane
    }

    /// The lane to be tried next, and after how many slices: of those that can pay, the one of
    /// which least is known.
    fn next_trial(&self) -> Option<(Lane, u32)> {
        let takes_ms = (*self.known.of(self.best))?.recent.middle().mean() * 1_000.0;
        let lanes = Lane::ALL.into_iter().filter(|lane| *lane != self.best);
        let can_pay = lanes.filter(|lane| f64::from(lane.linger_ms()) * ON_AVERAGE < takes_ms);
        let with_pause = can_pay.map(|lane| (lane, self.pause(lane)));
        with_pause.min_by_key(|(lane, pause)| (*pause, std::cmp::Reverse(lane.linger_ms())))
    }

    /// A trial that goes so badly is given up: others wait meanwhile.
    fn is_hopeless(&self, now: Seen) -> bool {
        let best = *self.known.of(self.best);
        best.is_some_and(|best| now.mean() > best.recent.middle().mean() * MUCH_SLOWER)
    }

    /// Slices between two trials, the next of which is of `other`. One trial is easily mistaken:
    /// the first ones follow each other soon, later ones seldom.
    fn pause(&self, other: Lane) -> u32 {
        let trials = self.known.of(other).map_or(0, |known| known.trials.min(8));
        match self.standing(other) {
            None => TRY_SOON,
            // It was not, when it was tried: the best has become slower since.
            Some(Standing::Better) => TRY_SOON << trials.min(2),
            Some(Standing::Alike | Standing::Worse) => (4 << trials << trials).min(TRY_SELDOM),
            Some(Standing::MuchWorse) => (20 << trials << trials).min(TRY_SELDOM),
        }
    }

    /// Of the lane in use.
    fn learn(&mut self, now: Seen) {
        let trying = self.trying;
        let known = self.known.of_mut(self.lane);
        let before = known.filter(|before| !before.recent.middle().is_of_another_load(now));
        let trials = before.map_or(0, |before| before.trials);
        *known = Some(Known {
            // A trial is longer than a slice, and the last one may be long ago.
            recent: match before {
                Some(before) if !trying => before.recent.and(now),
                Some(_) | None => Recent::new(now),
            },
            trials: trials.saturating_add(u32::from(trying)),
        });
    }

    /// A lane beside the best; none: it is not known under this load.
    fn standing(&self, other: Lane) -> Option<Standing> {
        let best = (*self.known.of(self.best))?.recent.middle();
        let other = (*self.known.of(other))?.recent.middle();
        (!other.is_of_another_load(best)).then(|| other.beside(best))
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::{closed, open};
    use super::*;

    /// Runs so many slices; how many used each lane.
    fn run(memory: &mut Memory, slices: u32, seen: impl Fn(Lane) -> Seen) -> [u32; 3] {
        let mut used = Each::default();
        let mut lane = Lane::AtOnce;
        for _ in 0..slices {
            *used.of_mut(lane) += 1;
            lane = memory.next(seen(lane), true);
        }
        [used.at_once, used.short, used.long]
    }

    /// Mean times of the lanes, milliseconds.
    fn times(at_once: f64, short: f64, long: f64) -> impl Fn(Lane) -> f64 {
        let each = Each {
            at_once,
            short,
            long,
        };
        move |lane| *each.of(lane)
    }

    #[test]
    fn few_in_flight_never_wait_for_company() {
        let mut memory = Memory::NEW;
        let used = run(&mut memory, 500, |_| closed(3.9, 5.0));
        assert_eq!(used, [500, 0, 0]);
    }

    #[test]
    fn the_quickest_lane_is_found_and_kept() {
        for (means, best) in [
            ((3.0, 6.0, 21.0), 0),
            ((14.0, 9.0, 24.0), 1),
            ((72.0, 35.0, 26.0), 2),
        ] {
            let mean = times(means.0, means.1, means.2);
            let waiting = |lane| closed(64.0, mean(lane));
            let used = run(&mut Memory::NEW.clone(), 1_000, waiting);
            assert!(used[best] > 950, "{means:?}: {used:?}");
            let sending = |lane| open(9_000.0, mean(lane));
            let used = run(&mut Memory::NEW.clone(), 1_000, sending);
            assert!(used[best] > 950, "{means:?}: {used:?}");
        }
    }

    #[test]
    fn a_lane_whose_wait_alone_is_too_long_is_never_tried() {
        let mean = times(2.9, 1.0, 1.0);
        let used = run(&mut Memory::NEW.clone(), 500, |lane| {
            closed(64.0, mean(lane))
        });
        assert_eq!(used, [500, 0, 0]);
        let mean = times(9.0, 8.9, 1.0);
        let used = run(&mut Memory::NEW.clone(), 500, |lane| {
            closed(64.0, mean(lane))
        });
        assert!(used[1] > 5 && used[2] == 0, "{used:?}");
    }

    #[test]
    fn where_the_rate_differs_it_counts_and_not_the_mean() {
        // Two processors are busy: larger requests take longer and leave more time for others.
        let busy = |lane: Lane| match lane {
            Lane::AtOnce => closed(95.0, 5.5),
            Lane::Short => closed(205.0, 9.0),
            Lane::Long => closed(205.0, 21.0),
        };
        let used = run(&mut Memory::NEW.clone(), 1_000, busy);
        assert!(used[1] > 950, "{used:?}");
    }

    #[test]
    fn a_change_of_the_brokers_is_noticed() {
        let mut memory = Memory::NEW;
        let mean = times(3.0, 6.0, 21.0);
        run(&mut memory, 100, |lane| closed(64.0, mean(lane)));
        let mean = times(60.0, 35.0, 26.0);
        let used = run(&mut memory, 1_000, |lane| closed(64.0, mean(lane)));
        assert!(used[2] > 600, "{used:?}");
    }

    #[test]
    fn a_lane_that_seemed_worse_by_mistake_is_found_soon() {
        let mut memory = Memory::NEW;
        let disturbed = times(14.0, 20.0, 60.0);
        let used = run(&mut memory, 12, |lane| closed(64.0, disturbed(lane)));
        assert!(used[1] > 0 && memory.best == Lane::AtOnce, "{used:?}");
        let mean = times(14.0, 9.0, 60.0);
        let used = run(&mut memory, 60, |lane| closed(64.0, mean(lane)));
        assert!(used[1] > 40, "{used:?}");
    }

    #[test]
    fn another_load_is_learnt_anew_at_once() {
        let mut memory = Memory::NEW;
        let mean = times(72.0, 35.0, 26.0);
        run(&mut memory, 300, |lane| closed(256.0, mean(lane)));
        let mean = times(2.0, 6.0, 21.0);
        let used = run(&mut memory, 100, |lane| closed(8.0, mean(lane)));
        assert!(used[0] > 80, "{used:?}");
        // What was seen of a lane under little load says nothing of it under much.
        let mut memory = Memory::NEW;
        let mean = times(14.0, 30.0, 60.0);
        run(&mut memory, 20, |lane| open(500.0, mean(lane)));
        let mean = times(72.0, 35.0, 26.0);
        let used = run(&mut memory, 60, |lane| closed(256.0, mean(lane)));
        assert!(used[2] > 40, "{used:?}");
    }

    #[test]
    fn of_lanes_that_are_alike_the_longer_is_kept() {
        let mean = times(8.0, 8.5, 21.0);
        let used = run(&mut Memory::NEW.clone(), 400, |lane| {
            closed(64.0, mean(lane))
        });
        assert!(used[1] > 386 && used[2] == 0, "{used:?}");
    }

    #[test]
    fn a_trial_that_begins_badly_is_given_up_at_once() {
        let mean = times(9.0, 18.1, 30.0);
        let mut memory = Memory::NEW;
        let used = run(&mut memory, 60, |lane| closed(64.0, mean(lane)));
        assert_eq!(used, [59, 1, 0]);
        let mean = times(9.0, 17.9, 30.0);
        let mut memory = Memory::NEW;
        let used = run(&mut memory, 12, |lane| closed(64.0, mean(lane)));
        assert_eq!(used, [10, 2, 0]);
    }

    #[test]
    fn an_interruption_teaches_nothing_and_few_in_flight_begin_anew() {
        let mut memory = Memory::NEW;
        let mean = times(14.0, 9.0, 24.0);
        run(&mut memory, 300, |lane| closed(64.0, mean(lane)));
        let before = memory.known;
        assert_eq!(memory.next(closed(64.0, 5_000.0), false), Lane::Short);
        assert_eq!(memory.known.short, before.short);
        assert_eq!(memory.next(closed(1.0, 9.0), true), Lane::AtOnce);
        assert!(memory.known.short.is_none() && memory.best == Lane::AtOnce);
    }

    #[test]
    fn an_interrupted_trial_is_no_trial_but_one_that_hangs_is() {
        let trying = || {
            let mut memory = Memory::NEW;
            let mut lane = Lane::AtOnce;
            let began = (0..9).any(|_| {
                let mean = if lane == Lane::AtOnce { 9.0 } else { 10.0 };
                lane = memory.next(closed(64.0, mean), true);
                memory.is_trial()
            });
            assert!(began && lane == Lane::Short);
            memory
        };
        let mut idle = trying();
        assert_eq!(idle.next(closed(20.0, 9.0), false), Lane::AtOnce);
        assert!(idle.known.short.is_none());
        let mut hanging = trying();
        let nothing = Seen {
            in_flight: 64.0,
            rate: 0.0,
        };
        assert_eq!(hanging.next(nothing, false), Lane::AtOnce);
        assert!(hanging.known.short.is_some_and(|known| known.trials == 1));
    }

    #[test]
    fn a_lane_that_acknowledges_nothing_is_left_and_seldom_tried() {
        let mut memory = Memory::NEW;
        let used = run(&mut memory, 1_000, |lane| match lane {
            Lane::AtOnce => closed(64.0, 9.0),
            Lane::Short | Lane::Long => Seen {
                in_flight: 64.0,
                rate: 0.0,
            },
        });
        assert!(used[0] > 990, "{used:?}");
    }

    #[test]
    fn a_moment_in_which_everything_is_slow_makes_no_lane_the_better_one() {
        // Two slices in twenty-three: a pause of the broker's, or of the machine's. The longer lane is
        // the better one, alike, or the worse one; a trial that meets a pause is repeated late.
        for (means, best) in [((8.5, 7.2), 1), ((7.6, 7.3), 1), ((7.6, 13.0), 0)] {
            for (slowed, shift) in (0..46).map(|n| (if n < 23 { 2.0 } else { 5.0 }, n)) {
                let slice = std::cell::Cell::new(shift);
                let seen = |lane| {
                    slice.set(slice.get() + 1);
                    let factor = if slice.get() % 23 < 2 { slowed } else { 1.0 };
                    closed(220.0, times(means.0, means.1, 24.0)(lane) * factor)
                };
                let used = run(&mut Memory::NEW.clone(), 1_000, seen);
                assert!(used[best] > 850, "{means:?} {slowed} {shift}: {used:?}");
            }
        }
    }
}
