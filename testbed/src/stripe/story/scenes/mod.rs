//! The scenes of each story: which action follows which, after what pause.
//!
//! Many pauses may be zero, so that events of one object share a second, as Stripe's do.

mod aftermath;
mod billing;
mod holds;

use rand::RngExt;

use super::super::random::{Random, chance};
use super::{Action, Mode, Step, Story};

/// A story being written: actions one after the other, with pauses between.
pub(super) struct Script<'a> {
    pub(super) steps: Vec<Step>,
    pub(super) at_ms: i64,
    pub(super) amount: i64,
    /// Every pause is this many times as long.
    pub(super) stretch: i64,
    pub(super) random: &'a mut Random,
}

impl Script<'_> {
    fn then(&mut self, action: Action) -> &mut Self {
        self.steps.push(Step {
            at_ms: self.at_ms,
            action,
        });
        self
    }

    /// A pause between the two bounds, in milliseconds, before the next action.
    fn pause(&mut self, low: i64, high: i64) -> &mut Self {
        let pause = self.random.random_range(low..=high);
        self.at_ms += pause.saturating_mul(self.stretch);
        self
    }

    pub(super) fn write(&mut self, story: Story) {
        match story {
            Story::Paid | Story::AmountMismatch | Story::CurrencyMismatch => self.paid(),
            Story::PaidDirectly => self.paid_directly(),
            Story::PaidAfterAction => self.paid_after_action(),
            Story::PaidLater => self.paid_later(true),
            Story::UnpaidForGood => self.paid_later(false),
            Story::FailedThenPaid => self.failed_then_paid(),
            Story::FailedForGood => self.failed_for_good(),
            Story::LeftInAction => self.left(Action::AskCustomer),
            Story::LeftProcessing => self.left(Action::Process),
            Story::Abandoned | Story::Expired => self.never_begun(story),
            Story::Canceled => self.canceled(),
            Story::SecondIntentPaid => self.second_intent_paid(),
            Story::FullRefund | Story::PartialRefunds | Story::RefundedInParts => {
                self.refunded(story);
            }
            Story::RefundPending | Story::RefundFailed => self.slow_refund(story),
            Story::DisputeOpen
            | Story::DisputeWon
            | Story::DisputeLost
            | Story::DisputeLateWin
            | Story::InquiryClosed
            | Story::InquiryEscalated
            | Story::PartialDisputeLost => self.disputed(story),
            Story::PaidTwice => self.paid_twice(),
            Story::SetupThenPaid => self.setup_then_paid(),
            _ => self.write_more(story),
        }
    }

    fn write_more(&mut self, story: Story) {
        if !self.held(story) {
            self.billed(story);
        }
    }

    fn checkout(&mut self) -> &mut Self {
        self.then(Action::CreateCustomer).then(Action::OpenSession {
            mode: Mode::Payment,
        })
    }

    fn begin(&mut self, manual: bool) -> &mut Self {
        self.pause(100, 900)
            .then(Action::CreateIntent { manual })
            .then(Action::AttachMethod)
    }

    fn succeed(&mut self) -> &mut Self {
        self.then(Action::Succeed).then(Action::CompleteSession);
        self.pause(0, 2_000).then(Action::Settle)
    }

    fn paid(&mut self) {
        self.checkout().begin(false).pause(0, 600).succeed();
    }

    fn paid_directly(&mut self) {
        self.then(Action::CreateCustomer).begin(false);
        self.pause(0, 1_500).then(Action::Succeed);
        self.pause(0, 2_000).then(Action::Settle);
    }

    fn paid_after_action(&mut self) {
        self.checkout().begin(false);
        self.pause(0, 500).then(Action::AskCustomer);
        self.pause(500, 2_500).succeed();
    }

    fn paid_later(&mut self, paid: bool) {
        self.checkout().begin(false).pause(0, 500);
        self.then(Action::Process).then(Action::CompleteSession);
        self.pause(1_500, 5_000);
        if paid {
            self.then(Action::Succeed).then(Action::SessionPaid);
            self.pause(0, 1_000).then(Action::Settle);
        } else {
            self.then(Action::Decline {
                code: "payment_intent_payment_attempt_failed",
            });
            self.then(Action::SessionFailed);
        }
    }

    fn failed_then_paid(&mut self) {
        self.checkout().begin(false);
        self.pause(0, 500).then(Action::Decline {
            code: "card_declined",
        });
        self.pause(300, 3_000).succeed();
    }

    fn failed_for_good(&mut self) {
        self.checkout().begin(false);
        if chance(self.random, 0.5) {
            self.pause(0, 500).then(Action::AskCustomer);
        }
        self.pause(0, 1_200).then(Action::Decline {
            code: "card_declined",
        });
        if chance(self.random, 0.4) {
            self.pause(200, 1_500).then(Action::Decline {
                code: "insufficient_funds",
            });
        }
    }

    fn left(&mut self, action: Action) {
        self.checkout().begin(false);
        let processing = action == Action::Process;
        self.pause(100, 1_000).then(action);
        if processing {
            self.then(Action::CompleteSession);
        }
    }

    fn never_begun(&mut self, story: Story) {
        self.checkout();
        if story == Story::Expired {
            self.pause(2_000, 6_000).then(Action::ExpireSession);
        }
    }

    fn canceled(&mut self) {
        if chance(self.random, 0.5) {
            self.checkout().begin(false);
            self.pause(1_000, 4_000).then(Action::CancelIntent {
                reason: "automatic",
            });
            self.then(Action::ExpireSession);
        } else {
            self.then(Action::CreateCustomer).begin(false);
            self.pause(0, 3_000).then(Action::CancelIntent {
                reason: "requested_by_customer",
            });
        }
    }

    fn second_intent_paid(&mut self) {
        self.then(Action::CreateCustomer).begin(false);
        self.pause(0, 500).then(Action::Decline {
            code: "card_declined",
        });
        self.pause(300, 1_500).then(Action::CancelIntent {
            reason: "abandoned",
        });
        self.begin(false).pause(0, 500).succeed();
    }

    fn paid_twice(&mut self) {
        let amount = self.amount;
        self.paid_directly();
        self.begin(false);
        self.pause(0, 1_500).then(Action::Succeed);
        self.pause(0, 2_000).then(Action::Settle);
        self.pause(200, 2_000).then(Action::Refund {
            amount,
            pending: false,
        });
    }

    fn setup_then_paid(&mut self) {
        self.then(Action::CreateCustomer)
            .then(Action::OpenSession { mode: Mode::Setup });
        self.pause(200, 1_500).then(Action::CompleteSession);
        self.begin(false);
        self.pause(0, 1_500).then(Action::Succeed);
        self.pause(0, 2_000).then(Action::Settle);
    }
}
