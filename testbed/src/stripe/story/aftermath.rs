//! What happens after the payment: refunds and disputes.

use serde_json::{Value, json};

use super::super::model::{IllegalStep, charge, dispute, number, refund, text};
use super::play::Stage;

impl Stage<'_> {
    /// Brings the charge's refunded total in line with its refunds; returns what it was.
    fn sum_refunds(&mut self, charge_id: &str) -> Result<Value, IllegalStep> {
        let refunded: i64 = self
            .play
            .refunds
            .iter()
            .map(|id| self.object(id))
            .filter(|refund| text(refund, "charge") == charge_id)
            .filter(|refund| matches!(text(refund, "status"), "pending" | "succeeded"))
            .map(|refund| number(&refund, "amount"))
            .sum();
        let captured = number(&self.object(charge_id), "amount_captured");
        let released = self.released(charge_id);
        let (total, whole) = (
            refunded.saturating_add(released),
            captured.saturating_add(released),
        );
        self.step(charge_id, &charge::refunded(total, whole))
    }

    pub(super) fn refund(&mut self, amount: i64, pending: bool) -> Result<(), IllegalStep> {
        let charge_id = self.last_charge();
        let id = self.mint("re_3", 23);
        let status = if pending { "pending" } else { "succeeded" };
        let value = refund::new(&id, &self.object(&charge_id), amount, status, self.now_s);
        self.put(value);
        self.play.refunds.push(id.clone());
        let before = self.sum_refunds(&charge_id)?;
        self.emit("refund.created", &id, None);
        self.emit("charge.refunded", &charge_id, Some(&before));
        Ok(())
    }

    fn refund_step(&mut self, number: usize, patch: &Value) -> Result<String, IllegalStep> {
        let id = self.play.refunds.get(number).cloned().unwrap_or_default();
        let before = self.step(&id, patch)?;
        self.emit("refund.updated", &id, Some(&before));
        // The older name for the same change: two events, one content.
        self.emit("charge.refund.updated", &id, Some(&before));
        Ok(id)
    }

    pub(super) fn reference_refund(&mut self, number: usize) -> Result<(), IllegalStep> {
        self.refund_step(number, &refund::referenced()).map(drop)
    }

    pub(super) fn settle_refund(&mut self, number: usize) -> Result<(), IllegalStep> {
        self.refund_step(number, &json!({"status": "succeeded"}))
            .map(drop)
    }

    /// The charge's total shrinks without an event of the charge.
    pub(super) fn fail_refund(&mut self, number: usize) -> Result<(), IllegalStep> {
        let id = self.refund_step(number, &refund::failed())?;
        self.emit("refund.failed", &id, None);
        let charge_id = text(&self.object(&id), "charge").to_owned();
        self.sum_refunds(&charge_id).map(drop)
    }

    pub(super) fn dispute(&mut self, inquiry: bool, amount: i64) -> Result<(), IllegalStep> {
        let charge_id = self.last_charge();
        let charge = self.object(&charge_id);
        let id = self.mint("du_1", 23);
        self.put(dispute::new(&id, &charge, amount, inquiry, self.now_s));
        self.play.disputes.push(id.clone());
        self.step(&charge_id, &json!({"disputed": true}))?;
        self.emit("charge.dispute.created", &id, None);
        if inquiry {
            return Ok(());
        }
        self.move_funds(&id, -1, "charge.dispute.funds_withdrawn")
    }

    fn move_funds(&mut self, id: &str, sign: i64, kind: &str) -> Result<(), IllegalStep> {
        let transaction = self.mint("txn_1", 23);
        let patch = dispute::funds(&self.object(id), &transaction, sign, self.now_s);
        let before = self.step(id, &patch)?;
        self.emit(kind, id, Some(&before));
        Ok(())
    }

    fn last_dispute(&self) -> (String, bool) {
        let id = self.play.disputes.last().cloned().unwrap_or_default();
        let inquiry = text(&self.object(&id), "status").starts_with("warning");
        (id, inquiry)
    }

    pub(super) fn submit_evidence(&mut self) -> Result<(), IllegalStep> {
        let (id, inquiry) = self.last_dispute();
        let before = self.step(&id, &dispute::submitted(inquiry))?;
        self.emit("charge.dispute.updated", &id, Some(&before));
        Ok(())
    }

    pub(super) fn escalate_inquiry(&mut self) -> Result<(), IllegalStep> {
        let (id, _) = self.last_dispute();
        let before = self.step(&id, &json!({"status": "needs_response"}))?;
        self.emit("charge.dispute.updated", &id, Some(&before));
        self.move_funds(&id, -1, "charge.dispute.funds_withdrawn")
    }

    pub(super) fn close_dispute(&mut self, status: &str) -> Result<(), IllegalStep> {
        let (id, _) = self.last_dispute();
        let before = self.step(&id, &json!({ "status": status }))?;
        self.emit("charge.dispute.closed", &id, Some(&before));
        if status == "won" {
            return self.move_funds(&id, 1, "charge.dispute.funds_reinstated");
        }
        Ok(())
    }
}
