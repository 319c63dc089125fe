//! Carries a story's actions out on the world: what each does to which object, and the events
//! that Stripe would make of it.
//!
//! Invariant: each action is one change at one second; all its events carry that second. Ids
//! come from the booking's own random stream, so no other booking can shift them.

use std::sync::Arc;

use rand::RngExt;
use serde_json::{Value, json};

use super::super::faults::Faults;
use super::super::model::{Common, IllegalStep, charge, customer, intent, number, session, text};
use super::super::random::id;
use super::super::world::events::Event;
use super::super::world::{NewEvent, World};
use super::{Action, Plan};

/// What a running story knows of its objects.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    pub(crate) plan: Plan,
    pub(crate) session: Option<String>,
    pub(crate) intents: Vec<String>,
    pub(crate) charges: Vec<String>,
    pub(crate) refunds: Vec<String>,
    pub(crate) disputes: Vec<String>,
    /// Actions carried out so far.
    pub(crate) done: usize,
    customer: String,
    payment_method: String,
}

impl Play {
    pub(crate) fn new(mut plan: Plan) -> Self {
        let customer = id(&mut plan.random, "cus_", 14);
        let payment_method = id(&mut plan.random, "pm_1", 23);
        Self {
            plan,
            session: None,
            intents: Vec::new(),
            charges: Vec::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            done: 0,
            customer,
            payment_method,
        }
    }

    pub(crate) fn finished(&self) -> bool {
        self.done >= self.plan.steps.len()
    }
}

/// One action in progress.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) play: &'a mut Play,
    /// The second of the action.
    pub(crate) now_s: i64,
    pub(crate) seed: u64,
    pub(crate) livemode: bool,
    pub(crate) faults: &'a Faults,
    pub(crate) events: Vec<Arc<Event>>,
    /// The API request behind the action, if a client made it.
    pub(crate) request: Option<String>,
}

impl Stage<'_> {
    /// Carries out one action.
    ///
    /// # Errors
    /// When the story asks for a step that an object can't take.
    pub(crate) fn act(&mut self, action: &Action) -> Result<(), IllegalStep> {
        match action {
            Action::CreateCustomer => self.create_customer(),
            Action::OpenSession => self.open_session(),
            Action::CreateIntent { manual } => return self.create_intent(*manual),
            Action::AttachMethod => self.attach_method(),
            Action::RequireAction => {
                let patch = intent::requires_action(&self.play.payment_method);
                return self.intent_event(&patch, "payment_intent.requires_action");
            }
            Action::Process => return self.process(),
            Action::Decline { code } => return self.decline(code),
            Action::Authorize => return self.authorize(),
            Action::Capture { amount } => return self.capture(*amount),
            Action::Succeed => return self.succeed(),
            Action::Settle => return self.settle(),
            Action::CompleteSession => return self.complete_session(),
            Action::SessionPaid => {
                return self.session_event(
                    &json!({"payment_status": "paid"}),
                    "checkout.session.async_payment_succeeded",
                );
            }
            Action::SessionFailed => {
                return self.session_event(&json!({}), "checkout.session.async_payment_failed");
            }
            Action::ExpireSession => {
                return self.session_event(&session::expired(), "checkout.session.expired");
            }
            Action::CancelIntent { reason } => {
                let patch = intent::canceled(self.now_s, reason);
                return self.intent_event(&patch, "payment_intent.canceled");
            }
            Action::Refund { amount, pending } => return self.refund(*amount, *pending),
            Action::ReferenceRefund { number } => return self.reference_refund(*number),
            Action::SettleRefund { number } => return self.settle_refund(*number),
            Action::FailRefund { number } => return self.fail_refund(*number),
            Action::Dispute { inquiry } => return self.dispute(*inquiry),
            Action::SubmitEvidence => return self.submit_evidence(),
            Action::EscalateInquiry => return self.escalate_inquiry(),
            Action::CloseDispute { status } => return self.close_dispute(status),
        }
        Ok(())
    }

    pub(crate) fn mint(&mut self, prefix: &str, length: usize) -> String {
        id(&mut self.play.plan.random, prefix, length)
    }

    pub(crate) fn account(&self) -> Option<String> {
        self.play.plan.booking.account.clone()
    }

    pub(crate) fn object(&self, id: &str) -> Value {
        self.world
            .objects
            .get(self.account().as_deref(), id)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn put(&mut self, value: Value) {
        self.world.objects.put(self.account().as_deref(), value);
    }

    /// A step of an object that makes no event by itself; returns what was there before.
    pub(crate) fn step(&mut self, id: &str, patch: &Value) -> Result<Value, IllegalStep> {
        self.world
            .objects
            .step(self.account().as_deref(), id, patch)
    }

    /// Makes an event of an object as it now stands. `previous` only where Stripe shows it.
    pub(crate) fn emit(&mut self, kind: &str, object_id: &str, previous: Option<&Value>) {
        let object = self.object(object_id);
        let event_id = self.mint(event_prefix(&object), 23);
        let twin = self
            .faults
            .twin(self.seed, &event_id)
            .then(|| self.mint(event_prefix(&object), 23));
        for id in std::iter::once(event_id).chain(twin) {
            let hidden = self.faults.invisible_ms(self.seed, &id);
            let visible_ms = self
                .now_s
                .saturating_mul(1000)
                .saturating_add(i64::try_from(hidden).unwrap_or(i64::MAX));
            let event = self.world.emit(NewEvent {
                id,
                kind,
                object: &object,
                previous,
                created: self.now_s,
                account: self.play.plan.booking.account.as_deref(),
                livemode: self.livemode,
                request: self.request.clone(),
                visible_ms,
            });
            self.events.push(event);
        }
    }

    fn common(&self) -> Common {
        Common {
            amount: self.play.plan.charged,
            currency: self.play.plan.charged_currency.clone(),
            created: self.now_s,
            livemode: self.livemode,
            customer: self.play.customer.clone(),
            payment_method: self.play.payment_method.clone(),
        }
    }

    fn create_customer(&mut self) {
        let value = customer::new(&self.common(), self.play.plan.number);
        self.put(value);
        self.emit("customer.created", &self.play.customer.clone(), None);
    }

    fn attach_method(&mut self) {
        let value = customer::payment_method(&self.common());
        self.put(value);
        self.emit(
            "payment_method.attached",
            &self.play.payment_method.clone(),
            None,
        );
    }

    /// Stripe makes no event when a session is opened.
    fn open_session(&mut self) {
        let id = self.mint("cs_test_a1", 56);
        let value = session::new(&self.common(), &id, &self.play.plan.booking.id);
        self.put(value);
        self.play.session = Some(id);
    }

    fn create_intent(&mut self, manual: bool) -> Result<(), IllegalStep> {
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
        if let Some(session) = self.play.session.clone() {
            self.step(&session, &json!({ "payment_intent": id }))?;
        }
        self.emit("payment_intent.created", &id, None);
        self.play.intents.push(id);
        Ok(())
    }

    fn intent(&self) -> String {
        self.play.intents.last().cloned().unwrap_or_default()
    }

    fn intent_event(&mut self, patch: &Value, kind: &str) -> Result<(), IllegalStep> {
        let id = self.intent();
        self.step(&id, patch)?;
        self.emit(kind, &id, None);
        Ok(())
    }

    fn session_event(&mut self, patch: &Value, kind: &str) -> Result<(), IllegalStep> {
        let Some(id) = self.play.session.clone() else {
            return Ok(());
        };
        self.step(&id, patch)?;
        self.emit(kind, &id, None);
        Ok(())
    }

    fn complete_session(&mut self) -> Result<(), IllegalStep> {
        let intent = self.object(&self.intent());
        let paid = text(&intent, "status") == "succeeded";
        self.session_event(&session::completed(paid), "checkout.session.completed")
    }

    /// The charge of the attempt that is going on: the pending one, else a new one.
    fn charge(&mut self) -> String {
        let last = self.play.charges.last().cloned().unwrap_or_default();
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

    fn process(&mut self) -> Result<(), IllegalStep> {
        let charge = self.charge();
        self.emit("charge.pending", &charge, None);
        let patch = intent::processing(&self.play.payment_method, &charge);
        self.intent_event(&patch, "payment_intent.processing")
    }

    fn decline(&mut self, code: &str) -> Result<(), IllegalStep> {
        let charge = self.charge();
        self.step(&charge, &charge::failed(code))?;
        self.emit("charge.failed", &charge, None);
        self.intent_event(
            &intent::failed(&charge, code),
            "payment_intent.payment_failed",
        )
    }

    fn authorize(&mut self) -> Result<(), IllegalStep> {
        let charge = self.charge();
        self.step(&charge, &charge::authorized())?;
        self.emit("charge.succeeded", &charge, None);
        let amount = self.play.plan.charged;
        let patch = intent::requires_capture(&self.play.payment_method, &charge, amount);
        self.intent_event(&patch, "payment_intent.amount_capturable_updated")
    }

    fn capture(&mut self, amount: i64) -> Result<(), IllegalStep> {
        let charge = self.play.charges.last().cloned().unwrap_or_default();
        let before = self.step(&charge, &charge::captured(amount))?;
        self.emit("charge.captured", &charge, Some(&before));
        let patch = intent::succeeded(&self.play.payment_method, &charge, amount);
        self.intent_event(&patch, "payment_intent.succeeded")
    }

    fn succeed(&mut self) -> Result<(), IllegalStep> {
        let charge = self.charge();
        let amount = number(&self.object(&charge), "amount");
        self.step(&charge, &charge::captured(amount))?;
        self.emit("charge.succeeded", &charge, None);
        let patch = intent::succeeded(&self.play.payment_method, &charge, amount);
        self.intent_event(&patch, "payment_intent.succeeded")
    }

    fn settle(&mut self) -> Result<(), IllegalStep> {
        let charge = self.play.charges.last().cloned().unwrap_or_default();
        let transaction = self.mint("txn_3", 23);
        let before = self.step(&charge, &charge::settled(&transaction, &charge))?;
        self.emit("charge.updated", &charge, Some(&before));
        Ok(())
    }
}

/// Events about payments begin with a 3, all others with a 1, as on Stripe.
fn event_prefix(object: &Value) -> &'static str {
    match text(object, "object") {
        "payment_intent" | "charge" | "refund" => "evt_3",
        _ => "evt_1",
    }
}

/// The request id of an action that a client asked for; none if Stripe did it by itself.
pub(crate) fn request_of(
    action: &Action,
    random: &mut super::super::random::Random,
) -> Option<String> {
    let drawn = id(random, "req_", 14);
    let key: u8 = random.random();
    let by_stripe = matches!(
        action,
        Action::Settle
            | Action::ReferenceRefund { .. }
            | Action::SettleRefund { .. }
            | Action::FailRefund { .. }
            | Action::Dispute { .. }
            | Action::EscalateInquiry
            | Action::CloseDispute { .. }
            | Action::SessionPaid
            | Action::SessionFailed
            | Action::ExpireSession
    );
    (!by_stripe && key > 8).then_some(drawn)
}
