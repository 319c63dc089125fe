//! Stories: what happens to one booking, as a list of actions with their times.
//!
//! A story is data, fixed by the seed and the booking's number before anything happens;
//! [`play`] carries its actions out on the objects.

mod aftermath;
mod payment;
pub(crate) mod play;
mod scenes;
pub(crate) mod script;

use serde::{Deserialize, Serialize};

/// How a booking goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Story {
    /// Checkout, paid at once.
    Paid,
    /// A payment intent without a checkout session.
    PaidDirectly,
    /// Three-D Secure first, then paid.
    PaidAfterAction,
    /// `completed` but `unpaid`; the money comes later.
    PaidLater,
    /// `completed` but `unpaid`; the money never comes.
    UnpaidForGood,
    /// Declined once, paid at the second try.
    FailedThenPaid,
    FailedForGood,
    /// Still waiting for the customer's bank.
    LeftInAction,
    /// Still processing.
    LeftProcessing,
    /// The customer left the open page.
    Abandoned,
    /// The session expired before a payment was begun.
    Expired,
    Canceled,
    /// A canceled first payment intent, a paid second one.
    SecondIntentPaid,
    /// Authorized for more, captured what was booked.
    PartialCapture,
    FullRefund,
    PartialRefunds,
    /// Refunded in two parts, together all of it.
    RefundedInParts,
    RefundPending,
    /// A succeeded refund that the bank sends back.
    RefundFailed,
    DisputeOpen,
    DisputeWon,
    DisputeLost,
    /// Lost first, won after an appeal.
    DisputeLateWin,
    InquiryClosed,
    InquiryEscalated,
    /// Paid something else than was registered.
    AmountMismatch,
    /// Paid in another currency than was registered.
    CurrencyMismatch,
}

impl Story {
    /// Every story with its share in a mixed lot.
    pub(crate) const MIX: &'static [(u32, Story)] = &[
        (170, Story::Paid),
        (70, Story::PaidDirectly),
        (60, Story::PaidAfterAction),
        (60, Story::PaidLater),
        (20, Story::UnpaidForGood),
        (60, Story::FailedThenPaid),
        (40, Story::FailedForGood),
        (15, Story::LeftInAction),
        (15, Story::LeftProcessing),
        (10, Story::Abandoned),
        (30, Story::Expired),
        (30, Story::Canceled),
        (25, Story::SecondIntentPaid),
        (45, Story::PartialCapture),
        (75, Story::FullRefund),
        (60, Story::PartialRefunds),
        (25, Story::RefundedInParts),
        (40, Story::RefundPending),
        (30, Story::RefundFailed),
        (20, Story::DisputeOpen),
        (25, Story::DisputeWon),
        (25, Story::DisputeLost),
        (10, Story::DisputeLateWin),
        (20, Story::InquiryClosed),
        (15, Story::InquiryEscalated),
        (20, Story::AmountMismatch),
        (10, Story::CurrencyMismatch),
    ];

    /// All stories, each once.
    pub fn all() -> impl Iterator<Item = Story> {
        Self::MIX.iter().map(|(_, story)| *story)
    }
}

/// One thing that happens to a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    CreateCustomer,
    OpenSession,
    CreateIntent { manual: bool },
    AttachMethod,
    AskCustomer,
    Process,
    Decline { code: &'static str },
    Authorize,
    Capture { amount: i64 },
    Succeed,
    Settle,
    CompleteSession,
    SessionPaid,
    SessionFailed,
    ExpireSession,
    CancelIntent { reason: &'static str },
    Refund { amount: i64, pending: bool },
    ReferenceRefund { number: usize },
    SettleRefund { number: usize },
    FailRefund { number: usize },
    Dispute { inquiry: bool },
    SubmitEvidence,
    EscalateInquiry,
    CloseDispute { status: &'static str },
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
    pub(crate) random: super::random::Random,
}
