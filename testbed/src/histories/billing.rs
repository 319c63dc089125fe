//! A subscription over months: trial, renewals, dunning, pause, a changed price, the end.
//!
//! Source: docs.stripe.com/billing/subscriptions/overview, /invoicing/overview.

use rand::RngExt;
use serde_json::{Value, json};

use super::Recorder;

const MONTH: i64 = 30 * 86_400;

pub(super) fn live(history: &mut Recorder) {
    let customer = history.id("cus");
    history.create(
        "customer.created",
        json!({
            "id": customer, "object": "customer", "currency": "eur", "delinquent": false,
            "balance": 0, "created": history.now, "metadata": {},
        }),
    );
    let subscription = subscribe(history, &customer);
    let mut canceled = false;
    for _month in 0..history.random.random_range(1..=4_u32) {
        history.wait(MONTH);
        canceled = !renew(history, &subscription, &customer);
        if canceled {
            break;
        }
        whims(history, &subscription);
    }
    if !canceled && history.happens(0.5) {
        cancel(history, &subscription);
        canceled = true;
    }
    if canceled && history.happens(0.4) {
        history.wait(MONTH);
        history.delete("customer.deleted", &customer);
    }
}

fn subscribe(history: &mut Recorder, customer: &str) -> String {
    let (id, item) = (history.id("sub"), history.id("si"));
    let trial = history.happens(0.4);
    let now = history.now;
    history.create(
        "customer.subscription.created",
        json!({
            "id": id, "object": "subscription", "status": if trial { "trialing" } else { "active" },
            "currency": "eur", "customer": customer, "created": now, "start_date": now,
            "trial_start": trial.then_some(now), "trial_end": trial.then_some(now + 14 * 86_400),
            "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
            "pause_collection": null, "collection_method": "charge_automatically",
            "latest_invoice": null, "metadata": {},
            "items": items(&item, "price_a", now),
        }),
    )
}

fn items(id: &str, price: &str, from: i64) -> Value {
    json!({"object": "list", "has_more": false, "data": [{
        "id": id, "object": "subscription_item", "created": from, "quantity": 1,
        "current_period_start": from, "current_period_end": from + MONTH,
        "price": {"id": price, "object": "price", "product": "prod_1", "lookup_key": price},
    }]})
}

/// One month's invoice; false: dunning ended the subscription.
fn renew(history: &mut Recorder, subscription: &str, customer: &str) -> bool {
    let invoice = history.id("in");
    let due = history.random.random_range(100..9_000_i64);
    history.create(
        "invoice.created",
        json!({
            "id": invoice, "object": "invoice", "status": "draft", "currency": "eur",
            "customer": customer, "amount_due": due, "amount_paid": 0, "amount_remaining": due,
            "total": due, "attempt_count": 0, "next_payment_attempt": null, "due_date": null,
            "billing_reason": "subscription_cycle", "collection_method": "charge_automatically",
            "metadata": {},
            "parent": {"subscription_details": {"subscription": subscription, "metadata": {}}},
            "status_transitions": {"finalized_at": null, "paid_at": null, "voided_at": null},
        }),
    );
    let (item, price) = held(history, subscription);
    let period = json!({"latest_invoice": invoice, "items": items(&item, &price, history.now)});
    history.change("customer.subscription.updated", subscription, &period);
    if history.happens(0.05) {
        history.tick(3_600);
        history.delete("invoice.deleted", &invoice);
        return true;
    }
    history.tick(3_600);
    history.change(
        "invoice.finalized",
        &invoice,
        &json!({"status": "open",
        "status_transitions": {"finalized_at": history.now, "paid_at": null, "voided_at": null}}),
    );
    collect(history, subscription, &invoice, due)
}

fn held(history: &Recorder, subscription: &str) -> (String, String) {
    let object = history.get(subscription);
    let at = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    (at("/items/data/0/id"), at("/items/data/0/price/id"))
}

fn collect(history: &mut Recorder, subscription: &str, invoice: &str, due: i64) -> bool {
    let failures = if history.happens(0.3) {
        history.random.random_range(1..=4_i64)
    } else {
        0
    };
    let finalized = history
        .get(invoice)
        .pointer("/status_transitions/finalized_at")
        .cloned();
    for attempt in 1..=failures.min(3) {
        let next = (attempt < 3).then_some(history.now + 3 * 86_400);
        history.change(
            "invoice.payment_failed",
            invoice,
            &json!({"attempt_count": attempt, "next_payment_attempt": next}),
        );
        if attempt == 1 {
            history.change(
                "customer.subscription.updated",
                subscription,
                &json!({"status": "past_due"}),
            );
        }
        history.wait(3 * 86_400);
    }
    if failures == 4 {
        let how = if history.happens(0.5) {
            "uncollectible"
        } else {
            "void"
        };
        let event = if how == "void" {
            "invoice.voided"
        } else {
            "invoice.marked_uncollectible"
        };
        history.change(event, invoice, &json!({"status": how}));
        history.change(
            "customer.subscription.updated",
            subscription,
            &json!({"status": "unpaid"}),
        );
        history.tick(86_400);
        cancel(history, subscription);
        return false;
    }
    history.change("invoice.paid", invoice, &json!({"status": "paid", "amount_paid": due,
        "amount_remaining": 0, "attempt_count": failures + 1, "next_payment_attempt": null,
        "status_transitions": {"finalized_at": finalized, "paid_at": history.now, "voided_at": null}}));
    history.change(
        "customer.subscription.updated",
        subscription,
        &json!({"status": "active"}),
    );
    true
}

fn whims(history: &mut Recorder, subscription: &str) {
    if history.happens(0.2) {
        history.tick(3_600);
        history.change(
            "customer.subscription.updated",
            subscription,
            &json!({"pause_collection": {"behavior": "void", "resumes_at": null}}),
        );
        history.tick(86_400);
        history.change(
            "customer.subscription.updated",
            subscription,
            &json!({"pause_collection": null}),
        );
    }
    if history.happens(0.2) {
        history.tick(3_600);
        let item = history.id("si");
        let changed = items(&item, "price_b", history.now);
        history.change(
            "customer.subscription.updated",
            subscription,
            &json!({ "items": changed }),
        );
    }
    if history.happens(0.1) {
        history.tick(3_600);
        history.change(
            "customer.subscription.updated",
            subscription,
            &json!({"cancel_at_period_end": true, "canceled_at": history.now}),
        );
    }
}

fn cancel(history: &mut Recorder, subscription: &str) {
    history.wait(86_400);
    let now = history.now;
    history.change(
        "customer.subscription.deleted",
        subscription,
        &json!({"status": "canceled", "canceled_at": now, "ended_at": now}),
    );
}
