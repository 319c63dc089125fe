//! Whose money it is: payments and attempts of objects that are tied together, divided among
//! bookings.
//!
//! Pure. Invariant (conservation): each unit of captured, refunded or disputed money is in exactly
//! one share; the share of the empty booking is money that belongs to none. The result is a
//! function of the objects' states, their links and what people put in, so no order can matter.
//!
//! Ownership has a direction: a child inherits its booking from its parent, never from a sibling,
//! and a parent never from its child ([`owner`]). docs/money-inside.md.

mod attempts;
mod component;
mod findings;
mod invoice;
mod owner;
mod payment;
mod refunds;
mod split;

use serde::{Deserialize, Serialize};

use super::booking::FoldError;
use super::graph::Key;

pub use component::{Component, Divided, Inputs, Node, Policy, divide};
pub use findings::{Finding, KINDS, Question, identity};

/// How far an attempt to pay got; later is further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Canceled, expired, void or released.
    Canceled,
    /// Nothing was tried yet.
    Pending,
    /// The last try failed.
    PaymentFailed,
    /// The customer must do something.
    RequiresAction,
    /// Money is on its way.
    Processing,
    /// Money is held on a card.
    Authorized,
    /// Money came, or none was due.
    Paid,
}

/// Amounts of one share, minor units of its currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Amounts {
    /// Really taken.
    pub captured: i64,
    /// Held on a card, no money yet.
    pub authorized: i64,
    /// A debit that is processing.
    pub in_flight: i64,
    /// Paid outside Stripe, on evidence.
    pub settled_elsewhere: i64,
    /// Paid from the customer's credit balance.
    pub from_balance: i64,
    /// Given back to the credit balance.
    pub credited: i64,
    /// Given back or being given back.
    pub refunded: i64,
    /// Refunds that wait for the customer.
    pub refund_pending_action: i64,
    /// In open disputes.
    pub disputed: i64,
    /// In lost disputes.
    pub lost: i64,
}

impl Amounts {
    /// Captured, settled elsewhere and from the balance.
    ///
    /// # Errors
    /// [`FoldError::Overflow`].
    pub fn paid(&self) -> Result<i64, FoldError> {
        sum([self.captured, self.settled_elsewhere, self.from_balance])
    }

    /// Paid less what went back, was credited, or is in disputes that are open or lost.
    ///
    /// # Errors
    /// [`FoldError::Overflow`].
    pub fn net(&self) -> Result<i64, FoldError> {
        let gone = sum([self.refunded, self.credited, self.disputed, self.lost])?;
        self.paid()?.checked_sub(gone).ok_or(FoldError::Overflow)
    }

    /// The sum of both, amount by amount.
    ///
    /// # Errors
    /// [`FoldError::Overflow`].
    pub fn plus(&self, other: &Self) -> Result<Self, FoldError> {
        Ok(Self {
            captured: sum([self.captured, other.captured])?,
            authorized: sum([self.authorized, other.authorized])?,
            in_flight: sum([self.in_flight, other.in_flight])?,
            settled_elsewhere: sum([self.settled_elsewhere, other.settled_elsewhere])?,
            from_balance: sum([self.from_balance, other.from_balance])?,
            credited: sum([self.credited, other.credited])?,
            refunded: sum([self.refunded, other.refunded])?,
            refund_pending_action: sum([self.refund_pending_action, other.refund_pending_action])?,
            disputed: sum([self.disputed, other.disputed])?,
            lost: sum([self.lost, other.lost])?,
        })
    }
}

/// One payment's or attempt's part in one booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The booking; empty: unassigned.
    pub booking_id: String,
    /// Three lower-case letters; none: absent or not readable.
    pub currency: Option<String>,
    /// How far the attempt got; none: it is no attempt.
    pub attempt: Option<Progress>,
    /// The second of the payment's winning snapshot, since 1970.
    pub at: i64,
    /// When the payment was made; none: nothing is paid.
    pub paid_at: Option<i64>,
    /// Amount of the attempt, minor units.
    pub amount: Option<i64>,
    /// Nothing more can be captured.
    pub is_finished: bool,
    /// A checkout session of zero that is complete.
    pub is_free: bool,
    /// false: an object that it is made from is in doubt.
    pub is_settled: bool,
    /// When the authorization lapses, seconds since 1970.
    pub authorized_until: Option<i64>,
    /// Amounts.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// Hash of the events and observations that it is made from, 32 hex digits.
    pub winners: String,
}

/// A share and the payment or attempt that it is of, as a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredShare {
    /// Connected account; empty: ours.
    pub account: String,
    /// The payment or attempt.
    pub object_id: String,
    /// Its part.
    #[serde(flatten)]
    pub share: Share,
}

impl StoredShare {
    /// The payment or attempt.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            account: self.account.clone(),
            id: self.object_id.clone(),
        }
    }
}

/// Sums with a check.
pub(super) fn sum(amounts: impl IntoIterator<Item = i64>) -> Result<i64, FoldError> {
    amounts
        .into_iter()
        .try_fold(0_i64, i64::checked_add)
        .ok_or(FoldError::Overflow)
}
