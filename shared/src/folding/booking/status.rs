//! The table of statuses: the first row that applies.

use super::Registration;
use super::attempts::{Paid, Progress};

/// Status of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Nothing has happened yet, or nothing that counts.
    Pending,
    /// Money is on its way.
    Processing,
    /// The customer must do something.
    RequiresAction,
    /// Paid, as expected.
    Confirmed,
    /// The last attempt failed.
    PaymentFailed,
    /// Part was given back.
    PartiallyRefunded,
    /// All was given back.
    Refunded,
    /// The customer's bank disputes it, or won.
    Disputed,
    /// All attempts were canceled or expired.
    Canceled,
    /// Paid, but not what was expected.
    AmountMismatch,
}

impl Status {
    /// As in `bookings.status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::RequiresAction => "requires_action",
            Self::Confirmed => "confirmed",
            Self::PaymentFailed => "payment_failed",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Disputed => "disputed",
            Self::Canceled => "canceled",
            Self::AmountMismatch => "amount_mismatch",
        }
    }
}

pub(super) struct Facts<'a> {
    pub(super) disputed: bool,
    pub(super) paid: &'a Paid,
    pub(super) refunded: i64,
    pub(super) registration: Option<&'a Registration>,
    pub(super) require_registration: bool,
    pub(super) furthest: Option<Progress>,
}

pub(super) fn decide(facts: &Facts<'_>) -> Status {
    let paid = facts.paid;
    if facts.disputed {
        return Status::Disputed;
    }
    if facts.refunded > 0 {
        // More than was paid can only be a fault at Stripe's end: all is given back.
        let all = paid.amount > 0 && facts.refunded >= paid.amount;
        return if all {
            Status::Refunded
        } else {
            Status::PartiallyRefunded
        };
    }
    if paid.is_paid {
        let unexpected = facts.registration.is_some_and(|expected| {
            expected.amount != paid.amount
                || (paid.amount != 0
                    && paid
                        .currencies
                        .iter()
                        .any(|code| code.as_ref() != Some(&expected.currency)))
        });
        if unexpected || paid.currencies.len() > 1 {
            return Status::AmountMismatch;
        }
        if facts.registration.is_some() || !facts.require_registration {
            return Status::Confirmed;
        }
    }
    match facts.furthest {
        Some(Progress::Processing) => Status::Processing,
        Some(Progress::RequiresAction) => Status::RequiresAction,
        Some(Progress::Failed) => Status::PaymentFailed,
        Some(Progress::Canceled) => Status::Canceled,
        Some(Progress::Pending | Progress::Paid) | None => Status::Pending,
    }
}
