//! Subscriptions whose first invoice pays for a booking, and renewals that do not.
//!
//! `subscription_details.metadata` of an invoice is frozen when it is finalized; its lines of type
//! subscription show the subscription's metadata of that day, and that is no claim.
//! Source: docs.stripe.com/billing/subscriptions/overview; the metadata page of Stripe's support.

use rand::RngExt;
use serde_json::{Value, json};

use super::back::{dispute, refund};
use super::checkout::{complete, session};
use super::invoices::{Invoice, draft, finalize, line, payment_for};
use super::pieces::{
    Payment, Price, customer_id, naming, part_of, registered, some_booking, some_price,
    unregistered,
};
use crate::histories::recorder::Recorder;

pub(super) const DAY: i64 = 86_400;
const MONTH: i64 = 30 * DAY;

/// A subscription, on trial until `trial_end`.
pub(super) fn subscribe(
    history: &mut Recorder,
    metadata: &Value,
    price: Price,
    trial_end: Option<i64>,
) -> String {
    let (id, item, now) = (history.id("sub"), history.id("si"), history.now);
    let plan = format!("Halbpension & Wein/{}", price.currency);
    let items = json!([{
        "id": item, "object": "subscription_item", "created": now, "quantity": 1,
        "current_period_start": now, "current_period_end": trial_end.unwrap_or(now + MONTH),
        "price": {"id": plan, "object": "price", "product": "Zimmer mit Blick", "lookup_key": null},
    }]);
    let status = if trial_end.is_some() {
        "trialing"
    } else {
        "incomplete"
    };
    let object = json!({
        "id": id, "object": "subscription", "status": status, "currency": price.currency,
        "customer": customer_id(history), "created": now, "start_date": now,
        "trial_start": trial_end.map(|_| now), "trial_end": trial_end, "cancel_at": null,
        "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
        "pause_collection": null, "collection_method": "charge_automatically",
        "latest_invoice": null, "metadata": metadata,
        "items": {"object": "list", "has_more": false, "data": items},
    });
    history.create("customer.subscription.created", object)
}

/// An open invoice of a subscription, and its intent.
struct Bill<'a> {
    subscription: &'a str,
    reason: &'a str,
    /// The booking that its money belongs to.
    booking: Option<&'a str>,
    /// Metadata of the invoice itself.
    own: Value,
}

impl Bill<'_> {
    fn issue(&self, history: &mut Recorder, price: Price) -> (Invoice, Payment) {
        let current = history
            .get(self.subscription)
            .get("metadata")
            .cloned()
            .unwrap_or_default();
        let now = history.now;
        let one = line(
            history,
            "subscription_item_details",
            &current,
            price.amount,
            (now, now + MONTH),
        );
        let more = json!({
            "billing_reason": self.reason, "metadata": self.own,
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": self.subscription, "metadata": current}},
            "lines": {"object": "list", "has_more": false, "data": [one]},
        });
        let invoice = draft(history, self.booking, price, &more);
        finalize(history, &invoice);
        let payment = payment_for(history, &invoice);
        (invoice, payment)
    }
}

/// A session makes a subscription whose first invoice pays for the booking. `named`: by the
/// subscription's own metadata; else the session alone tells whose it is.
fn subscribed(history: &mut Recorder, booking: &str, price: Price, named: bool) -> String {
    let session = session(history, booking, "subscription", Some(price));
    let metadata = if named { naming(booking) } else { json!({}) };
    let subscription = subscribe(history, &metadata, price, None);
    let first = Bill {
        subscription: &subscription,
        reason: "subscription_create",
        booking: Some(booking),
        own: json!({}),
    };
    let (invoice, mut payment) = first.issue(history, price);
    invoice.settle(history, &mut payment);
    activate(history, &subscription, &invoice.id);
    let more = json!({"subscription": subscription, "invoice": invoice.id});
    complete(history, &session, "paid", &more);
    subscription
}

fn activate(history: &mut Recorder, subscription: &str, invoice: &str) {
    let active = json!({"status": "active", "latest_invoice": invoice});
    history.change("customer.subscription.updated", subscription, &active);
}

fn renew(history: &mut Recorder, bill: &Bill<'_>, price: Price) -> Payment {
    history.wait(MONTH);
    let (invoice, mut payment) = bill.issue(history, price);
    invoice.settle(history, &mut payment);
    activate(history, bill.subscription, &invoice.id);
    payment
}

/// Renewals, their refunds and disputes never touch the booking.
pub(super) fn renewals(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let named = history.happens(0.6);
    let subscription = subscribed(history, &booking, price, named);
    for _month in 0..history.random.random_range(1..=3_u32) {
        let bill = Bill {
            subscription: &subscription,
            reason: "subscription_cycle",
            booking: None,
            own: json!({}),
        };
        let payment = renew(history, &bill, price);
        if history.happens(0.4) {
            let part = part_of(history, price.amount);
            refund(history, &payment, part);
        } else if history.happens(0.4) {
            let dispute = dispute(history, &payment, price.amount);
            if history.happens(0.5) {
                dispute.becomes(history, &payment, "lost");
            }
        }
    }
}

/// The registration says that renewals pay for the booking, too.
pub(super) fn covered_renewals(history: &mut Recorder) {
    let price = some_price(history);
    let booking = registered(history, price.of(price.amount * 2));
    if let Some(registered) = history.ledger.registered(&booking) {
        registered.covers_subscription = true;
    }
    let subscription = subscribed(history, &booking, price, true);
    let bill = Bill {
        subscription: &subscription,
        reason: "subscription_cycle",
        booking: Some(&booking),
        own: json!({}),
    };
    if history.happens(0.8) {
        renew(history, &bill, price);
    }
}

/// The subscription is given to a second booking. The first keeps its money; the second is paid
/// only if an invoice's own metadata name it.
pub(super) fn reused(history: &mut Recorder) {
    let price = some_price(history);
    let first = some_booking(history, price);
    let subscription = subscribed(history, &first, price, true);
    let second = unregistered(history);
    history.wait(MONTH);
    let given = json!({"metadata": naming(&second)});
    history.change("customer.subscription.updated", &subscription, &given);
    history.ledger.find(&second, "claim_changed");
    let named = history.happens(0.5);
    let bill = Bill {
        subscription: &subscription,
        reason: "subscription_cycle",
        booking: named.then_some(second.as_str()),
        own: if named { naming(&second) } else { json!({}) },
    };
    renew(history, &bill, price);
}

/// The first payment is never confirmed: after 23 hours the subscription expires, its invoice is void.
pub(super) fn never_completed(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let subscription = subscribe(history, &naming(&booking), price, None);
    let first = Bill {
        subscription: &subscription,
        reason: "subscription_create",
        booking: Some(&booking),
        own: json!({}),
    };
    let (invoice, payment) = first.issue(history, price);
    invoice.fail(history, &payment, 1);
    if history.happens(0.3) {
        return;
    }
    history.wait(23 * 3_600);
    let end = json!({"status": "incomplete_expired", "ended_at": history.now});
    history.change("customer.subscription.updated", &subscription, &end);
    history
        .ledger
        .attempt(&subscription, Some(&booking), "canceled");
    invoice.close(history, &payment, "void");
}
