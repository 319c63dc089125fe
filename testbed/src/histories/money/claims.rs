//! Whose a payment is: claims that change, go, are missing or blank; people who decide.

use serde_json::json;

use super::back::refund;
use super::holds::authorize;
use super::pieces::{
    Payment, naming, open, open_as, part_of, registered, some_booking, some_price, unregistered,
};
use crate::histories::ledger::Share;
use crate::histories::recorder::Recorder;

/// An unpaid intent is used again for another booking.
pub(super) fn reused_intent(history: &mut Recorder) {
    let price = some_price(history);
    let (first, second) = (unregistered(history), some_booking(history, price));
    let mut payment = open(history, &first, price);
    payment.fail(history);
    history.wait(3_600);
    history.change_silently(&payment.intent, &json!({"metadata": naming(&second)}));
    payment.hand_over(history, Some(&second));
    payment.succeed(history);
    history.ledger.find(&second, "claim_changed");
}

/// The booking id is corrected after payment. No event tells that an intent's metadata changed;
/// the charge's does, so that the intent must be asked for.
pub(super) fn corrected(history: &mut Recorder) {
    let price = some_price(history);
    let (first, second) = (unregistered(history), some_booking(history, price));
    let mut payment = open(history, &first, price);
    payment.succeed(history);
    history.wait(86_400);
    let named = json!({"metadata": naming(&second)});
    history.change_silently(&payment.intent, &named);
    history.change("charge.updated", &payment.charge, &named);
    payment.hand_over(history, Some(&second));
    history.must_be_observed(&payment.intent);
    history.ledger.find(&second, "claim_changed");
}

/// Somebody edits the charge's metadata alone: the intent decides, and the two differ.
pub(super) fn charge_differs(history: &mut Recorder) {
    let price = some_price(history);
    let (booking, other) = (some_booking(history, price), unregistered(history));
    let payment = open(history, &booking, price);
    payment.succeed(history);
    history.wait(86_400);
    let named = json!({"metadata": naming(&other)});
    history.change("charge.updated", &payment.charge, &named);
    history.ledger.find(&booking, "claims_differ");
}

/// A tool empties the metadata between authorization and capture: the claim stays.
pub(super) fn emptied(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let more = json!({"metadata": naming(&booking), "capture_method": "manual"});
    let payment = open_as(history, Some(&booking), price, &more);
    authorize(history, &payment);
    history.wait(86_400);
    history.change_silently(&payment.intent, &json!({"metadata": {}}));
    let captured = json!({"captured": true, "amount_captured": price.amount});
    history.change("charge.captured", &payment.charge, &captured);
    let patch =
        json!({"status": "succeeded", "amount_received": price.amount, "amount_capturable": 0});
    history.change("payment_intent.succeeded", &payment.intent, &patch);
    payment.is_paid(history, price.amount);
    history.ledger.find(&booking, "claim_removed");
}

/// A charge of the old kind, without an intent.
pub(super) fn charge_alone(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let charge = history.id("ch");
    let payment = Payment {
        intent: charge.clone(),
        charge: charge.clone(),
        share: Share {
            payment: charge,
            booking: Some(booking.clone()),
            currency: price.currency.to_owned(),
        },
        price,
    };
    let mut object = payment.new_charge(history, price.amount);
    let own = json!({"payment_intent": null, "metadata": naming(&booking)});
    super::pieces::merge(&mut object, &own);
    history.create("charge.succeeded", object);
    payment.is_paid(history, price.amount);
    if history.happens(0.5) {
        let part = part_of(history, price.amount);
        refund(history, &payment, part);
    }
}

/// The registration names an intent that names no booking.
pub(super) fn registered_intent(history: &mut Recorder) {
    let price = some_price(history);
    let booking = registered(history, price);
    let payment = open_as(history, Some(&booking), price, &json!({}));
    if let Some(registered) = history.ledger.registered(&booking) {
        registered.payment_intent = Some(payment.intent.clone());
    }
    if history.happens(0.8) {
        payment.succeed(history);
    }
}

/// A payment names no booking, or a blank one; perhaps it is refunded.
pub(super) fn unnamed(history: &mut Recorder) {
    let price = some_price(history);
    let more = match history.happens(0.3) {
        true => json!({"metadata": naming("  ")}),
        false => json!({}),
    };
    let payment = open_as(history, None, price, &more);
    payment.succeed(history);
    if history.happens(0.4) {
        let part = part_of(history, price.amount);
        refund(history, &payment, part);
    }
}

/// An operator assigns a payment that named no booking, or another one.
pub(super) fn assigned(history: &mut Recorder) {
    let price = some_price(history);
    let (first, second) = (unregistered(history), registered(history, price));
    let named = history.happens(0.5);
    let payment = match named {
        true => open(history, &first, price),
        false => open_as(history, None, price, &json!({})),
    };
    payment.succeed(history);
    if history.happens(0.3) {
        let part = part_of(history, price.amount);
        refund(history, &payment, part);
    }
    history.assign(&payment.intent, Some(&second));
}

/// An operator takes a payment away from its booking.
pub(super) fn taken_away(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let kept = open(history, &booking, price);
    kept.succeed(history);
    let payment = open(history, &booking, price);
    payment.succeed(history);
    history.assign(&payment.intent, None);
}

/// The expected amount changes.
pub(super) fn amended(history: &mut Recorder) {
    let price = some_price(history);
    let booking = registered(history, price);
    let part = part_of(history, price.amount);
    open(history, &booking, price.of(part)).succeed(history);
    history.amend(&booking, part);
}

/// A second payment is being debited while the booking is confirmed.
pub(super) fn overlapping(history: &mut Recorder) {
    let price = some_price(history);
    let booking = registered(history, price);
    open(history, &booking, price).succeed(history);
    open(history, &booking, price).process(history);
}

/// Objects whose ids the merchant chose.
pub(super) fn custom_ids(history: &mut Recorder) {
    let number = history.id("Nr");
    let price = some_price(history);
    let created = history.now;
    for (event_type, kind, id) in [
        (
            "customer.created",
            "customer",
            format!("Müller & Söhne+{number}@example.com"),
        ),
        ("product.created", "product", format!("Zimmer/Süd {number}")),
        (
            "plan.created",
            "plan",
            format!("Halbpension & Wein {number}"),
        ),
        (
            "coupon.created",
            "coupon",
            format!("10% Frühbucher +{number}"),
        ),
    ] {
        let object = json!({"id": id, "object": kind, "created": created, "metadata": {}});
        history.create(event_type, object);
    }
    let booking = some_booking(history, price);
    let customer = json!({"customer": format!("Müller & Söhne+{number}@example.com"), "metadata": naming(&booking)});
    open_as(history, Some(&booking), price, &customer).succeed(history);
}

/// Money in two currencies never adds up.
pub(super) fn two_currencies(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    open(history, &booking, price).succeed(history);
    history.wait(3_600);
    let other = if price.currency == "eur" {
        "usd"
    } else {
        "eur"
    };
    let other = super::pieces::Price {
        currency: other,
        ..price
    };
    let payment = open(history, &booking, other);
    payment.succeed(history);
    if history.happens(0.3) {
        let held = open_as(
            history,
            Some(&booking),
            other,
            &json!({"metadata": naming(&booking), "capture_method": "manual"}),
        );
        authorize(history, &held);
    }
}
