//! The books that a life keeps while it happens: each amount, whose it is, and the attempts.
//!
//! Invariant: a line is written when the scenario moves money, never read from an object. So the
//! expected bookings have nothing in common with a fold of snapshots.

mod summary;

use std::collections::{BTreeMap, BTreeSet};

use super::booking::Registered;

/// The meaning of a line's amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Captured,
    Settled,
    FromBalance,
    Authorized,
    InFlight,
    Refunded,
    PendingAction,
    Disputed,
    Lost,
    Credited,
}

/// One booking's part of one payment.
#[derive(Debug, Clone)]
pub(super) struct Share {
    /// Stripe's id of the payment.
    pub(super) payment: String,
    /// None: the money belongs to no booking.
    pub(super) booking: Option<String>,
    pub(super) currency: String,
}

#[derive(Debug)]
struct Line {
    share: Share,
    object: String,
    kind: Kind,
    amount: i64,
}

/// The books.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lines: Vec<Line>,
    /// Payments that are over and have succeeded.
    finished: BTreeSet<String>,
    /// Status of each attempt, by object and booking.
    attempts: BTreeMap<(String, Option<String>), &'static str>,
    /// All bookings of the life, with the expected amount as amended.
    bookings: BTreeMap<String, Option<Registered>>,
    amended: BTreeMap<String, i64>,
    free: BTreeSet<String>,
    findings: BTreeSet<(String, &'static str)>,
}

impl Ledger {
    /// A booking exists, registered or not.
    pub(super) fn open(&mut self, booking: &str, registered: Option<Registered>) {
        self.bookings.insert(booking.to_owned(), registered);
    }

    /// The registration of a booking that is open.
    pub(super) fn registered(&mut self, booking: &str) -> Option<&mut Registered> {
        self.bookings.get_mut(booking)?.as_mut()
    }

    pub(super) fn amend(&mut self, booking: &str, amount: i64) {
        self.amended.insert(booking.to_owned(), amount);
    }

    pub(super) fn write(&mut self, share: &Share, object: &str, kind: Kind, amount: i64) {
        self.lines.push(Line {
            share: share.clone(),
            object: object.to_owned(),
            kind,
            amount,
        });
    }

    /// Takes back an object's lines of a kind.
    pub(super) fn clear(&mut self, object: &str, kind: Kind) {
        self.lines
            .retain(|line| line.object != object || line.kind != kind);
    }

    pub(super) fn finish(&mut self, payment: &str) {
        self.finished.insert(payment.to_owned());
    }

    /// The payment, and all that was refunded or disputed of it, belongs to this booking.
    pub(super) fn hand_over(&mut self, payment: &str, booking: Option<&str>) {
        for line in &mut self.lines {
            if line.share.payment == payment {
                line.share.booking = booking.map(str::to_owned);
            }
        }
        let attempts = std::mem::take(&mut self.attempts);
        for ((object, of), status) in attempts {
            let of = if object == payment {
                booking.map(str::to_owned)
            } else {
                of
            };
            self.attempts.insert((object, of), status);
        }
    }

    pub(super) fn attempt(&mut self, object: &str, booking: Option<&str>, status: &'static str) {
        let key = (object.to_owned(), booking.map(str::to_owned));
        self.attempts.insert(key, status);
    }

    /// The object is no attempt of its own any more.
    pub(super) fn no_attempt(&mut self, object: &str) {
        self.attempts.retain(|(of, _), _| of != object);
    }

    /// A session of 0 is complete.
    pub(super) fn free(&mut self, booking: &str) {
        self.free.insert(booking.to_owned());
    }

    pub(super) fn find(&mut self, booking: &str, kind: &'static str) {
        self.findings.insert((booking.to_owned(), kind));
    }
}
