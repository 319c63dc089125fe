//! Whole lives of Stripe objects, made up from a seed: every event that Stripe would send, and
//! what Stripe would answer in the end.
//!
//! A model written from Stripe's documentation alone; it shares no code with folding and knows
//! nothing of phases or lattices. So it can prove the fold wrong. Deliberately absent: delivery,
//! signatures and times of arrival, which the fake Stripe has.

mod billing;
mod booking;
mod connect;
mod expected;
mod ledger;
mod money;
mod payment;
mod recorder;
mod shape;
mod status;

pub use booking::{Amounts, Booking, Input, Registered};
pub use expected::Expected;
pub use money::SCENARIOS;
pub use recorder::{Mix, Recorder};

use std::collections::{BTreeMap, BTreeSet};

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
    /// The bookings it pays for or names, sorted by id, and their status and money in the end. One
    /// that was only named once and has no money in the end is here, too, `pending`.
    pub bookings: Vec<Booking>,
    /// Human inputs between the events, in the order of their action ids.
    pub inputs: Vec<Input>,
    /// Payments, refunds and disputes that belong to no booking, with their amount: minor units.
    pub unassigned: BTreeMap<String, i64>,
    /// Indexes of events that are never delivered.
    pub lost: BTreeSet<usize>,
    /// Objects whose truth must be retrieved, since no event reports it.
    pub to_observe: BTreeSet<String>,
    /// Connected account of each object that is not the platform's.
    pub accounts: BTreeMap<String, String>,
    /// Name of the scenario.
    pub scenario: &'static str,
    /// Events have the shape of before 2025-03-31.basil, and Stripe behaved as it did then.
    pub old_version: bool,
    /// Some object changed more than once in one second.
    pub has_burst: bool,
    /// In some second an object changed twice and the events do not tell which came last.
    pub has_tie: bool,
}

/// History `number` of a seed.
#[must_use]
pub fn history(seed: u64, number: u64, mix: Mix) -> History {
    let mut random = stream(seed, &format!("history/{number}"));
    let life = random.random_range(0..100_u32);
    let mut recorder = Recorder::new(number, mix, random);
    let (scenario, live): (&'static str, fn(&mut Recorder)) = match life {
        0..35 => ("payment", payment::live),
        35..50 => ("billing", billing::live),
        50..60 => ("connect", connect::live),
        _ => money::scenario(number),
    };
    recorder.scenario = scenario;
    live(&mut recorder);
    recorder.finish()
}
