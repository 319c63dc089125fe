//! Money that goes back: refunds, disputes, and the refunds that Stripe made for authorizations.
//!
//! Source: docs.stripe.com/refunds, /disputes; changelog of 2025-03-31.basil.

use serde_json::json;

use super::pieces::Payment;
use crate::histories::expected::number;
use crate::histories::ledger::Kind;
use crate::histories::recorder::Recorder;

/// Makes a refund object. The total that the charge shows does not change.
fn make(history: &mut Recorder, of: &Payment, amount: i64, status: &str) -> String {
    history.wait(86_400);
    let id = history.id("re");
    history.create(
        "refund.created",
        json!({
            "id": id, "object": "refund", "status": status, "amount": amount, "reason": null,
            "currency": of.price.currency, "charge": of.charge, "created": history.now,
            "payment_intent": history.get(&of.charge).get("payment_intent"), "metadata": {},
        }),
    );
    id
}

/// Raises or lowers the total that the charge shows.
fn total(history: &mut Recorder, of: &Payment, event_type: &str, by: i64) {
    let charge = history.get(&of.charge);
    let refunded = number(charge, "amount_refunded") + by;
    // Before basil the part that was not captured counts as refunded, too.
    let whole = match history.old_version {
        true => number(charge, "amount"),
        false => number(charge, "amount_captured"),
    };
    let all = refunded == whole;
    let patch = json!({"amount_refunded": refunded, "refunded": all});
    history.change(event_type, &of.charge, &patch);
}

/// A refund that succeeds, or is on its way.
pub(super) fn refund(history: &mut Recorder, of: &Payment, amount: i64) -> String {
    let id = refund_unbooked(history, of, amount);
    history.ledger.write(&of.share, &id, Kind::Refunded, amount);
    id
}

/// A refund whose shares the caller books.
pub(super) fn refund_unbooked(history: &mut Recorder, of: &Payment, amount: i64) -> String {
    let id = make(history, of, amount, "pending");
    total(history, of, "charge.refunded", amount);
    if history.happens(0.7) {
        history.wait(86_400);
        history.change("refund.updated", &id, &json!({"status": "succeeded"}));
    }
    id
}

/// A refund that comes back from the bank, perhaps after it succeeded.
pub(super) fn failed_refund(history: &mut Recorder, of: &Payment, amount: i64) {
    let id = refund_unbooked(history, of, amount);
    history.wait(86_400);
    let patch = json!({"status": "failed", "failure_reason": "expired_or_canceled_card"});
    history.change("refund.failed", &id, &patch);
    total(history, of, "charge.updated", -amount);
}

/// A refund that waits for the customer: then it goes on, is canceled, or goes on waiting.
pub(super) fn refund_with_action(history: &mut Recorder, of: &Payment, amount: i64) {
    let id = make(history, of, amount, "requires_action");
    if history.happens(0.3) {
        history
            .ledger
            .write(&of.share, &id, Kind::PendingAction, amount);
        return;
    }
    history.wait(86_400);
    if history.happens(0.5) {
        history.change("refund.updated", &id, &json!({"status": "canceled"}));
        return;
    }
    history.change("refund.updated", &id, &json!({"status": "pending"}));
    total(history, of, "charge.refunded", amount);
    history.ledger.write(&of.share, &id, Kind::Refunded, amount);
}

/// Before basil Stripe gave an authorization back by a refund: an object, not money.
/// The charge has been changed by the same call.
pub(super) fn release(history: &mut Recorder, of: &Payment, amount: i64, expired: bool) {
    let id = history.id("re");
    let reason = expired.then_some("expired_uncaptured_charge");
    history.create(
        "refund.created",
        json!({
            "id": id, "object": "refund", "status": "succeeded", "amount": amount, "reason": reason,
            "currency": of.price.currency, "charge": of.charge, "created": history.now,
            "payment_intent": of.intent, "metadata": {},
        }),
    );
}

/// A dispute of a part or the whole of a payment.
#[derive(Debug)]
pub(super) struct Dispute {
    id: String,
    amount: i64,
}

pub(super) fn dispute(history: &mut Recorder, of: &Payment, amount: i64) -> Dispute {
    let dispute = raise(history, of, amount, "needs_response");
    history
        .ledger
        .write(&of.share, &dispute.id, Kind::Disputed, amount);
    history.also("charge.dispute.funds_withdrawn");
    history.tick(60);
    history.change("charge.updated", &of.charge, &json!({"disputed": true}));
    dispute
}

/// A question by the bank: no money moves.
pub(super) fn inquiry(history: &mut Recorder, of: &Payment, amount: i64) -> Dispute {
    raise(history, of, amount, "warning_needs_response")
}

fn raise(history: &mut Recorder, of: &Payment, amount: i64, status: &str) -> Dispute {
    history.wait(86_400);
    let id = history.id("dp");
    history.create(
        "charge.dispute.created",
        json!({
            "id": id, "object": "dispute", "status": status, "amount": amount,
            "currency": of.price.currency, "charge": of.charge, "created": history.now,
            "payment_intent": history.get(&of.charge).get("payment_intent"), "metadata": {},
        }),
    );
    Dispute { id, amount }
}

impl Dispute {
    /// The dispute reaches a state; money moves as the state says.
    pub(super) fn becomes(&self, history: &mut Recorder, of: &Payment, status: &str) {
        history.wait(86_400);
        let closed = ["won", "lost", "warning_closed", "prevented"].contains(&status);
        let event_type = if closed {
            "charge.dispute.closed"
        } else {
            "charge.dispute.updated"
        };
        history.change(event_type, &self.id, &json!({ "status": status }));
        history.ledger.clear(&self.id, Kind::Disputed);
        history.ledger.clear(&self.id, Kind::Lost);
        match status {
            "lost" => history
                .ledger
                .write(&of.share, &self.id, Kind::Lost, self.amount),
            "needs_response" | "under_review" => {
                history
                    .ledger
                    .write(&of.share, &self.id, Kind::Disputed, self.amount);
            }
            _ => {}
        }
    }
}
