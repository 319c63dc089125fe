//! Whole lives of Stripe objects, made up from a seed: every event that Stripe would send, and
//! what Stripe would answer in the end.
//!
//! A model written from Stripe's documentation alone; it shares no code with folding and knows
//! nothing of phases or lattices. So it can prove the fold wrong. Deliberately absent: delivery,
//! signatures and times of arrival, which the fake Stripe has.

mod billing;
mod connect;
mod expected;
mod payment;
mod recorder;

pub use expected::{Expected, booking_status};
pub use recorder::{Mix, Recorder};

use rand::RngExt;
use serde_json::Value;

use crate::stripe::random::stream;

/// One life: some objects that belong together.
#[derive(Debug, Clone)]
pub struct History {
    /// Events in the order in which things happened.
    pub events: Vec<Value>,
    /// Each object as Stripe would return it in the end, newest version.
    pub truth: Vec<Value>,
    /// What its typed fields must be in the end.
    pub expected: Vec<Expected>,
    /// The booking it pays for, and its status and amounts in the end.
    pub booking: Option<Booking>,
    /// Some object changed more than once in one second.
    pub has_burst: bool,
    /// In some second an object changed twice and the events do not tell which came last.
    pub has_tie: bool,
}

/// A booking in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Its id.
    pub id: String,
    /// Status by the table of statuses.
    pub status: &'static str,
    /// Captured, minor units.
    pub amount_paid: i64,
    /// Given back or being given back, minor units.
    pub amount_refunded: i64,
}

/// History `number` of a seed.
#[must_use]
pub fn history(seed: u64, number: u64, mix: Mix) -> History {
    let mut random = stream(seed, &format!("history/{number}"));
    let life = random.random_range(0..100_u32);
    let mut recorder = Recorder::new(number, mix, random);
    match life {
        0..55 => payment::live(&mut recorder),
        55..85 => billing::live(&mut recorder),
        _ => connect::live(&mut recorder),
    }
    let booking = payment::booking(&recorder);
    recorder.finish(booking)
}
