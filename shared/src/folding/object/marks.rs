//! What an object's events say beside its snapshots and nothing later takes back.
//!
//! Pure. Invariant: `join` takes minima, maxima and unions, so the marks are a function of the set
//! of events and observations.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Bookings that are kept by name. One more says that there are too many.
const MAX_NAMED: usize = 8;

/// Monotone facts of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// The least of the snapshots in which a charge was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_capture: Option<Capture>,
    /// The moment of its capture, by an event that says so: of the two shapes in which Stripe may
    /// show that moment, the one with the greater `amount_refunded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven_capture: Option<Capture>,
    /// The greatest `attempt_count` of an `invoice.payment_failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_attempts: Option<i64>,
    /// The latest complete list of an invoice's payments that was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed_payments: Option<ListedPayments>,
    /// The smallest booking ids that its own metadata ever named.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    named: BTreeSet<String>,
}

/// A moment in which a charge was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Capture {
    /// Seconds since 1970.
    pub at: i64,
    /// The charge's `amount_refunded` then, minor units.
    pub refunded: i64,
}

/// An invoice's payments as Stripe listed them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListedPayments {
    /// When Stripe was asked, seconds since 1970.
    pub at: i64,
    /// What was paid by payment intents and charges, minor units.
    pub through_stripe: i64,
    /// What was paid otherwise, minor units.
    pub elsewhere: i64,
}

impl Marks {
    /// Takes another object's marks in.
    pub fn join(&mut self, other: &Self) {
        self.first_capture = either(self.first_capture, other.first_capture, Capture::min);
        self.proven_capture = either(self.proven_capture, other.proven_capture, earlier);
        self.failed_attempts = self.failed_attempts.max(other.failed_attempts);
        if self.listed_payments < other.listed_payments {
            self.listed_payments.clone_from(&other.listed_payments);
        }
        for booking in &other.named {
            self.name(Some(booking));
        }
    }

    /// Notes a booking that its metadata names.
    pub(super) fn name(&mut self, booking: Option<&str>) {
        let Some(booking) = booking else { return };
        if self.named.contains(booking) {
            return;
        }
        self.named.insert(booking.to_owned());
        if self.named.len() > MAX_NAMED {
            self.named.pop_last();
        }
    }

    /// The bookings that its metadata ever named, the smallest ids of them.
    pub fn bookings(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(String::as_str)
    }

    /// Whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn either<T>(one: Option<T>, other: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(both(one, other)),
        (one, other) => one.or(other),
    }
}

/// The earlier moment, with the most that was shown as refunded in it.
fn earlier(one: Capture, other: Capture) -> Capture {
    match one.at.cmp(&other.at) {
        std::cmp::Ordering::Less => one,
        std::cmp::Ordering::Greater => other,
        std::cmp::Ordering::Equal => one.max(other),
    }
}
