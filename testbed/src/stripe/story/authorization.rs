//! Authorizations: captured whole, in part or in parts, voided or expired.
//!
//! Source: docs.stripe.com/payments/place-a-hold-on-a-payment-method, /payments/multicapture and
//! the basil changelog: before basil a release is a refund and is in the charge's total; since
//! then it is neither.

use serde_json::{Value, json};

use super::super::model::{IllegalStep, OLD_VERSION, charge, intent, merged, number, refund, text};
use super::Hold;
use super::play::Stage;

impl Stage<'_> {
    pub(super) fn hold(&mut self, hold: Hold) -> Result<(), IllegalStep> {
        match hold {
            Hold::Authorize { for_s } => self.authorize(for_s),
            Hold::CapturePart { amount } => self.capture_part(amount),
            Hold::Capture { amount } => self.capture(amount),
            Hold::Void => self.release_whole("requested_by_customer"),
            Hold::Expire if self.in_old_shape() => self.release_whole("automatic"),
            Hold::Expire => self.release_whole("expired"),
            Hold::ReferenceRelease => self.reference_release(),
        }
    }

    pub(super) fn in_old_shape(&self) -> bool {
        self.play.plan.version == OLD_VERSION
    }

    pub(super) fn last_charge(&self) -> String {
        self.play.charges.last().cloned().unwrap_or_default()
    }

    fn authorize(&mut self, for_s: i64) -> Result<(), IllegalStep> {
        let charge = self.charge();
        let until = self.now_s.saturating_add(for_s);
        self.step(&charge, &charge::authorized(until))?;
        self.emit("charge.succeeded", &charge, None);
        let amount = self.play.plan.charged;
        let patch = intent::requires_capture(&self.play.payment_method, &charge, amount);
        self.intent_event(&patch, "payment_intent.amount_capturable_updated")
    }

    fn capture_part(&mut self, amount: i64) -> Result<(), IllegalStep> {
        let charge_id = self.last_charge();
        let charge = self.object(&charge_id);
        let so_far = number(&charge, "amount_captured").saturating_add(amount);
        let left = number(&charge, "amount").saturating_sub(so_far);
        let before = self.step(&charge_id, &charge::captured_so_far(so_far))?;
        self.emit("charge.updated", &charge_id, Some(&before));
        let patch = intent::captured_in_part(so_far, left);
        self.intent_event(&patch, "payment_intent.amount_capturable_updated")
    }

    fn capture(&mut self, amount: i64) -> Result<(), IllegalStep> {
        let charge_id = self.last_charge();
        let charge = self.object(&charge_id);
        let total = number(&charge, "amount_captured").saturating_add(amount);
        let left = number(&charge, "amount").saturating_sub(total);
        let refunds_rest = left > 0 && self.in_old_shape();
        let mut patch = charge::captured(total);
        if refunds_rest {
            patch = merged(patch, &json!({ "amount_refunded": left }));
        }
        let before = self.step(&charge_id, &patch)?;
        self.emit("charge.captured", &charge_id, Some(&before));
        if refunds_rest {
            self.refund_release(&charge_id, left, None);
            let before = json!({"amount_refunded": 0});
            self.emit("charge.refunded", &charge_id, Some(&before));
        }
        let patch = intent::succeeded(&self.play.payment_method, &charge_id, total);
        self.intent_event(&patch, "payment_intent.succeeded")
    }

    /// Gives all of an authorization back and cancels its intent.
    fn release_whole(&mut self, reason: &str) -> Result<(), IllegalStep> {
        let charge_id = self.last_charge();
        let expired = reason != "requested_by_customer";
        if self.in_old_shape() {
            let amount = number(&self.object(&charge_id), "amount");
            let why = expired.then_some("expired_uncaptured_charge");
            self.refund_release(&charge_id, amount, why);
            let before = self.step(&charge_id, &charge::released_whole(amount))?;
            self.emit("charge.refunded", &charge_id, Some(&before));
        }
        if expired {
            self.emit("charge.expired", &charge_id, None);
        }
        let patch = intent::canceled(self.now_s, reason);
        self.intent_event(&patch, "payment_intent.canceled")
    }

    /// Makes the refund by which versions before basil show a release. No event tells it yet.
    fn refund_release(&mut self, charge_id: &str, amount: i64, reason: Option<&str>) {
        let id = self.mint("re_3", 23);
        let charge = self.object(charge_id);
        let value = refund::new(&id, &charge, amount, "succeeded", self.now_s);
        self.put(merged(value, &json!({ "reason": reason })));
        self.play.releases.push(id);
    }

    /// The sum of the charge's releases that are refunds.
    pub(super) fn released(&self, charge_id: &str) -> i64 {
        let all = self.play.releases.iter().map(|id| self.object(id));
        all.filter(|refund| text(refund, "charge") == charge_id)
            .map(|refund| number(&refund, "amount"))
            .sum()
    }

    fn reference_release(&mut self) -> Result<(), IllegalStep> {
        let Some(id) = self.play.releases.last().cloned() else {
            return Ok(());
        };
        let before: Value = self.step(&id, &refund::referenced())?;
        self.emit("charge.refund.updated", &id, Some(&before));
        Ok(())
    }
}
