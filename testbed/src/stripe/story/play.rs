//! Carries a story's actions out on the world: what each does to which object, and the events
//! that Stripe would make of it.
//!
//! Invariant: each action is one change at one second; all its events carry that second. Ids
//! come from the booking's own random stream, so no other booking can shift them.

use std::sync::Arc;

use rand::RngExt;
use serde_json::{Value, json};

use super::super::faults::Faults;
use super::super::model::{Common, IllegalStep, intent, session};
use super::super::random::id;
use super::super::world::World;
use super::super::world::events::Event;
use super::{Action, Bill, Hold, Plan};

/// An invoice of a story and what the story did with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Billed {
    pub(crate) invoice: String,
    pub(crate) intent: Option<String>,
    pub(super) payment: Option<String>,
    /// A subscription's later period: none of the booking's business.
    pub(crate) is_renewal: bool,
    pub(crate) out_of_band: bool,
    pub(crate) from_balance: bool,
}

/// What a running story knows of its objects.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    pub(crate) plan: Plan,
    pub(crate) session: Option<String>,
    pub(crate) intents: Vec<String>,
    pub(crate) charges: Vec<String>,
    pub(crate) refunds: Vec<String>,
    pub(crate) disputes: Vec<String>,
    /// Refunds that give an authorization back (old shape): no money.
    pub(super) releases: Vec<String>,
    pub(crate) bills: Vec<Billed>,
    pub(crate) subscription: Option<String>,
    /// Actions carried out so far.
    pub(crate) done: usize,
    pub(super) customer: String,
    pub(super) payment_method: String,
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
            releases: Vec::new(),
            bills: Vec::new(),
            subscription: None,
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
            Action::OpenSession { mode } => self.open_session(*mode),
            Action::CreateIntent { manual } => return self.create_intent(*manual),
            Action::AttachMethod => self.attach_method(),
            Action::AskCustomer => {
                let patch = intent::requires_action(&self.play.payment_method);
                return self.intent_event(&patch, "payment_intent.requires_action");
            }
            Action::Process => return self.process(),
            Action::Decline { code } => return self.decline(code),
            Action::Hold(hold) => return self.hold(*hold),
            Action::Bill(bill) => return self.bill(*bill),
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
            Action::Dispute { inquiry, amount } => return self.dispute(*inquiry, *amount),
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

    pub(super) fn common(&self) -> Common {
        Common {
            amount: self.play.plan.charged,
            currency: self.play.plan.charged_currency.clone(),
            created: self.now_s,
            livemode: self.livemode,
            customer: self.play.customer.clone(),
            payment_method: self.play.payment_method.clone(),
        }
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
            | Action::Hold(Hold::Expire | Hold::ReferenceRelease)
            | Action::Bill(Bill::Renew | Bill::ExpireSubscription)
    );
    (!by_stripe && key > 8).then_some(drawn)
}
