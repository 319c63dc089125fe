//! What became of each delivery, and the totals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::faults::{Duplicate, Fate};

/// One event on its way to the receiver.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    pub event: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub fate: Fate,
    /// Requests sent, over all copies.
    pub attempts: u32,
    /// 2xx answers, those that were thrown away included: the receiver said yes to each.
    pub accepted: u32,
    /// Every answer's status, in the order of arrival; 0 for none.
    pub answers: Vec<u16>,
    /// Unix milliseconds by the machine's clock of the first request and of the first 2xx.
    pub first_sent_ms: Option<i64>,
    pub first_accepted_ms: Option<i64>,
    /// Retries ended without a 2xx.
    pub gave_up: bool,
    /// Nothing more will be sent.
    pub done: bool,
}

impl Delivery {
    pub(crate) fn new(event: String, kind: String, fate: Fate) -> Self {
        Self {
            event,
            kind,
            done: fate.lost,
            fate,
            attempts: 0,
            accepted: 0,
            answers: Vec::new(),
            first_sent_ms: None,
            first_accepted_ms: None,
            gave_up: false,
        }
    }
}

/// Totals over all deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Events that happened.
    pub events: u64,
    /// Event types seen.
    pub types: u64,
    /// Events that were sent at least once.
    pub sent: u64,
    pub attempts: u64,
    /// Events with at least one 2xx.
    pub accepted: u64,
    /// 2xx answers.
    pub ok_answers: u64,
    /// Answers other than 2xx.
    pub refused_answers: u64,
    /// Attempts without an answer.
    pub unanswered: u64,
    /// Events that were never sent, on purpose.
    pub lost: u64,
    /// Events sent again although a 2xx was there, or sent twice at once.
    pub duplicated: u64,
    pub late: u64,
    pub reordered: u64,
    /// Events one of whose 2xx answers was thrown away.
    pub answered_but_lost: u64,
    pub gave_up: u64,
    /// Events still being delivered.
    pub in_flight: u64,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Bookings whose story is still going on.
    pub stories_running: u64,
    /// Story steps that the state machines refused: a bug of the fake.
    pub illegal_steps: u64,
    pub api_reads: u64,
}

impl Stats {
    pub(crate) fn add(&mut self, delivery: &Delivery) {
        let fate = &delivery.fate;
        self.lost += u64::from(fate.lost);
        if fate.lost {
            return;
        }
        self.sent += u64::from(delivery.attempts > 0);
        self.attempts += u64::from(delivery.attempts);
        self.accepted += u64::from(delivery.accepted > 0);
        self.ok_answers += u64::from(delivery.accepted);
        self.duplicated += u64::from(fate.duplicate != Duplicate::No);
        self.late += u64::from(fate.late);
        self.reordered += u64::from(fate.reordered);
        self.answered_but_lost += u64::from(fate.answer_lost && delivery.accepted > 0);
        self.gave_up += u64::from(delivery.gave_up);
        self.in_flight += u64::from(!delivery.done);
        for status in &delivery.answers {
            match status {
                0 => self.unanswered += 1,
                200..=299 => {}
                _ => self.refused_answers += 1,
            }
            if *status > 0 {
                *self.by_status.entry(*status).or_default() += 1;
            }
        }
    }
}
