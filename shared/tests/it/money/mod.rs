//! Stories of money, one for each row of docs/money.md: told event by event, forwards, backwards and
//! twice, each ends in the same booking.
//!
//! A failure is any amount, status, finding or share that differs from what the story says.

mod accounts;
mod authorizations;
mod claims;
mod disputes;
mod invoices;
mod objects;
mod refunds;
mod sessions;
mod shared_payments;
mod statuses;
mod subscriptions;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::folding::graph::Key;
use shared::folding::money::Policy;
use shared::folding::rebuild::{HumanInputs, LedgerReading, Rebuilt};

use crate::told::{captured, event, kinds, observation, ours, rebuilt, registered, shown};

/// What happened, and what people put in.
#[derive(Default)]
pub(super) struct Story {
    told: Vec<LedgerReading>,
    human: HumanInputs,
    policy: Policy,
}

impl Story {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A booking of 100.00 euro.
    pub(super) fn registered(booking: &str) -> Self {
        Self::new().expects(booking, 10_000)
    }

    pub(super) fn expects(mut self, booking: &str, amount: i64) -> Self {
        self.human
            .registered
            .extend([registered(booking, amount, "eur")]);
        self
    }

    pub(super) fn on_account(mut self, booking: &str, account: &str) -> Self {
        self.human.registered.get_mut(booking).unwrap().account = account.to_owned();
        self
    }

    pub(super) fn covers_subscription(mut self, booking: &str) -> Self {
        let held = self.human.registered.get_mut(booking).unwrap();
        held.registration.covers_subscription = true;
        self
    }

    pub(super) fn intent(mut self, intent: &str, booking: &str) -> Self {
        self.human.intents.insert(ours(intent), booking.to_owned());
        self
    }

    pub(super) fn assigns(mut self, object: &str, booking: Option<&str>) -> Self {
        let booking = booking.map(ToOwned::to_owned);
        self.human.assignments.insert(ours(object), booking);
        self
    }

    pub(super) fn with(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// An event of this second.
    pub(super) fn at(self, at: i64, kind: &str, object: Value) -> Self {
        self.changed(at, kind, object, Value::Null)
    }

    /// The same, saying what was before.
    pub(super) fn changed(mut self, at: i64, kind: &str, object: Value, before: Value) -> Self {
        let body = json!({
            "id": format!("evt_{}_{at}", self.told.len()), "object": "event", "type": kind,
            "created": at, "livemode": false,
            "data": {"object": object, "previous_attributes": before},
        });
        self.told.push(event(&body));
        self
    }

    /// An event as it is.
    pub(super) fn raw(mut self, body: &Value) -> Self {
        self.told.push(event(body));
        self
    }

    /// What Stripe returned when it was asked.
    pub(super) fn observed(mut self, at: i64, object: &Value) -> Self {
        self.told.push(observation("", object, at));
        self
    }

    /// How it ends, whatever the order.
    pub(super) fn ends(&self) -> End {
        let end = rebuilt(&self.told, &self.human, self.policy);
        let backwards = rebuilt(self.told.iter().rev(), &self.human, self.policy);
        let twice = rebuilt(self.told.iter().chain(&self.told), &self.human, self.policy);
        for other in [backwards, twice] {
            assert_eq!(end.objects, other.objects);
            assert_eq!(end.shares, other.shares);
            assert_eq!(end.bookings, other.bookings);
            assert_eq!(end.findings, other.findings);
        }
        End(end)
    }
}

/// Where a story ends.
pub(super) struct End(Rebuilt);

impl End {
    /// Status, paid, refunded, net.
    pub(super) fn is(&self, booking: &str, status: &str, money: [i64; 3]) -> &Self {
        let shown = shown(&self.0, booking);
        let it = &shown.amounts;
        let found = (
            shown.status.as_str(),
            [it.amount_paid, it.amount_refunded, it.amount_net],
        );
        assert_eq!(found, (status, money), "{booking}: {shown:?}");
        self
    }

    /// Another amount of a booking, by its column's name.
    pub(super) fn amount(&self, booking: &str, column: &str, amount: i64) -> &Self {
        let shown = serde_json::to_value(shown(&self.0, booking)).unwrap();
        assert_eq!(shown[column], amount, "{booking} {column}: {shown}");
        self
    }

    pub(super) fn column(&self, booking: &str, column: &str) -> Value {
        serde_json::to_value(shown(&self.0, booking)).unwrap()[column].clone()
    }

    /// Exactly these kinds of findings hold.
    pub(super) fn finds(&self, kinds_: &[&'static str]) -> &Self {
        let wanted: BTreeSet<&str> = kinds_.iter().copied().collect();
        assert_eq!(kinds(&self.0), wanted, "{:#?}", self.0.findings);
        self
    }

    /// Of what a payment took so much belongs to bookings, and so much to none.
    pub(super) fn took(&self, payment: &str, all: i64, nobodys: i64) -> &Self {
        let held = captured(&self.0).get(payment).copied();
        assert_eq!(held.unwrap_or_default(), (all, nobodys), "{payment}");
        self
    }

    /// Nothing shows this booking.
    pub(super) fn knows_nothing_of(&self, booking: &str) -> &Self {
        assert!(!self.0.bookings.contains_key(booking), "{booking}");
        self
    }

    pub(super) fn object(
        &self,
        account: &str,
        id: &str,
    ) -> &shared::folding::rebuild::RebuiltObject {
        let key = Key {
            account: account.to_owned(),
            id: id.to_owned(),
        };
        &self.0.objects[&key]
    }
}
