//! Expected bookings, what was registered for them, and the human inputs between the events.

use std::collections::{BTreeMap, BTreeSet};

/// A booking application's registration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// Expected amount, minor units.
    pub amount: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// Connected account that is paid; none: the platform.
    pub account: Option<String>,
    /// Payment intent that the registration names.
    pub payment_intent: Option<String>,
    /// Renewals of the booking's subscription pay for it, too.
    pub covers_subscription: bool,
}

/// A booking's money in one currency, minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Captured, settled elsewhere or taken from a balance, parts captured so far included.
    pub paid: i64,
    /// Given back or being given back.
    pub refunded: i64,
    /// Held on a card.
    pub authorized: i64,
    /// Being debited.
    pub in_flight: i64,
    /// Part of `paid`: settled without Stripe.
    pub settled_elsewhere: i64,
    /// Part of `paid`: taken from the customer's credit balance.
    pub from_balance: i64,
    /// Credited to the customer's balance.
    pub credited: i64,
    /// Refunds that wait for the customer.
    pub refund_pending_action: i64,
    /// Open disputes.
    pub disputed: i64,
    /// Lost disputes.
    pub lost: i64,
    /// `paid` less `refunded`, `disputed`, `lost` and `credited`.
    pub net: i64,
}

/// A booking in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Booking {
    /// Its id.
    pub id: String,
    /// Its registration, as made; an [`Input::Amend`] changes the amount later.
    pub registered: Option<Registered>,
    /// Status by the table of statuses.
    pub status: &'static str,
    /// The registered currency, else that of the earliest payment; none: no payment is known.
    pub currency: Option<String>,
    /// Money in `currency`.
    pub amounts: Amounts,
    /// Money in other currencies, by currency.
    pub others: BTreeMap<String, Amounts>,
    /// Payments that succeeded.
    pub payments: i64,
    /// Kinds of the findings that are open in the end and name this booking.
    pub findings: BTreeSet<&'static str>,
}

/// A human input. It takes effect wherever it falls; `at_event` is the number of events before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `bookend object assign`, or `unassign` (no booking).
    Assign {
        /// Number of events before it.
        at_event: usize,
        /// Stripe's id of the payment.
        object: String,
        /// New booking; none: the money belongs to no booking.
        booking: Option<String>,
    },
    /// `bookend booking amend`.
    Amend {
        /// Number of events before it.
        at_event: usize,
        /// The booking.
        booking: String,
        /// New expected amount, minor units.
        amount: i64,
    },
}
