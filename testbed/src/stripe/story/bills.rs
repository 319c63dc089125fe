//! Invoices: drafted, finalized, paid by an intent, by the balance or outside Stripe, or void.
//!
//! Source: docs.stripe.com/invoicing/overview. Before basil an invoice names its intent; since
//! then only an invoice payment ties the two.

use serde_json::{Value, json};

use super::super::model::{IllegalStep, charge, intent, invoice, number};
use super::Bill;
use super::play::{Billed, Stage};

impl Stage<'_> {
    pub(super) fn bill(&mut self, bill: Bill) -> Result<(), IllegalStep> {
        match bill {
            Bill::Draft => {
                self.draft("manual");
                Ok(())
            }
            Bill::Finalize => self.finalize(),
            Bill::Send => self.open_invoice(self.play.plan.charged, 0),
            Bill::FinalizeFromBalance => self.pay_from_balance(),
            Bill::Fail => self.fail_invoice(),
            Bill::Pay => self.pay_invoice(),
            Bill::PayOutOfBand { with_record } => self.pay_out_of_band(with_record),
            Bill::Void => self.void_invoice(),
            Bill::Subscribe { status } => self.subscribe(status),
            Bill::DraftFirst => self.draft_first(),
            Bill::Activate => self.activate(),
            Bill::Renew => self.renew(),
            Bill::ExpireSubscription => self.expire_subscription(),
        }
    }

    /// The invoice that was drafted last.
    pub(super) fn billed(&self) -> Billed {
        self.play.bills.last().cloned().unwrap_or_default()
    }

    /// Makes an invoice; one of a subscription carries the subscription's metadata, frozen.
    pub(super) fn draft(&mut self, reason: &'static str) -> String {
        let subscription = self.play.subscription.clone().map(|id| {
            let metadata = self.object(&id).get("metadata").cloned();
            (id, metadata.unwrap_or_default())
        });
        let booking = self.play.plan.booking.id.clone();
        let draft = invoice::Draft {
            id: self.mint("in_1", 23),
            line: self.mint("il_1", 23),
            reason,
            booking: subscription.is_none().then_some(booking),
            subscription,
        };
        self.put(invoice::new(&self.common(), &draft));
        self.play.bills.push(Billed {
            invoice: draft.id.clone(),
            is_renewal: reason == "subscription_cycle",
            ..Billed::default()
        });
        self.emit("invoice.created", &draft.id, None);
        draft.id
    }

    fn open_invoice(&mut self, due: i64, from_balance: i64) -> Result<(), IllegalStep> {
        let id = self.billed().invoice;
        let patch = invoice::finalized(&id, due, from_balance, self.now_s);
        self.step(&id, &patch)?;
        self.emit("invoice.finalized", &id, None);
        Ok(())
    }

    /// Opens the invoice with an intent, which names no booking, and the tie between the two.
    pub(super) fn finalize(&mut self) -> Result<(), IllegalStep> {
        let billed = self.billed();
        let intent_id = self.mint("pi_3", 23);
        self.put(intent::new(&self.common(), &intent_id, None, false));
        if !billed.is_renewal {
            self.play.intents.push(intent_id.clone());
        }
        let payment = self.mint("inpay_1", 23);
        let by = json!({"payment_intent": intent_id, "type": "payment_intent"});
        let common = self.common();
        self.put(invoice::payment(&common, &payment, &billed.invoice, &by));
        if let Some(billed) = self.play.bills.last_mut() {
            billed.intent = Some(intent_id.clone());
            billed.payment = Some(payment);
        }
        self.emit("payment_intent.created", &intent_id, None);
        self.open_invoice(self.play.plan.charged, 0)
    }

    /// A new charge of the invoice's intent.
    fn collect(&mut self, billed: &Billed) -> String {
        let id = self.mint("ch_3", 23);
        let intent = billed.intent.clone().unwrap_or_default();
        self.put(charge::new(&self.common(), &id, &intent, &json!({})));
        if !billed.is_renewal {
            self.play.charges.push(id.clone());
        }
        id
    }

    fn change(&mut self, id: &str, patch: &Value, kind: &str) -> Result<(), IllegalStep> {
        self.step(id, patch)?;
        self.emit(kind, id, None);
        Ok(())
    }

    fn fail_invoice(&mut self) -> Result<(), IllegalStep> {
        let billed = self.billed();
        let code = "card_declined";
        let charge_id = self.collect(&billed);
        self.change(&charge_id, &charge::failed(code), "charge.failed")?;
        let intent_id = billed.intent.unwrap_or_default();
        let patch = intent::failed(&charge_id, code);
        self.change(&intent_id, &patch, "payment_intent.payment_failed")?;
        let attempt = number(&self.object(&billed.invoice), "attempt_count").saturating_add(1);
        let patch = invoice::failed(attempt, self.now_s);
        self.change(&billed.invoice, &patch, "invoice.payment_failed")
    }

    pub(super) fn pay_invoice(&mut self) -> Result<(), IllegalStep> {
        let billed = self.billed();
        let amount = self.play.plan.charged;
        let charge_id = self.collect(&billed);
        self.change(&charge_id, &charge::captured(amount), "charge.succeeded")?;
        let intent_id = billed.intent.unwrap_or_default();
        let patch = intent::succeeded(&self.play.payment_method, &charge_id, amount);
        self.change(&intent_id, &patch, "payment_intent.succeeded")?;
        let payment = billed.payment.unwrap_or_default();
        self.step(&payment, &invoice::payment_paid(amount, self.now_s))?;
        let attempt = number(&self.object(&billed.invoice), "attempt_count").saturating_add(1);
        let patch = invoice::paid(amount, attempt, self.now_s);
        self.change(&billed.invoice, &patch, "invoice.paid")?;
        self.emit("invoice.payment_succeeded", &billed.invoice, None);
        if !self.in_old_shape() {
            self.emit("invoice_payment.paid", &payment, None);
        }
        Ok(())
    }

    fn pay_from_balance(&mut self) -> Result<(), IllegalStep> {
        self.open_invoice(0, self.play.plan.charged)?;
        let id = self.billed().invoice;
        if let Some(billed) = self.play.bills.last_mut() {
            billed.from_balance = true;
        }
        let patch = invoice::paid(0, 0, self.now_s);
        self.change(&id, &patch, "invoice.paid")?;
        self.emit("invoice.payment_succeeded", &id, None);
        Ok(())
    }

    /// Paid in cash, say. A payment record is a payment of the invoice without any event.
    fn pay_out_of_band(&mut self, with_record: bool) -> Result<(), IllegalStep> {
        let (id, amount) = (self.billed().invoice, self.play.plan.charged);
        if with_record {
            let payment = self.mint("inpay_1", 23);
            let record = self.mint("pr_1", 23);
            let by = json!({"payment_record": record, "type": "payment_record"});
            self.put(invoice::payment(&self.common(), &payment, &id, &by));
            self.step(&payment, &invoice::payment_paid(amount, self.now_s))?;
        }
        if let Some(billed) = self.play.bills.last_mut() {
            billed.out_of_band = true;
        }
        let patch = invoice::paid(amount, 0, self.now_s);
        self.change(&id, &patch, "invoice.paid")
    }

    pub(super) fn void_invoice(&mut self) -> Result<(), IllegalStep> {
        let billed = self.billed();
        let patch = invoice::voided(self.now_s);
        self.change(&billed.invoice, &patch, "invoice.voided")?;
        if let Some(payment) = &billed.payment {
            self.step(payment, &invoice::payment_canceled(self.now_s))?;
        }
        let Some(intent_id) = billed.intent else {
            return Ok(());
        };
        let patch = intent::canceled(self.now_s, "void_invoice");
        self.change(&intent_id, &patch, "payment_intent.canceled")
    }
}
