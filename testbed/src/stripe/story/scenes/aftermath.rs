//! Scenes after a payment: refunds and disputes.

use super::super::{Action, Story};
use super::Script;

impl Script<'_> {
    pub(super) fn refunded(&mut self, story: Story) {
        self.paid();
        let parts: &[i64] = match story {
            Story::PartialRefunds => &[10, 25, 15],
            Story::RefundedInParts => &[40, 60],
            _ => &[100],
        };
        let mut left = self.amount;
        for (number, part) in parts.iter().enumerate() {
            let last = story == Story::RefundedInParts && number + 1 == parts.len();
            let amount = match (*part, last) {
                (100, _) | (_, true) => left,
                (part, false) => (self.amount.saturating_mul(part) / 100).max(1),
            };
            left = left.saturating_sub(amount);
            // Two partial refunds in one second are legal, and hard to put in order.
            self.pause(200, 2_000).then(Action::Refund {
                amount,
                pending: false,
            });
        }
        for number in 0..parts.len() {
            self.pause(0, 900).then(Action::ReferenceRefund { number });
        }
    }

    pub(super) fn slow_refund(&mut self, story: Story) {
        let amount = self.amount;
        self.paid();
        self.pause(300, 2_000).then(Action::Refund {
            amount,
            pending: true,
        });
        self.pause(1_000, 4_000)
            .then(Action::SettleRefund { number: 0 });
        if story == Story::RefundFailed {
            self.pause(1_500, 4_000)
                .then(Action::FailRefund { number: 0 });
        }
    }

    pub(super) fn disputed(&mut self, story: Story) {
        let inquiry = matches!(story, Story::InquiryClosed | Story::InquiryEscalated);
        self.paid();
        let amount = match story {
            Story::PartialDisputeLost => self.amount / 3,
            _ => self.amount,
        };
        self.pause(500, 3_000)
            .then(Action::Dispute { inquiry, amount });
        if story == Story::InquiryEscalated {
            self.pause(1_000, 3_000).then(Action::EscalateInquiry);
        }
        if story == Story::DisputeOpen {
            return;
        }
        self.pause(300, 2_500).then(Action::SubmitEvidence);
        let ends: &[&str] = match story {
            Story::DisputeWon => &["won"],
            Story::InquiryClosed => &["warning_closed"],
            Story::DisputeLateWin => &["lost", "won"],
            _ => &["lost"],
        };
        for status in ends {
            self.pause(500, 3_000).then(Action::CloseDispute { status });
        }
    }
}
