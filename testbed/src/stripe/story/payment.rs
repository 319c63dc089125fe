//! The payment itself: customer, session, intents, charges, up to the capture.

use serde_json::{Value, json};

use super::super::model::{
    IllegalStep, charge, customer, intent, number, session, setup_intent, text,
};
use super::Mode;
use super::play::Stage;

impl Stage<'_> {
    pub(super) fn create_customer(&mut self) {
        let value = customer::new(&self.common(), self.play.plan.number);
        self.put(value);
        self.emit("customer.created", &self.play.customer.clone(), None);
    }

    pub(super) fn attach_method(&mut self) {
        let value = customer::payment_method(&self.common());
        self.put(value);
        self.emit(
            "payment_method.attached",
            &self.play.payment_method.clone(),
            None,
        );
    }

    /// Stripe makes no event when a session is opened.
    pub(super) fn open_session(&mut self, mode: Mode) {
        let id = self.mint("cs_test_a1", 56);
        let (common, booking) = (self.common(), self.play.plan.booking.id.clone());
        let value = match mode {
            Mode::Payment => session::new(&common, &id, &booking),
            Mode::Subscription => session::subscription(&common, &id, &booking),
            Mode::Setup => {
                let setup = self.mint("seti_1", 23);
                self.put(setup_intent::new(&common, &setup));
                self.emit("setup_intent.created", &setup, None);
                session::setup(&common, &id, &booking, &setup)
            }
        };
        self.put(value);
        self.play.session = Some(id);
    }

    fn session_mode(&self) -> String {
        let session = self.play.session.as_deref().unwrap_or_default();
        text(&self.object(session), "mode").to_owned()
    }

    pub(super) fn create_intent(&mut self, manual: bool) -> Result<(), IllegalStep> {
        let Some(id) = self.play.plan.intents.get(self.play.intents.len()).cloned() else {
            return Ok(());
        };
        let booking = self
            .play
            .plan
            .tagged_intent
            .then_some(self.play.plan.booking.id.as_str());
        let value = intent::new(&self.common(), &id, booking, manual);
        self.put(value);
        if self.session_mode() == "payment"
            && let Some(session) = self.play.session.clone()
        {
            self.step(&session, &json!({ "payment_intent": id }))?;
        }
        self.emit("payment_intent.created", &id, None);
        self.play.intents.push(id);
        Ok(())
    }

    pub(super) fn intent(&self) -> String {
        self.play.intents.last().cloned().unwrap_or_default()
    }

    pub(super) fn intent_event(&mut self, patch: &Value, kind: &str) -> Result<(), IllegalStep> {
        let id = self.intent();
        self.step(&id, patch)?;
        self.emit(kind, &id, None);
        Ok(())
    }

    pub(super) fn session_event(&mut self, patch: &Value, kind: &str) -> Result<(), IllegalStep> {
        let Some(id) = self.play.session.clone() else {
            return Ok(());
        };
        self.step(&id, patch)?;
        self.emit(kind, &id, None);
        Ok(())
    }

    pub(super) fn complete_session(&mut self) -> Result<(), IllegalStep> {
        let patch = match self.session_mode().as_str() {
            "setup" => {
                self.finish_setup()?;
                session::set_up()
            }
            "subscription" => {
                let subscription = self.play.subscription.clone().unwrap_or_default();
                session::subscribed(&subscription, &self.billed().invoice)
            }
            _ => {
                let intent = self.object(&self.intent());
                session::completed(text(&intent, "status") == "succeeded")
            }
        };
        self.session_event(&patch, "checkout.session.completed")
    }

    fn finish_setup(&mut self) -> Result<(), IllegalStep> {
        let session = self.play.session.clone().unwrap_or_default();
        let setup = text(&self.object(&session), "setup_intent").to_owned();
        let patch = setup_intent::succeeded(&self.play.payment_method);
        self.step(&setup, &patch)?;
        self.emit("setup_intent.succeeded", &setup, None);
        Ok(())
    }

    /// The charge of the attempt that is going on: the pending one, else a new one.
    pub(super) fn charge(&mut self) -> String {
        let last = self.last_charge();
        let waiting = self.object(&last);
        let ours = text(&waiting, "payment_intent") == self.intent();
        if ours && text(&waiting, "status") == "pending" {
            return last;
        }
        let id = self.mint("ch_3", 23);
        let intent = self.object(&self.intent());
        // Copied once, at this moment; later edits of the intent's metadata don't reach it.
        let metadata = intent.get("metadata").cloned().unwrap_or_default();
        let value = charge::new(&self.common(), &id, &self.intent(), &metadata);
        self.put(value);
        self.play.charges.push(id.clone());
        id
    }

    pub(super) fn process(&mut self) -> Result<(), IllegalStep> {
        let charge = self.charge();
        self.emit("charge.pending", &charge, None);
        let patch = intent::processing(&self.play.payment_method, &charge);
        self.intent_event(&patch, "payment_intent.processing")
    }

    pub(super) fn decline(&mut self, code: &str) -> Result<(), IllegalStep> {
        let charge = self.charge();
        self.step(&charge, &charge::failed(code))?;
        self.emit("charge.failed", &charge, None);
        self.intent_event(
            &intent::failed(&charge, code),
            "payment_intent.payment_failed",
        )
    }

    pub(super) fn succeed(&mut self) -> Result<(), IllegalStep> {
        let charge = self.charge();
        let amount = number(&self.object(&charge), "amount");
        self.step(&charge, &charge::captured(amount))?;
        self.emit("charge.succeeded", &charge, None);
        let patch = intent::succeeded(&self.play.payment_method, &charge, amount);
        self.intent_event(&patch, "payment_intent.succeeded")
    }

    pub(super) fn settle(&mut self) -> Result<(), IllegalStep> {
        let charge = self.last_charge();
        let transaction = self.mint("txn_3", 23);
        let before = self.step(&charge, &charge::settled(&transaction, &charge))?;
        self.emit("charge.updated", &charge, Some(&before));
        Ok(())
    }
}
