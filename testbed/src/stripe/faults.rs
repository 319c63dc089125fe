//! What goes wrong on the way: faults of deliveries and of API answers.
//!
//! Invariant: what happens to one event's delivery is decided by the seed and the event's id
//! alone, so the same run has the same faults whatever the threads do. Which attempt meets which
//! answer of the receiver is not ours to decide.

use std::collections::VecDeque;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::random::{chance, stream};

/// Shares (0.0 to 1.0) of deliveries that meet each fault. They are independent of each other,
/// except that a lost event meets nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Never delivered, not even once; still listed by the API.
    pub lost: f64,
    /// Delivered `late_ms` after it was due.
    pub late: f64,
    pub late_ms: u64,
    /// Delivered at least twice: at the same moment, or again after a 2xx.
    pub duplicated: f64,
    /// Held back for a random time of up to `reorder_window_ms`.
    pub reordered: f64,
    pub reorder_window_ms: u64,
    /// The first answer is thrown away and taken for a failure, so it is delivered again.
    pub answered_but_lost: f64,
    /// Becomes visible to List Events this much after its `created`.
    pub visible_late: f64,
    pub visible_late_ms: u64,
    /// Two event objects, with two ids, for one change.
    pub twins: f64,
    /// A thin event beside the snapshot event, for the same change.
    pub thin: f64,
    /// Stripe cannot make the event: it is neither delivered nor listed, and later a thin event
    /// names the object that it would have been about.
    pub ungenerated: f64,
    /// A `v0` beside the `v1`s, as on Stripe's test events.
    pub v0_noise: bool,
}

/// How an event is delivered again although once was enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicate {
    No,
    /// Two requests at the same moment.
    Concurrent,
    /// Again, after a 2xx was seen.
    Afterwards,
}

/// What was decided for one event's delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fate {
    pub lost: bool,
    pub hold_ms: u64,
    pub late: bool,
    pub reordered: bool,
    pub duplicate: Duplicate,
    pub answer_lost: bool,
}

impl Faults {
    /// The decision for one event: a function of the seed, the event's id and these shares.
    pub fn decide(&self, seed: u64, event_id: &str) -> Fate {
        let mut random = stream(seed, &format!("delivery/{event_id}"));
        // All draws are made always, so that changing one share moves no other decision.
        let lost = chance(&mut random, self.lost);
        let late = chance(&mut random, self.late);
        let reordered = chance(&mut random, self.reordered);
        let shuffled_ms = random.random_range(0..=self.reorder_window_ms);
        let duplicated = chance(&mut random, self.duplicated);
        let concurrent = chance(&mut random, 0.5);
        let answer_lost = chance(&mut random, self.answered_but_lost);
        Fate {
            lost,
            hold_ms: if late { self.late_ms } else { 0 } + if reordered { shuffled_ms } else { 0 },
            late,
            reordered,
            duplicate: match (duplicated, concurrent) {
                (false, _) => Duplicate::No,
                (true, true) => Duplicate::Concurrent,
                (true, false) => Duplicate::Afterwards,
            },
            answer_lost,
        }
    }

    /// How long after its `created` the event stays invisible to the API, in milliseconds.
    pub(crate) fn invisible_ms(&self, seed: u64, event_id: &str) -> u64 {
        let mut random = stream(seed, &format!("visible/{event_id}"));
        if chance(&mut random, self.visible_late) {
            self.visible_late_ms
        } else {
            0
        }
    }

    pub(crate) fn thin(&self, seed: u64, event_id: &str) -> bool {
        chance(&mut stream(seed, &format!("thin/{event_id}")), self.thin)
    }

    pub(crate) fn ungenerated(&self, seed: u64, event_id: &str) -> bool {
        let mut random = stream(seed, &format!("ungenerated/{event_id}"));
        chance(&mut random, self.ungenerated)
    }

    pub(crate) fn twin(&self, seed: u64, event_id: &str) -> bool {
        chance(&mut stream(seed, &format!("twin/{event_id}")), self.twins)
    }
}

/// One answer that the API gives instead of the right one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiFault {
    /// 429, 409, 500, 503, …; 200: the right answer, in a broken way (below).
    #[serde(default = "ok")]
    pub status: u16,
    /// `Stripe-Rate-Limited-Reason`, on a 429.
    #[serde(default)]
    pub rate_limited_reason: Option<String>,
    /// `Stripe-Should-Retry`.
    #[serde(default)]
    pub should_retry: Option<bool>,
    /// `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after_s: Option<u32>,
    /// The answer comes this much later, in milliseconds.
    #[serde(default)]
    pub slow_ms: u64,
    /// The connection ends before the answer does.
    #[serde(default)]
    pub cut: Option<Cut>,
    /// A list answers with the page that the list before it answered with.
    #[serde(default)]
    pub repeats_page: bool,
    /// Only an answer to a request that writes; reads before it are answered as they should be.
    #[serde(default)]
    pub writes: bool,
    /// How many answers in a row.
    #[serde(default = "once")]
    pub times: u32,
}

/// Where an answer ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// No byte of the body comes: the connection is reset.
    Reset,
    /// Half of the announced body comes.
    Truncated,
}

impl Default for ApiFault {
    fn default() -> Self {
        Self {
            status: ok(),
            rate_limited_reason: None,
            should_retry: None,
            retry_after_s: None,
            slow_ms: 0,
            cut: None,
            repeats_page: false,
            writes: false,
            times: once(),
        }
    }
}

fn once() -> u32 {
    1
}

fn ok() -> u16 {
    200
}

/// Faults of the API still to be given, in order.
#[derive(Debug, Default)]
pub(crate) struct ApiFaults(VecDeque<ApiFault>);

impl ApiFaults {
    pub(crate) fn push(&mut self, fault: ApiFault) {
        self.0.push_back(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of this request, if it has one.
    pub(crate) fn next(&mut self, writes: bool) -> Option<ApiFault> {
        if self.0.front().is_some_and(|fault| fault.writes && !writes) {
            return None;
        }
        let mut fault = self.0.pop_front()?;
        let given = fault.clone();
        fault.times = fault.times.saturating_sub(1);
        if fault.times > 0 {
            self.0.push_front(fault);
        }
        Some(given)
    }
}
