//! Stories: what happens to one booking, as a list of actions with their times.
//!
//! A story is data, fixed by the seed and the booking's number before anything happens;
//! [`play`] carries its actions out on the objects.

mod aftermath;
mod authorization;
mod bills;
mod catalogue;
mod emit;
mod payment;
pub(crate) mod play;
mod scenes;
pub(crate) mod script;
mod subscriptions;
mod ties;

use serde::{Deserialize, Serialize};

pub use catalogue::Story;

/// One thing that happens to a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    CreateCustomer,
    OpenSession { mode: Mode },
    CreateIntent { manual: bool },
    AttachMethod,
    AskCustomer,
    Process,
    Decline { code: &'static str },
    Succeed,
    Settle,
    CompleteSession,
    SessionPaid,
    SessionFailed,
    ExpireSession,
    CancelIntent { reason: &'static str },
    Hold(Hold),
    Bill(Bill),
    Refund { amount: i64, pending: bool },
    ReferenceRefund { number: usize },
    SettleRefund { number: usize },
    FailRefund { number: usize },
    Dispute { inquiry: bool, amount: i64 },
    SubmitEvidence,
    EscalateInquiry,
    CloseDispute { status: &'static str },
}

/// The purpose of a checkout session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Payment,
    Setup,
    Subscription,
}

/// One thing that happens to an authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The card holds the money for so many seconds.
    Authorize {
        for_s: i64,
    },
    CapturePart {
        amount: i64,
    },
    /// The last capture; releases what is left.
    Capture {
        amount: i64,
    },
    Void,
    Expire,
    /// The bank names its reference for a release that is a refund (old shape).
    ReferenceRelease,
}

/// One thing that happens to an invoice or a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bill {
    /// The booking system makes an invoice that names the booking.
    Draft,
    /// Open, with a payment intent to pay it.
    Finalize,
    /// Open, to be paid outside Stripe: no payment intent.
    Send,
    FinalizeFromBalance,
    Fail,
    Pay,
    PayOutOfBand {
        with_record: bool,
    },
    Void,
    Subscribe {
        status: &'static str,
    },
    /// The subscription's first invoice.
    DraftFirst,
    Activate,
    /// The next period's invoice, paid at once.
    Renew,
    ExpireSubscription,
}

/// An action and its time after the story's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) at_ms: i64,
    pub(crate) action: Action,
}

/// A booking as the booking application knows it: what to register before or after the payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    pub id: String,
    pub story: Story,
    /// What the booking costs, in minor units.
    pub amount: i64,
    pub currency: String,
    /// The (last) payment intent; none if the story never begins a payment.
    pub payment_intent: Option<String>,
    pub account: Option<String>,
}

/// A booking with everything that will happen to it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) booking: Booking,
    pub(crate) number: u64,
    pub(crate) charged: i64,
    pub(crate) charged_currency: String,
    /// The payment intents' ids, in the order in which they are created.
    pub(crate) intents: Vec<String>,
    /// Whether the booking system put its id on the payment intent too.
    pub(crate) tagged_intent: bool,
    pub(crate) steps: Vec<Step>,
    /// The API version of its objects and events.
    pub(crate) version: &'static str,
    pub(crate) random: super::random::Random,
}
