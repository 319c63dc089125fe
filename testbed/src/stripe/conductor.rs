//! Plays stories: plans a lot of bookings, then carries their steps out when they are due.
//!
//! Invariant: an event's `created` is the second its plan says, not the moment at which a busy
//! machine got round to it; so one seed and one beginning give the same events, byte for byte.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::millis;
use super::delivery::dispatch;
use super::inner::Shared;
use super::lock;
use super::random::stream;
use super::story::play::{Play, Stage, request_of};
use super::story::script::plan;
use super::story::{Booking, Story};
use super::world::World;
use super::world::events::Event;

/// A lot of bookings to create.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    pub count: u64,
    /// The same story for all; none = the mix.
    pub story: Option<Story>,
    /// The beginnings are spread evenly over this many milliseconds.
    pub over_ms: u64,
    /// How much longer than usual the pauses inside a story are.
    pub stretch: u32,
    /// A connected account; none = our own.
    pub account: Option<String>,
    pub when: When,
}

/// When an order's stories happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// From now on, in real time.
    Live,
    /// Pauses at this moment until `play` is called (bookings can be registered first), then live.
    Held,
    /// All at once: the last event was a second ago.
    JustNow,
    /// All at once, beginning at this second.
    At(i64),
}

impl Default for Order {
    fn default() -> Self {
        Self {
            count: 1,
            story: None,
            over_ms: 0,
            stretch: 1,
            account: None,
            when: When::Live,
        }
    }
}

/// One step of one booking, and when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cue {
    due_ms: i64,
    play: usize,
    step: usize,
}

/// A planned order: what will happen, with times from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Score {
    cues: Vec<Cue>,
}

/// Plans the order's bookings and puts them into the world. Nothing happens yet.
pub(crate) fn prepare(inner: &Shared, order: &Order) -> (Vec<Booking>, Score) {
    let mut world = lock(&inner.world);
    let mut score = Score::default();
    let mut bookings = Vec::new();
    let over = i64::try_from(order.over_ms).unwrap_or(i64::MAX);
    let count = i64::try_from(order.count.max(1)).unwrap_or(i64::MAX);
    for index in 0..order.count {
        world.planned += 1;
        let plan = plan(
            inner.config.seed,
            world.planned,
            order.story,
            order.account.as_deref(),
            order.stretch,
        );
        let begins = i64::try_from(index)
            .unwrap_or(i64::MAX)
            .saturating_mul(over)
            / count;
        let play = world.plays.len();
        score
            .cues
            .extend(plan.steps.iter().enumerate().map(|(step, cue)| Cue {
                due_ms: begins.saturating_add(cue.at_ms),
                play,
                step,
            }));
        bookings.push(plan.booking.clone());
        world.plays.push(Play::new(plan));
    }
    score.cues.sort_unstable();
    (bookings, score)
}

/// Plays a score: at once for the past, else in a task of its own.
pub(crate) fn perform(inner: &Shared, score: Score, when: When) {
    let now_ms = inner.clock.now_ms();
    let length = score.cues.last().map_or(0, |cue| cue.due_ms);
    let begin_ms = match when {
        When::Live | When::Held => {
            let inner = Arc::clone(inner);
            let shared = Arc::clone(&inner);
            inner
                .runtime
                .spawn(async move { live(&shared, score, now_ms).await });
            return;
        }
        When::JustNow => now_ms
            .saturating_sub(length)
            .saturating_sub(millis(Duration::from_secs(1))),
        When::At(second) => second.saturating_mul(1000),
    };
    for cue in &score.cues {
        for event in act(inner, cue, begin_ms) {
            dispatch(inner, event);
        }
    }
}

async fn live(inner: &Shared, score: Score, begin_ms: i64) {
    for cue in &score.cues {
        inner
            .clock
            .sleep_until(begin_ms.saturating_add(cue.due_ms))
            .await;
        for event in act(inner, cue, begin_ms) {
            dispatch(inner, event);
        }
    }
}

fn act(inner: &Shared, cue: &Cue, begin_ms: i64) -> Vec<Arc<Event>> {
    let mut world = lock(&inner.world);
    let Some(mut play) = world.plays.get(cue.play).cloned() else {
        return Vec::new();
    };
    let Some(step) = play.plan.steps.get(cue.step).cloned() else {
        return Vec::new();
    };
    let faults = lock(&inner.faults).clone();
    let purpose = format!("request/{}/{}", play.plan.booking.id, cue.step);
    let mut stage = Stage {
        now_s: begin_ms.saturating_add(cue.due_ms).div_euclid(1000),
        seed: inner.config.seed,
        livemode: inner.config.livemode,
        faults: &faults,
        events: Vec::new(),
        request: request_of(&step.action, &mut stream(inner.config.seed, &purpose)),
        world: &mut world,
        play: &mut play,
    };
    if let Err(error) = stage.act(&step.action) {
        inner.illegal_steps.fetch_add(1, Ordering::Relaxed);
        eprintln!("fake stripe: {}: {error}", stage.play.plan.booking.id);
    }
    let events = stage.events;
    play.done += 1;
    put_back(&mut world, cue.play, play);
    events
}

fn put_back(world: &mut World, index: usize, play: Play) {
    if let Some(slot) = world.plays.get_mut(index) {
        *slot = play;
    }
}
