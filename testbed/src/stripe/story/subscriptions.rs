//! Subscriptions: the first invoice pays the booking, renewals are the subscription's own.
//!
//! Source: docs.stripe.com/billing/subscriptions/overview.

use super::super::model::{IllegalStep, subscription};
use super::play::Stage;

impl Stage<'_> {
    fn subscription(&self) -> String {
        self.play.subscription.clone().unwrap_or_default()
    }

    pub(super) fn subscribe(&mut self, status: &str) -> Result<(), IllegalStep> {
        let id = self.mint("sub_1", 23);
        let booking = self.play.plan.booking.id.clone();
        let value = subscription::new(&self.common(), &id, &booking, status);
        self.put(value);
        self.play.subscription = Some(id.clone());
        self.emit("customer.subscription.created", &id, None);
        Ok(())
    }

    fn subscription_event(&mut self, patch: &serde_json::Value) -> Result<(), IllegalStep> {
        let id = self.subscription();
        let before = self.step(&id, patch)?;
        self.emit("customer.subscription.updated", &id, Some(&before));
        Ok(())
    }

    pub(super) fn draft_first(&mut self) -> Result<(), IllegalStep> {
        let invoice = self.draft("subscription_create");
        self.subscription_event(&subscription::billed_by(&invoice))
    }

    pub(super) fn activate(&mut self) -> Result<(), IllegalStep> {
        self.subscription_event(&subscription::activated())
    }

    pub(super) fn renew(&mut self) -> Result<(), IllegalStep> {
        let invoice = self.draft("subscription_cycle");
        let id = self.subscription();
        let patch = subscription::renewed(&self.common(), &id, &invoice, self.now_s);
        self.subscription_event(&patch)?;
        self.finalize()?;
        self.pay_invoice()
    }

    pub(super) fn expire_subscription(&mut self) -> Result<(), IllegalStep> {
        self.subscription_event(&subscription::incomplete_expired(self.now_s))?;
        self.void_invoice()
    }
}
