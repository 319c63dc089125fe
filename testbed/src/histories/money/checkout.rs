//! Checkout sessions that take no money themselves: setup, trials, free orders, delayed debits.
//!
//! Source: docs.stripe.com/api/checkout/sessions/object, /payments/checkout/free-trials.

use serde_json::{Value, json};

use super::invoices::{draft, finalize, line, payment_for};
use super::pieces::{
    Price, customer_id, merge, naming, open, open_as, registered, some_booking, some_price,
    unregistered,
};
use super::subscriptions::{DAY, subscribe};
use crate::histories::recorder::Recorder;

/// A session that names its booking; open, it is an attempt.
pub(super) fn session(
    history: &mut Recorder,
    booking: &str,
    mode: &str,
    price: Option<Price>,
) -> String {
    let id = history.id("cs");
    let object = json!({
        "id": id, "object": "checkout.session", "status": "open", "payment_status": "unpaid",
        "mode": mode, "currency": price.map(|one| one.currency), "created": history.now,
        "amount_total": price.map(|one| one.amount), "payment_intent": null, "subscription": null,
        "invoice": null, "setup_intent": null, "client_reference_id": null,
        "customer": customer_id(history), "metadata": naming(booking),
    });
    history.create("checkout.session.created", object);
    if mode != "setup" {
        history.ledger.attempt(&id, Some(booking), "pending");
    }
    history.tick(300);
    id
}

/// The customer finishes; what the session leads to is the attempt from now on.
pub(super) fn complete(history: &mut Recorder, session: &str, payment_status: &str, more: &Value) {
    let mut patch = json!({"status": "complete", "payment_status": payment_status});
    merge(&mut patch, more);
    history.change("checkout.session.completed", session, &patch);
    history.ledger.no_attempt(session);
}

pub(super) fn setup_then_paid(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let session = session(history, &booking, "setup", None);
    let setup = history.id("seti");
    complete(
        history,
        &session,
        "no_payment_required",
        &json!({"setup_intent": setup}),
    );
    if history.happens(0.7) {
        history.wait(30 * DAY);
        open(history, &booking, price).succeed(history);
    }
}

pub(super) fn free(history: &mut Recorder) {
    let price = some_price(history);
    let nothing = price.of(0);
    let booking = match history.happens(0.5) {
        true => registered(history, nothing),
        false => some_booking(history, price),
    };
    let session = session(history, &booking, "payment", Some(nothing));
    complete(history, &session, "no_payment_required", &json!({}));
    history.ledger.free(&booking);
    history.ledger.attempt(&session, Some(&booking), "paid");
}

pub(super) fn session_expires(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let session = session(history, &booking, "payment", Some(price));
    if history.happens(0.7) {
        history.wait(DAY);
        history.change(
            "checkout.session.expired",
            &session,
            &json!({"status": "expired"}),
        );
        history.ledger.attempt(&session, Some(&booking), "canceled");
    }
}

/// The intent learns its booking from the session alone; the money comes, or not, days later.
pub(super) fn delayed(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let session = session(history, &booking, "payment", Some(price));
    let payment = open_as(history, Some(&booking), price, &json!({}));
    payment.process(history);
    complete(
        history,
        &session,
        "unpaid",
        &json!({"payment_intent": payment.intent}),
    );
    history.wait(5 * DAY);
    if history.happens(0.5) {
        payment.succeed(history);
        let paid = json!({"payment_status": "paid"});
        history.change("checkout.session.async_payment_succeeded", &session, &paid);
    } else if history.happens(0.7) {
        payment.fail(history);
        history.notify("checkout.session.async_payment_failed", &session);
    }
}

/// A trial: nothing is due at first, then its first invoice decides.
pub(super) fn trial(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let payment = trial_ends(history, &booking, price);
    if let Some((invoice, mut payment, subscription)) = payment {
        invoice.settle(history, &mut payment);
        history.change(
            "customer.subscription.updated",
            &subscription,
            &json!({"status": "active"}),
        );
    }
}

/// The payment at the end of the trial fails; in the end the subscription may be given up.
pub(super) fn trial_fails(history: &mut Recorder) {
    let price = some_price(history);
    let booking = unregistered(history);
    let Some((invoice, payment, subscription)) = trial_ends(history, &booking, price) else {
        return;
    };
    invoice.fail(history, &payment, 1);
    history.change(
        "customer.subscription.updated",
        &subscription,
        &json!({"status": "past_due"}),
    );
    if history.happens(0.5) {
        history.wait(20 * DAY);
        invoice.close(history, &payment, "void");
        let end =
            json!({"status": "canceled", "canceled_at": history.now, "ended_at": history.now});
        history.change("customer.subscription.deleted", &subscription, &end);
        history
            .ledger
            .attempt(&subscription, Some(&booking), "canceled");
    }
}

type Due = (super::invoices::Invoice, super::pieces::Payment, String);

/// The trial's invoice is open; none: the trial still runs.
fn trial_ends(history: &mut Recorder, booking: &str, price: Price) -> Option<Due> {
    let session = session(history, booking, "subscription", Some(price.of(0)));
    let trial_end = history.now + 14 * DAY;
    let subscription = subscribe(history, &naming(booking), price, Some(trial_end));
    let details = json!({"parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription, "metadata": naming(booking)}}});
    let mut first = details.clone();
    let trial_line = line(
        history,
        "subscription_item_details",
        &naming(booking),
        0,
        (history.now, trial_end),
    );
    merge(
        &mut first,
        &json!({"billing_reason": "subscription_create",
        "lines": {"object": "list", "has_more": false, "data": [trial_line]}}),
    );
    let zero = draft(history, Some(booking), price.of(0), &first);
    zero.paid_by_nothing(history);
    complete(
        history,
        &session,
        "no_payment_required",
        &json!({"subscription": subscription, "invoice": zero.id}),
    );
    history
        .ledger
        .attempt(&subscription, Some(booking), "pending");
    if history.happens(0.2) {
        return None;
    }
    let started = history.now;
    history.now = trial_end;
    let paid_line = line(
        history,
        "subscription_item_details",
        &naming(booking),
        price.amount,
        (trial_end, trial_end + 30 * DAY),
    );
    let mut second = details;
    // The period of the invoice itself looks back; that of its line begins with the trial's end.
    merge(
        &mut second,
        &json!({"billing_reason": "subscription_cycle", "period_start": started, "period_end": trial_end,
        "lines": {"object": "list", "has_more": false, "data": [paid_line]}}),
    );
    let invoice = draft(history, Some(booking), price, &second);
    finalize(history, &invoice);
    let payment = payment_for(history, &invoice);
    history.ledger.no_attempt(&subscription);
    Some((invoice, payment, subscription))
}
