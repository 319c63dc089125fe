//! The pieces of an invoice: draft, open, failed, paid by an intent, closed.
//!
//! Event bodies never hold `payments`; a retrieved invoice does. Before basil the intent and the
//! invoice name each other, since basil `invoice_payment.paid` ties them, once the money is there.
//! Source: docs.stripe.com/invoicing/overview; changelog of 2025-03-31.basil and 2025-05-28.

use serde_json::{Value, json};

use super::pieces::{Payment, Price, customer_id, merge, open_as};
use crate::histories::expected::{number, text};
use crate::histories::ledger::{Kind, Share};
use crate::histories::recorder::Recorder;
use crate::histories::shape::OLD;

/// An invoice and the booking that its money belongs to.
#[derive(Debug)]
pub(super) struct Invoice {
    pub(super) id: String,
    pub(super) share: Share,
    pub(super) price: Price,
}

/// One line. `kind`: `subscription_item_details` or `invoice_item_details`; `period`: its seconds.
pub(super) fn line(
    history: &mut Recorder,
    kind: &str,
    metadata: &Value,
    amount: i64,
    period: (i64, i64),
) -> Value {
    json!({
        "id": history.id("il"), "object": "line_item", "amount": amount, "metadata": metadata,
        "parent": {"type": kind}, "period": {"start": period.0, "end": period.1},
        "discount_amounts": [], "taxes": [], "pricing": {"type": "price_details",
            "price_details": {"price": "Zimmer/Frühstück + WLAN@1", "product": "Zimmer mit Blick"}},
    })
}

fn list(data: &[Value]) -> Value {
    json!({"object": "list", "data": data, "has_more": false})
}

/// A draft over `price`; `more`: fields that differ from an ordinary invoice's.
pub(super) fn draft(
    history: &mut Recorder,
    booking: Option<&str>,
    price: Price,
    more: &Value,
) -> Invoice {
    let id = history.id("in");
    let now = history.now;
    let one = line(
        history,
        "invoice_item_details",
        &json!({}),
        price.amount,
        (now, now),
    );
    let mut object = json!({
        "id": id, "object": "invoice", "status": "draft", "currency": price.currency,
        "customer": customer_id(history), "total": price.amount, "amount_due": price.amount,
        "amount_paid": 0, "amount_remaining": price.amount, "attempt_count": 0, "attempted": false,
        "billing_reason": "manual", "collection_method": "charge_automatically", "created": now,
        "due_date": null, "next_payment_attempt": null, "metadata": {}, "parent": null,
        "period_start": now, "period_end": now, "starting_balance": 0, "ending_balance": null,
        "lines": list(&[one]),
        "status_transitions": {"finalized_at": null, "paid_at": null, "voided_at": null},
        OLD: old(false, false, None),
    });
    merge(&mut object, more);
    history.create("invoice.created", object);
    let share = Share {
        payment: id.clone(),
        booking: booking.map(str::to_owned),
        currency: price.currency.to_owned(),
    };
    Invoice { id, share, price }
}

/// Fields that went with basil.
fn old(paid: bool, out_of_band: bool, by: Option<&Payment>) -> Value {
    let (intent, charge) = (
        by.map(|one| &one.intent),
        by.filter(|_| paid).map(|one| &one.charge),
    );
    json!({"paid": paid, "paid_out_of_band": out_of_band, "payment_intent": intent, "charge": charge})
}

/// An hour later the invoice is due.
pub(super) fn finalize(history: &mut Recorder, invoice: &Invoice) {
    history.wait(3_600);
    let patch = json!({"status": "open", "status_transitions": {"finalized_at": history.now, "paid_at": null, "voided_at": null}});
    history.change("invoice.finalized", &invoice.id, &patch);
    invoice.attempt(history, "pending");
}

/// The intent that Stripe makes for an open invoice, without metadata.
pub(super) fn payment_for(history: &mut Recorder, invoice: &Invoice) -> Payment {
    let due = number(history.get(&invoice.id), "amount_due");
    let more = json!({ OLD: {"invoice": invoice.id} });
    // Since basil nothing ties them before the money is there.
    let booking = invoice
        .share
        .booking
        .as_deref()
        .filter(|_| history.old_version);
    let payment = open_as(history, booking, invoice.price.of(due), &more);
    if history.old_version {
        history.wait(60);
        let named = json!({ OLD: old(false, false, Some(&payment)) });
        history.change("invoice.updated", &invoice.id, &named);
    }
    payment
}

impl Invoice {
    pub(super) fn attempt(&self, history: &mut Recorder, status: &'static str) {
        let booking = self.share.booking.as_deref();
        history.ledger.attempt(&self.id, booking, status);
    }

    /// Attempt `count` fails.
    pub(super) fn fail(&self, history: &mut Recorder, payment: &Payment, count: i64) {
        payment.fail(history);
        let next = history.now + 3 * 86_400;
        let patch =
            json!({"attempt_count": count, "attempted": true, "next_payment_attempt": next});
        history.change("invoice.payment_failed", &self.id, &patch);
        self.attempt(history, "payment_failed");
    }

    /// Attempt `count` is a bank debit, which takes days.
    pub(super) fn debit(&self, history: &mut Recorder, payment: &Payment, count: i64) {
        payment.process(history);
        history.wait(600);
        let patch =
            json!({"attempt_count": count, "attempted": true, "next_payment_attempt": null});
        history.change("invoice.updated", &self.id, &patch);
        self.attempt(history, "processing");
    }

    /// The intent pays the invoice, and its money belongs to the invoice's booking.
    pub(super) fn settle(&self, history: &mut Recorder, payment: &mut Payment) {
        payment.succeed(history);
        payment.hand_over(history, self.share.booking.as_deref());
        let amount = payment.price.amount;
        let tie = paid_part(history, &self.id, payment, amount);
        let patch = json!({ OLD: old(true, false, Some(payment)), "amount_paid": amount });
        self.paid(history, &patch, &[tie]);
        history.also("invoice.payment_succeeded");
    }

    /// A part of an intent paid the whole invoice.
    pub(super) fn paid_by(&self, history: &mut Recorder, tie: Value) {
        let patch = json!({"amount_paid": self.price.amount});
        self.paid(history, &patch, &[tie]);
    }

    /// Nothing is due: a trial's first invoice, or a balance that covers it.
    pub(super) fn paid_by_nothing(&self, history: &mut Recorder) {
        let patch = json!({ OLD: old(true, false, None), "amount_paid": 0 });
        self.paid(history, &patch, &[]);
        if self.price.amount == 0 {
            history.ledger.no_attempt(&self.id);
        }
    }

    /// Somebody paid in cash. Before basil the invoice says so, without an amount; since then only
    /// its list of payments does, which must be retrieved.
    pub(super) fn paid_out_of_band(&self, history: &mut Recorder, recorded: bool) {
        let amount = self.price.amount;
        let mut legacy = old(true, true, None);
        merge(&mut legacy, &json!({"amount_paid": 0}));
        let record = recorded.then(|| {
            let record = json!({"type": "payment_record", "payment_record": history.id("prec")});
            tie(history, &self.id, amount, &record)
        });
        let patch = json!({ OLD: legacy, "amount_paid": amount });
        self.paid(history, &patch, record.as_slice());
        history.must_be_observed(&self.id);
        history
            .ledger
            .write(&self.share, &self.id, Kind::Settled, amount);
        history.ledger.finish(&self.id);
    }

    fn paid(&self, history: &mut Recorder, more: &Value, payments: &[Value]) {
        let invoice = history.get(&self.id);
        let finalized = invoice.pointer("/status_transitions/finalized_at").cloned();
        let count = number(invoice, "attempt_count") + i64::from(!payments.is_empty());
        let mut patch = json!({"status": "paid", "amount_remaining": 0, "attempt_count": count,
            "attempted": true, "next_payment_attempt": null,
            "status_transitions": {"finalized_at": finalized, "paid_at": history.now, "voided_at": null}});
        merge(&mut patch, more);
        history.change("invoice.paid", &self.id, &patch);
        history.answer(&self.id, "payments", list(payments));
        self.attempt(history, "paid");
    }

    /// The invoice ends without money: `void` or `uncollectible`.
    pub(super) fn close(&self, history: &mut Recorder, payment: &Payment, status: &str) {
        history.wait(86_400);
        let event_type = match status {
            "void" => "invoice.voided",
            _ => "invoice.marked_uncollectible",
        };
        history.change(
            event_type,
            &self.id,
            &json!({"status": status, "next_payment_attempt": null}),
        );
        self.attempt(history, "canceled");
        let reason = match status {
            "void" => "void_invoice",
            _ => "abandoned",
        };
        payment.cancel(history, reason);
    }
}

/// A part of an intent pays an invoice; since basil an event tells it.
pub(super) fn paid_part(
    history: &mut Recorder,
    invoice: &str,
    payment: &Payment,
    amount: i64,
) -> Value {
    let by = json!({"type": "payment_intent", "payment_intent": payment.intent});
    let tie = tie(history, invoice, amount, &by);
    if !history.old_version {
        history.create("invoice_payment.paid", tie.clone());
    }
    tie
}

fn tie(history: &mut Recorder, invoice: &str, amount: i64, by: &Value) -> Value {
    let currency = text(history.get(invoice), "currency");
    json!({
        "id": history.id("inpay"), "object": "invoice_payment", "status": "paid", "invoice": invoice,
        "amount_paid": amount, "amount_requested": amount, "currency": currency, "is_default": true,
        "created": history.now, "payment": by,
    })
}
