//! The table of statuses: the first row that applies.
//!
//! F is what finished payments took; net is that less what went back, was credited, or is in
//! disputes that are open or lost.
//!
//! | | condition | status |
//! |---|---|---|
//! | 1 | a dispute is open; or something is lost and net differs from what is expected | `disputed` |
//! | 2 | money in a second currency | `amount_mismatch` |
//! | 3 | registered, net is what is expected, and F > 0 or nothing is expected | `confirmed` |
//! | 4 | F > 0 and net is 0 | `refunded` |
//! | 5 | registered, F ≥ expected > net > 0, something refunded | `partially_refunded` |
//! | 6 | registered, and F > 0 or a session of 0 is complete | `amount_mismatch` |
//! | 7 | unregistered, and F > 0 or a session of 0 is complete | `refunded` below 0, `partially_refunded` after a refund, else `confirmed` (`pending` where registration is required) |
//! | 8 | an authorization stands | `authorized` |
//! | 9 | the attempt that got furthest | `processing`, `requires_action`, `payment_failed`, `pending` |
//! | 10 | there were attempts, all canceled or expired | `canceled` |
//! | 11 | otherwise | `pending` |

use std::collections::BTreeMap;

use super::{FoldError, Registration, Sums};
use crate::folding::graph::Key;
use crate::folding::money::{Amounts, Policy, Progress, Share, sum};

/// Status of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Nothing has happened yet, or nothing that counts.
    Pending,
    /// Money is on its way.
    Processing,
    /// The customer must do something.
    RequiresAction,
    /// Money is held on a card, and not taken yet.
    Authorized,
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
            Self::Authorized => "authorized",
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

/// What the table looks at, in the booking's own currency.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) expected: Option<i64>,
    /// What finished payments took.
    pub(super) finished: i64,
    /// Net of all payments, parts captured so far included.
    pub(super) net: i64,
    /// Net of finished payments.
    pub(super) net_finished: i64,
    pub(super) amounts: Amounts,
    /// A session of zero is complete.
    pub(super) is_free: bool,
    /// A dispute is open, in any currency.
    pub(super) is_disputed: bool,
    /// A dispute is lost, in any currency.
    pub(super) is_lost: bool,
    /// Another currency took money and did not give all of it back, or all of its money came back
    /// and the booking's own took none.
    pub(super) foreign_net: bool,
    /// What finished payments took in other currencies.
    pub(super) foreign_finished: bool,
    pub(super) furthest: Option<Progress>,
}

impl Facts {
    pub(super) fn of(
        registration: Option<&Registration>,
        shares: &[(&Key, &Share)],
        sums: &BTreeMap<String, Sums>,
        currency: &str,
        furthest: Option<Progress>,
    ) -> Result<Self, FoldError> {
        let empty = Sums::default();
        let own = sums.get(currency).unwrap_or(&empty);
        let (mut foreign_net, mut foreign_finished) = (false, false);
        let (mut is_disputed, mut is_lost) = (false, false);
        for (code, other) in sums {
            is_disputed |= other.amounts.disputed > 0;
            is_lost |= other.amounts.lost > 0;
            if code != currency {
                foreign_net |= other.finished > 0 && other.amounts.net()? != 0;
                foreign_finished |= other.finished > 0;
            }
        }
        let unfinished = shares
            .iter()
            .filter(|(_, share)| !share.is_finished)
            .filter(|(_, share)| share.currency.as_deref().unwrap_or("") == currency)
            .map(|(_, share)| share.amounts.net());
        let mut unfinished_net = 0_i64;
        for net in unfinished {
            unfinished_net = sum([unfinished_net, net?])?;
        }
        let net = own.amounts.net()?;
        Ok(Self {
            expected: registration.map(|it| it.amount),
            finished: own.finished,
            net,
            net_finished: net.checked_sub(unfinished_net).ok_or(FoldError::Overflow)?,
            amounts: own.amounts,
            is_free: shares.iter().any(|(_, share)| share.is_free),
            is_disputed,
            is_lost,
            foreign_net,
            foreign_finished,
            furthest,
        })
    }

    fn is_paid(&self) -> bool {
        self.finished > 0 || self.is_free
    }
}

pub(super) fn decide(facts: &Facts, policy: Policy) -> Status {
    let net = facts.net_finished;
    let lost_and_unexpected = facts.is_lost && facts.expected != Some(net);
    if facts.is_disputed || lost_and_unexpected {
        return Status::Disputed;
    }
    if facts.foreign_net {
        return Status::AmountMismatch;
    }
    let is_registered = facts.expected.is_some();
    if facts.expected == Some(net) && (facts.finished > 0 || net == 0) {
        return Status::Confirmed;
    }
    if net == 0
        && (facts.finished > 0
            || (facts.foreign_finished && facts.furthest == Some(Progress::Paid)))
    {
        return Status::Refunded;
    }
    if let Some(expected) = facts.expected
        && facts.finished >= expected
        && expected > net
        && net > 0
        && facts.amounts.refunded > 0
    {
        return Status::PartiallyRefunded;
    }
    if is_registered && facts.is_paid() {
        return Status::AmountMismatch;
    }
    if facts.is_paid() {
        return match net {
            _ if policy.require_registration => Status::Pending,
            ..0 => Status::Refunded,
            _ if facts.amounts.refunded > 0 => Status::PartiallyRefunded,
            _ => Status::Confirmed,
        };
    }
    attempted(facts.furthest)
}

fn attempted(furthest: Option<Progress>) -> Status {
    match furthest {
        Some(Progress::Authorized) => Status::Authorized,
        Some(Progress::Processing) => Status::Processing,
        Some(Progress::RequiresAction) => Status::RequiresAction,
        Some(Progress::PaymentFailed) => Status::PaymentFailed,
        Some(Progress::Canceled) => Status::Canceled,
        Some(Progress::Pending | Progress::Paid) | None => Status::Pending,
    }
}
