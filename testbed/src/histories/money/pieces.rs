//! The pieces of a payment: an intent, its charge, attempts, success.
//!
//! Each piece changes the objects, emits the events, and writes the books.
//! Source: docs.stripe.com/payments/paymentintents/lifecycle.

use rand::RngExt;
use serde_json::{Value, json};

use crate::histories::booking::Registered;
use crate::histories::ledger::{Kind, Share};
use crate::histories::recorder::Recorder;

/// An amount in minor units of its currency.
#[derive(Debug, Clone, Copy)]
pub(super) struct Price {
    pub(super) amount: i64,
    pub(super) currency: &'static str,
}

impl Price {
    pub(super) fn of(self, amount: i64) -> Self {
        Self { amount, ..self }
    }
}

/// A payment intent and its charge.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) intent: String,
    pub(super) charge: String,
    pub(super) share: Share,
    pub(super) price: Price,
}

pub(super) fn some_price(history: &mut Recorder) -> Price {
    let currencies = ["eur", "usd", "jpy", "kwd"];
    let at = history.random.random_range(0..currencies.len());
    Price {
        amount: history.random.random_range(1_000..100_000_i64),
        currency: currencies.get(at).copied().unwrap_or("eur"),
    }
}

/// A number that is more than 0 and less than `whole`.
pub(super) fn part_of(history: &mut Recorder, whole: i64) -> i64 {
    history.random.random_range(1..whole.max(2))
}

/// A booking that is registered for a price.
pub(super) fn registered(history: &mut Recorder, price: Price) -> String {
    let id = history.id("booking");
    let registered = Registered {
        amount: price.amount,
        currency: price.currency.to_owned(),
        ..Registered::default()
    };
    history.ledger.open(&id, Some(registered));
    id
}

pub(super) fn unregistered(history: &mut Recorder) -> String {
    let id = history.id("booking");
    history.ledger.open(&id, None);
    id
}

/// A booking that is registered for a price, or not registered.
pub(super) fn some_booking(history: &mut Recorder, price: Price) -> String {
    if history.happens(0.5) {
        registered(history, price)
    } else {
        unregistered(history)
    }
}

/// Metadata that name a booking.
pub(super) fn naming(booking: &str) -> Value {
    json!({ "booking_id": booking })
}

/// A customer's id as a merchant may have chosen it.
pub(super) fn customer_id(history: &mut Recorder) -> String {
    let stripe_made = history.id("cus");
    let chosen = [
        format!("Kundin {stripe_made}"),
        format!("{stripe_made}+vip@example.com"),
        format!("kunden/münchen/{stripe_made}"),
    ];
    let at = history.random.random_range(0..8_usize);
    chosen.into_iter().nth(at).unwrap_or(stripe_made)
}

/// An intent of a booking, with the booking's id in its metadata.
pub(super) fn open(history: &mut Recorder, booking: &str, price: Price) -> Payment {
    let metadata = json!({"metadata": naming(booking)});
    open_as(history, Some(booking), price, &metadata)
}

/// An intent whose money belongs to `booking`; `more`: fields that differ from an ordinary intent's.
pub(super) fn open_as(
    history: &mut Recorder,
    booking: Option<&str>,
    price: Price,
    more: &Value,
) -> Payment {
    let intent = history.id("pi");
    let mut object = json!({
        "id": intent, "object": "payment_intent", "status": "requires_payment_method",
        "amount": price.amount, "amount_received": 0, "amount_capturable": 0,
        "currency": price.currency, "customer": customer_id(history), "capture_method": "automatic",
        "last_payment_error": null, "latest_charge": null, "cancellation_reason": null,
        "canceled_at": null, "created": history.now, "metadata": {},
        "transfer_data": null, "on_behalf_of": null,
    });
    merge(&mut object, more);
    history.create("payment_intent.created", object);
    let share = Share {
        payment: intent.clone(),
        booking: booking.map(str::to_owned),
        currency: price.currency.to_owned(),
    };
    history.ledger.write(&share, &intent, Kind::Captured, 0);
    history.ledger.attempt(&intent, booking, "pending");
    Payment {
        charge: history.id("ch"),
        intent,
        share,
        price,
    }
}

/// Writes `more` over the object's fields.
pub(super) fn merge(object: &mut Value, more: &Value) {
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.clone());
    }
}

impl Payment {
    /// The money of this payment belongs to this booking from now on.
    pub(super) fn hand_over(&mut self, history: &mut Recorder, booking: Option<&str>) {
        self.share.booking = booking.map(str::to_owned);
        history.ledger.hand_over(&self.intent, booking);
    }

    /// The charge as it is made: metadata and routing are copied from the intent.
    pub(super) fn new_charge(&self, history: &Recorder, captured: i64) -> Value {
        let intent = history.get(&self.intent);
        let of = |name: &str| intent.get(name).cloned().unwrap_or_default();
        let capture_before = (captured == 0).then_some(history.now + 7 * 86_400);
        json!({
            "id": self.charge, "object": "charge", "status": "succeeded", "captured": captured > 0,
            "amount": self.price.amount, "amount_captured": captured, "amount_refunded": 0,
            "refunded": false, "disputed": false, "currency": self.price.currency,
            "customer": of("customer"), "payment_intent": self.intent, "created": history.now,
            "metadata": of("metadata"), "description": null,
            "transfer_data": of("transfer_data"), "on_behalf_of": of("on_behalf_of"),
            "payment_method_details": {"type": "card", "card": {"capture_before": capture_before}},
        })
    }

    /// The money is taken.
    pub(super) fn succeed(&self, history: &mut Recorder) {
        history.tick(600);
        let amount = self.price.amount;
        let charge = self.new_charge(history, amount);
        history.create("charge.succeeded", charge);
        let patch = json!({"status": "succeeded", "amount_received": amount, "latest_charge": self.charge, "last_payment_error": null});
        history.change("payment_intent.succeeded", &self.intent, &patch);
        self.is_paid(history, amount);
    }

    /// Books the end of a payment.
    pub(super) fn is_paid(&self, history: &mut Recorder, amount: i64) {
        let ledger = &mut history.ledger;
        for kind in [Kind::InFlight, Kind::Authorized, Kind::Captured] {
            ledger.clear(&self.intent, kind);
        }
        ledger.write(&self.share, &self.intent, Kind::Captured, amount);
        ledger.finish(&self.intent);
        self.attempt(history, "paid");
    }

    /// A debit runs.
    pub(super) fn process(&self, history: &mut Recorder) {
        history.tick(600);
        let patch = json!({"status": "processing", "last_payment_error": null});
        history.change("payment_intent.processing", &self.intent, &patch);
        history
            .ledger
            .write(&self.share, &self.intent, Kind::InFlight, self.price.amount);
        self.attempt(history, "processing");
    }

    /// An attempt fails.
    pub(super) fn fail(&self, history: &mut Recorder) {
        history.wait(600);
        let patch = json!({"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}});
        history.change("payment_intent.payment_failed", &self.intent, &patch);
        history.ledger.clear(&self.intent, Kind::InFlight);
        self.attempt(history, "payment_failed");
    }

    /// The intent ends without money.
    pub(super) fn cancel(&self, history: &mut Recorder, reason: &str) {
        history.wait(600);
        let patch = json!({"status": "canceled", "cancellation_reason": reason, "canceled_at": history.now, "amount_capturable": 0});
        history.change("payment_intent.canceled", &self.intent, &patch);
        self.attempt(history, "canceled");
        history.ledger.clear(&self.intent, Kind::InFlight);
        history.ledger.clear(&self.intent, Kind::Authorized);
    }

    pub(super) fn attempt(&self, history: &mut Recorder, status: &'static str) {
        let booking = self.share.booking.as_deref();
        history.ledger.attempt(&self.intent, booking, status);
    }
}
