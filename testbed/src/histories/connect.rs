//! An account's requirements, its payouts, a setup intent, a customer's features.

use rand::RngExt;
use serde_json::{Value, json};

use super::Recorder;

pub(super) fn live(history: &mut Recorder) {
    account(history);
    for _payout in 0..history.random.random_range(1..=3_u32) {
        payout(history);
    }
    setup(history);
    features(history);
}

fn account(history: &mut Recorder) {
    let id = history.id("acct");
    let requirements = |due: &[&str], reason: Option<&str>| json!({"currently_due": due, "past_due": [], "current_deadline": null, "disabled_reason": reason});
    history.create("account.updated", json!({
        "id": id, "object": "account", "charges_enabled": false, "payouts_enabled": false,
        "details_submitted": false, "metadata": {},
        "requirements": requirements(&["external_account", "tos_acceptance.date"], Some("requirements.past_due")),
    }));
    for due in [&["external_account"][..], &[]] {
        history.tick(3_600);
        let done = due.is_empty();
        history.change(
            "account.updated",
            &id,
            &json!({
                "details_submitted": true, "charges_enabled": done, "payouts_enabled": done,
                "requirements": requirements(due, (!done).then_some("requirements.past_due")),
            }),
        );
    }
}

fn payout(history: &mut Recorder) {
    let id = history.id("po");
    let amount = history.random.random_range(100..100_000_i64);
    history.create(
        "payout.created",
        json!({
            "id": id, "object": "payout", "status": "pending", "amount": amount, "currency": "eur",
            "created": history.now, "arrival_date": history.now + 172_800, "method": "standard",
            "failure_code": null, "metadata": {},
        }),
    );
    history.tick(86_400);
    if history.happens(0.1) {
        history.change("payout.canceled", &id, &json!({"status": "canceled"}));
        return;
    }
    history.change("payout.updated", &id, &json!({"status": "in_transit"}));
    history.tick(86_400);
    history.change("payout.paid", &id, &json!({"status": "paid"}));
    if history.happens(0.3) {
        history.tick(86_400);
        history.change(
            "payout.failed",
            &id,
            &json!({"status": "failed", "failure_code": "account_closed"}),
        );
    }
}

fn setup(history: &mut Recorder) {
    let id = history.id("seti");
    history.create(
        "setup_intent.created",
        json!({
            "id": id, "object": "setup_intent", "status": "requires_payment_method", "metadata": {},
            "last_setup_error": null,
        }),
    );
    history.tick(600);
    history.change(
        "setup_intent.requires_action",
        &id,
        &json!({"status": "requires_action"}),
    );
    history.tick(600);
    let (event, status) = if history.happens(0.8) {
        ("setup_intent.succeeded", "succeeded")
    } else {
        ("setup_intent.canceled", "canceled")
    };
    history.change(event, &id, &json!({ "status": status }));
}

fn features(history: &mut Recorder) {
    let customer = history.id("cus");
    let list = |names: &[&str]| -> Value {
        let data: Vec<Value> = names.iter().map(|name| json!({"id": format!("ent_{name}"), "object": "entitlements.active_entitlement", "feature": format!("feat_{name}"), "lookup_key": name})).collect();
        json!({"object": "list", "data": data, "has_more": false})
    };
    let event = "entitlements.active_entitlement_summary.updated";
    let id = history.create(event, json!({
        "object": "entitlements.active_entitlement_summary", "customer": customer, "entitlements": list(&["wifi"]),
    }));
    history.wait(86_400);
    history.change(
        event,
        &id,
        &json!({"entitlements": list(&["wifi", "lounge"])}),
    );
    history.tick(86_400);
    history.change(event, &id, &json!({"entitlements": list(&["lounge"])}));
}
