//! Scenes of invoices and subscriptions.

use super::super::super::random::chance;
use super::super::{Action, Bill, Mode, Story};
use super::Script;

impl Script<'_> {
    pub(super) fn billed(&mut self, story: Story) {
        match story {
            Story::Subscribed | Story::SubscribedOldShape => self.subscribed(story),
            Story::SubscriptionExpired => self.subscription_expired(),
            _ => self.invoiced(story),
        }
    }

    fn bill(&mut self, bill: Bill) -> &mut Self {
        self.then(Action::Bill(bill))
    }

    fn invoiced(&mut self, story: Story) {
        self.then(Action::CreateCustomer).bill(Bill::Draft);
        self.pause(0, 900);
        match story {
            Story::InvoiceOutOfBand | Story::InvoiceOutOfBandOldShape => {
                // Versions before basil know no payment records.
                let with_record = story == Story::InvoiceOutOfBand && chance(self.random, 0.5);
                self.bill(Bill::Send).pause(500, 3_000);
                self.bill(Bill::PayOutOfBand { with_record });
                return;
            }
            Story::InvoiceFromBalance => {
                self.bill(Bill::FinalizeFromBalance);
                return;
            }
            _ => {
                self.bill(Bill::Finalize);
            }
        }
        if matches!(story, Story::InvoiceFailed | Story::InvoiceFailedThenPaid) {
            self.pause(200, 1_500).bill(Bill::Fail);
        }
        self.pause(500, 3_000);
        match story {
            Story::InvoiceVoided => {
                self.bill(Bill::Void);
            }
            Story::InvoicePaid | Story::InvoicePaidOldShape | Story::InvoiceFailedThenPaid => {
                self.bill(Bill::Pay);
            }
            _ => {}
        }
    }

    fn subscribed(&mut self, story: Story) {
        self.then(Action::CreateCustomer).then(Action::OpenSession {
            mode: Mode::Subscription,
        });
        self.pause(500, 2_000).then(Action::AttachMethod);
        // Since basil, Checkout creates the subscription once its first invoice is paid.
        let old = story == Story::SubscribedOldShape;
        self.bill(Bill::Subscribe {
            status: if old { "incomplete" } else { "active" },
        });
        self.bill(Bill::DraftFirst).bill(Bill::Finalize);
        if old {
            self.pause(0, 1_200).bill(Bill::Pay).bill(Bill::Activate);
        } else {
            self.bill(Bill::Pay);
        }
        self.then(Action::CompleteSession);
        self.pause(2_000, 5_000).bill(Bill::Renew);
    }

    /// The booking system subscribes the customer by the API; the first payment fails for good.
    fn subscription_expired(&mut self) {
        self.then(Action::CreateCustomer);
        self.pause(200, 1_500).bill(Bill::Subscribe {
            status: "incomplete",
        });
        self.bill(Bill::DraftFirst).bill(Bill::Finalize);
        self.pause(0, 1_200).bill(Bill::Fail);
        self.pause(2_000, 5_000).bill(Bill::ExpireSubscription);
    }
}
