//! Authorizations: standing, voided, expired, captured in part or in parts, a lost event.
//!
//! Source: docs.stripe.com/payments/place-a-hold-on-a-payment-method, /payments/multicapture.

use serde_json::{Value, json};

use super::back::{refund, release};
use super::pieces::{
    Payment, Price, naming, open_as, part_of, registered, some_booking, some_price,
};
use crate::histories::expected::number;
use crate::histories::ledger::Kind;
use crate::histories::recorder::Recorder;

/// An intent with a standing authorization.
fn hold(history: &mut Recorder, booking: &str, price: Price) -> Payment {
    let more = json!({"metadata": naming(booking), "capture_method": "manual"});
    let payment = open_as(history, Some(booking), price, &more);
    authorize(history, &payment);
    payment
}

pub(super) fn authorize(history: &mut Recorder, payment: &Payment) {
    history.tick(600);
    let charge = payment.new_charge(history, 0);
    history.create("charge.succeeded", charge);
    let patch = json!({"status": "requires_capture", "amount_capturable": payment.price.amount, "latest_charge": payment.charge});
    let event_type = "payment_intent.amount_capturable_updated";
    history.change(event_type, &payment.intent, &patch);
    let amount = payment.price.amount;
    history
        .ledger
        .write(&payment.share, &payment.intent, Kind::Authorized, amount);
    payment.attempt(history, "authorized");
}

pub(super) fn stands(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let held = if history.happens(0.5) {
        price.amount * 6 / 5
    } else {
        price.amount
    };
    hold(history, &booking, price.of(held));
}

pub(super) fn voided(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let payment = hold(history, &booking, price);
    payment.cancel(history, "requested_by_customer");
    if history.old_version {
        given_back(history, &payment, false);
    }
}

pub(super) fn expired(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let payment = hold(history, &booking, price);
    history.wait(7 * 86_400);
    let old = history.old_version;
    payment.cancel(history, if old { "automatic" } else { "expired" });
    if old {
        given_back(history, &payment, true);
        history.notify("charge.expired", &payment.charge);
    } else {
        history.notify("charge.expired", &payment.charge);
    }
}

/// The whole authorization goes back in the old way.
fn given_back(history: &mut Recorder, payment: &Payment, expired: bool) {
    let amount = payment.price.amount;
    let patch = json!({"amount_refunded": amount, "refunded": true});
    history.change("charge.refunded", &payment.charge, &patch);
    release(history, payment, amount, expired);
}

/// Takes `amount` in one capture; the rest of the authorization is released. `lost`: no event of
/// the charge reports it.
fn capture(history: &mut Recorder, payment: &Payment, amount: i64, lost: bool) {
    history.wait(86_400);
    let before = number(history.get(&payment.charge), "amount_captured");
    let taken = before + amount;
    let rest = payment.price.amount - taken;
    let mut patch = json!({"captured": true, "amount_captured": taken});
    let releases = history.old_version && rest > 0;
    if releases && let Some(patch) = patch.as_object_mut() {
        patch.insert("amount_refunded".into(), rest.into());
    }
    history.change("charge.captured", &payment.charge, &patch);
    if lost {
        history.lose_last_event();
    } else if releases {
        history.also("charge.refunded");
    }
    if releases {
        release(history, payment, rest, false);
    }
    let patch = json!({"status": "succeeded", "amount_received": taken, "amount_capturable": 0});
    history.change("payment_intent.succeeded", &payment.intent, &patch);
    payment.is_paid(history, taken);
}

/// Perhaps a later real refund, now and then of just the amount that was not captured.
pub(super) fn captured_in_part(history: &mut Recorder) {
    let price = some_price(history);
    let part = part_of(history, price.amount);
    let booking = some_booking(history, price.of(part));
    let payment = hold(history, &booking, price);
    capture(history, &payment, part, false);
    let rest = price.amount - part;
    if history.happens(0.4) && rest <= part {
        refund(history, &payment, rest);
    } else if history.happens(0.4) {
        let back = part_of(history, part);
        refund(history, &payment, back.min(part));
    }
}

pub(super) fn multicapture(history: &mut Recorder) {
    let price = some_price(history);
    let third = price.amount / 3;
    let booking = some_booking(history, price.of(third * 2));
    let payment = hold(history, &booking, price);
    take_part(history, &payment, third);
    if history.happens(0.6) {
        capture(history, &payment, third, false);
    } else if history.happens(0.5) {
        take_part(history, &payment, third);
    }
}

/// A capture that is not the final one.
fn take_part(history: &mut Recorder, payment: &Payment, amount: i64) {
    history.wait(86_400);
    let taken = number(history.get(&payment.charge), "amount_captured") + amount;
    let left = payment.price.amount - taken;
    history.change(
        "charge.updated",
        &payment.charge,
        &json!({"amount_captured": taken}),
    );
    let patch = json!({"amount_received": taken, "amount_capturable": left});
    history.change(
        "payment_intent.amount_capturable_updated",
        &payment.intent,
        &patch,
    );
    let ledger = &mut history.ledger;
    ledger.write(&payment.share, &payment.intent, Kind::Captured, amount);
    ledger.clear(&payment.intent, Kind::Authorized);
    ledger.write(&payment.share, &payment.intent, Kind::Authorized, left);
}

/// `charge.captured` is never delivered; a later event shows the charge as captured.
pub(super) fn lost_capture(history: &mut Recorder) {
    let price = some_price(history);
    // More than half, so that a later refund of a third of it is not the amount released.
    let part = price.amount - part_of(history, price.amount / 4);
    let booking = registered(history, price.of(part));
    let payment = hold(history, &booking, price);
    capture(history, &payment, part, true);
    history.wait(86_400);
    let described = json!({"description": "Stadthotel"});
    history.change("charge.updated", &payment.charge, &described);
    if history.old_version {
        // Nothing proves that the amount was given back by the capture itself.
        let rest = price.amount - part;
        let release = released(history, &payment);
        history
            .ledger
            .write(&payment.share, &release, Kind::Refunded, rest);
        history.ledger.find(&booking, "release_unproven");
    } else if history.happens(0.5) {
        refund(history, &payment, part / 3);
    }
}

/// Id of the refund object that a release made.
fn released(history: &Recorder, payment: &Payment) -> String {
    let refunds = history.of_kind("refund");
    let of = |refund: &&&Value| {
        refund.get("charge").and_then(Value::as_str) == Some(payment.charge.as_str())
    };
    let found = refunds.iter().find(of).and_then(|refund| refund.get("id"));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}
