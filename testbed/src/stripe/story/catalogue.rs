//! The catalogue of stories and how often each is drawn.

use serde::{Deserialize, Serialize};

use super::super::model::{API_VERSION, OLD_VERSION};

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
    /// Held on a card, perhaps for more than was booked, and left so.
    AuthorizationStanding,
    AuthorizationCaptured,
    /// As [`Story::PartialCapture`], in the old shape: the release is a refund.
    PartialCaptureOldShape,
    /// A release in the old shape, then a real refund of the same amount.
    ReleasedThenRefunded,
    AuthorizationVoided,
    AuthorizationVoidedOldShape,
    AuthorizationExpired,
    AuthorizationExpiredOldShape,
    /// Captured in three parts.
    Multicapture,
    /// One part captured, the rest still held.
    MulticaptureStanding,
    InvoiceOpen,
    InvoicePaid,
    InvoicePaidOldShape,
    InvoiceFailed,
    InvoiceFailedThenPaid,
    InvoiceVoided,
    /// The customer's credit balance pays all of it.
    InvoiceFromBalance,
    /// Paid outside Stripe, which only a retrieve with expanded payments shows.
    InvoiceOutOfBand,
    /// Paid outside Stripe, and the invoice has a flag for it.
    InvoiceOutOfBandOldShape,
    /// A subscription's first invoice pays the booking; a renewal follows.
    Subscribed,
    SubscribedOldShape,
    /// The first invoice is never paid.
    SubscriptionExpired,
    /// Paid by two intents, one of them refunded.
    PaidTwice,
    /// A card is saved first and charged later.
    SetupThenPaid,
    PartialDisputeLost,
}

impl Story {
    /// Every story with its share in a mixed lot. A share of 0 is played only when asked for:
    /// the evidence of [`Story::InvoiceOutOfBand`] is looked for a minute after the payment.
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
        (15, Story::AuthorizationStanding),
        (15, Story::AuthorizationCaptured),
        (15, Story::PartialCaptureOldShape),
        (12, Story::ReleasedThenRefunded),
        (12, Story::AuthorizationVoided),
        (12, Story::AuthorizationVoidedOldShape),
        (12, Story::AuthorizationExpired),
        (12, Story::AuthorizationExpiredOldShape),
        (15, Story::Multicapture),
        (12, Story::MulticaptureStanding),
        (12, Story::InvoiceOpen),
        (18, Story::InvoicePaid),
        (15, Story::InvoicePaidOldShape),
        (12, Story::InvoiceFailed),
        (15, Story::InvoiceFailedThenPaid),
        (12, Story::InvoiceVoided),
        (12, Story::InvoiceFromBalance),
        (0, Story::InvoiceOutOfBand),
        (15, Story::InvoiceOutOfBandOldShape),
        (18, Story::Subscribed),
        (12, Story::SubscribedOldShape),
        (12, Story::SubscriptionExpired),
        (15, Story::PaidTwice),
        (15, Story::SetupThenPaid),
        (12, Story::PartialDisputeLost),
    ];

    /// All stories, each once.
    pub fn all() -> impl Iterator<Item = Story> {
        Self::MIX.iter().map(|(_, story)| *story)
    }

    /// The stories that a mixed lot contains.
    pub fn mixed() -> impl Iterator<Item = Story> {
        let drawn = Self::MIX.iter().filter(|(share, _)| *share > 0);
        drawn.map(|(_, story)| *story)
    }

    /// The API version in which its objects are made and its events are rendered.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Story::PartialCaptureOldShape
            | Story::ReleasedThenRefunded
            | Story::AuthorizationVoidedOldShape
            | Story::AuthorizationExpiredOldShape
            | Story::InvoicePaidOldShape
            | Story::InvoiceOutOfBandOldShape
            | Story::SubscribedOldShape => OLD_VERSION,
            _ => API_VERSION,
        }
    }
}
