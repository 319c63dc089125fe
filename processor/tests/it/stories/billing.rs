//! Trial, conversion, dunning, pause, cancellation, a changed price, features.

use serde_json::{Value, json};

use super::objects::{before_basil, invoice, item, subscription};
use super::{DAY, DAY_0, Step, step, tell};

const STATUS: &str = "SELECT status FROM subscriptions";
const ACCESS: &str =
    "SELECT string_agg(subject || ' ' || active, ',' ORDER BY subject) FROM entitlements";
const UNTIL: &str =
    "SELECT to_char(active_until AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM entitlements";
const INVOICE: &str = "SELECT status || ' ' || amount_paid || '/' || amount_due || ' tried ' || attempt_count FROM invoices";
const NEXT_TRY: &str =
    "SELECT to_char(next_payment_attempt AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM invoices";

fn first(object: Value) -> (Value, Value) {
    (object, Value::Null)
}

#[test]
fn a_trial_ends_in_a_paid_subscription() {
    let trial = json!({"trial_start": DAY_0, "trial_end": DAY_0 + 14 * DAY});
    let story = [
        step(
            "a trial begins",
            (0, "customer.subscription.created"),
            first(subscription("trialing", trial.clone())),
            &[
                (STATUS, "trialing"),
                (ACCESS, "price_month true"),
                (
                    "SELECT to_char(trial_end AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM subscriptions",
                    "2026-10-05",
                ),
            ],
        ),
        step(
            "it ends in three days",
            (11, "customer.subscription.trial_will_end"),
            first(subscription("trialing", trial.clone())),
            &[(STATUS, "trialing")],
        ),
        step(
            "the first invoice is open",
            (14, "invoice.finalized"),
            (
                invoice(
                    "open",
                    json!({"status_transitions": {"finalized_at": DAY_0 + 14 * DAY}}),
                ),
                json!({"status": "draft"}),
            ),
            &[
                (INVOICE, "open 0/900 tried 0"),
                ("SELECT subscription FROM invoices", "sub_1"),
            ],
        ),
        step(
            "it is paid",
            (14, "invoice.paid"),
            (
                invoice(
                    "paid",
                    json!({"amount_paid": 900, "amount_remaining": 0, "attempt_count": 1,
                "status_transitions": {"finalized_at": DAY_0 + 14 * DAY, "paid_at": DAY_0 + 14 * DAY}}),
                ),
                json!({"status": "open"}),
            ),
            &[
                (INVOICE, "paid 900/900 tried 1"),
                (
                    "SELECT to_char(paid_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM invoices",
                    "2026-10-05",
                ),
            ],
        ),
        step(
            "the trial is converted",
            (14, "customer.subscription.updated"),
            (subscription("active", trial), json!({"status": "trialing"})),
            &[(STATUS, "active"), (ACCESS, "price_month true")],
        ),
    ];
    let told = tell(&story, None);
    told.eventually_number(1, "SELECT count(*) FROM outbox WHERE kind = 'subscription.changed' AND payload->'state'->>'status' = 'active'");
    assert_eq!(
        told.text("SELECT payload->'cause'->>'id' FROM outbox WHERE kind = 'subscription.changed' ORDER BY seq DESC LIMIT 1").as_deref(),
        Some("evt_4")
    );
}

fn dunning() -> Vec<Step> {
    let tried = |count: i64, next: Option<i64>| json!({"attempt_count": count, "next_payment_attempt": next.map(|day| DAY_0 + day * DAY)});
    vec![
        step(
            "it is active",
            (0, "customer.subscription.created"),
            first(subscription("active", json!({}))),
            &[(STATUS, "active")],
        ),
        step(
            "a renewal fails",
            (30, "invoice.payment_failed"),
            first(invoice("open", tried(1, Some(33)))),
            &[(INVOICE, "open 0/900 tried 1"), (NEXT_TRY, "2026-10-24")],
        ),
        step(
            "it is past due, access stays",
            (30, "customer.subscription.updated"),
            (
                subscription("past_due", json!({})),
                json!({"status": "active"}),
            ),
            &[(STATUS, "past_due"), (ACCESS, "price_month true")],
        ),
        step(
            "the second attempt fails",
            (33, "invoice.payment_failed"),
            (
                invoice("open", tried(2, Some(38))),
                json!({"attempt_count": 1, "next_payment_attempt": DAY_0 + 33 * DAY}),
            ),
            &[(INVOICE, "open 0/900 tried 2"), (NEXT_TRY, "2026-10-29")],
        ),
    ]
}

#[test]
fn dunning_that_succeeds_makes_the_subscription_active_again() {
    let mut story = dunning();
    story.push(step(
        "the third attempt succeeds",
        (38, "invoice.paid"),
        first(invoice(
            "paid",
            json!({"amount_paid": 900, "amount_remaining": 0, "attempt_count": 3,
            "status_transitions": {"finalized_at": DAY_0 + 30 * DAY, "paid_at": DAY_0 + 38 * DAY}}),
        )),
        &[(INVOICE, "paid 900/900 tried 3"), (NEXT_TRY, "-")],
    ));
    story.push(step(
        "it is active again",
        (38, "customer.subscription.updated"),
        (
            subscription("active", json!({})),
            json!({"status": "past_due"}),
        ),
        &[(STATUS, "active"), (ACCESS, "price_month true")],
    ));
    tell(&story, None);
}

#[test]
fn dunning_that_fails_takes_access_away_and_then_cancels() {
    let mut story = dunning();
    story.push(step(
        "the last attempt fails",
        (38, "invoice.payment_failed"),
        first(invoice("open", json!({"attempt_count": 3}))),
        &[(NEXT_TRY, "-")],
    ));
    story.push(step(
        "it is unpaid",
        (38, "customer.subscription.updated"),
        (
            subscription("unpaid", json!({})),
            json!({"status": "past_due"}),
        ),
        &[(STATUS, "unpaid"), (ACCESS, "price_month false")],
    ));
    story.push(step(
        "the debt is written off",
        (60, "invoice.marked_uncollectible"),
        (
            invoice("uncollectible", json!({"attempt_count": 3})),
            json!({"status": "open"}),
        ),
        &[(INVOICE, "uncollectible 0/900 tried 3")],
    ));
    story.push(step(
        "it is canceled",
        (60, "customer.subscription.deleted"),
        first(subscription(
            "canceled",
            json!({"canceled_at": DAY_0 + 60 * DAY, "ended_at": DAY_0 + 60 * DAY}),
        )),
        &[
            (STATUS, "canceled"),
            (ACCESS, "price_month false"),
            (UNTIL, "2026-11-20"),
        ],
    ));
    story.push(step(
        "and yet it is paid, out of band",
        (70, "invoice.paid"),
        first(invoice(
            "paid",
            json!({"amount_paid": 900, "amount_remaining": 0, "attempt_count": 3}),
        )),
        &[(INVOICE, "paid 900/900 tried 3"), (STATUS, "canceled")],
    ));
    tell(&story, None);
}

#[test]
fn a_pause_of_collection_keeps_access_and_a_paused_subscription_does_not() {
    let paused =
        json!({"pause_collection": {"behavior": "keep_as_draft", "resumes_at": DAY_0 + 20 * DAY}});
    let story = [
        step(
            "it is active",
            (0, "customer.subscription.created"),
            first(subscription("active", json!({}))),
            &[],
        ),
        step(
            "collection is paused",
            (5, "customer.subscription.updated"),
            (
                subscription("active", paused.clone()),
                json!({"pause_collection": null}),
            ),
            &[
                (STATUS, "active"),
                (ACCESS, "price_month true"),
                ("SELECT pause_behavior FROM subscriptions", "keep_as_draft"),
            ],
        ),
        step(
            "it goes on",
            (20, "customer.subscription.updated"),
            (subscription("active", json!({})), paused),
            &[("SELECT pause_behavior FROM subscriptions", "-")],
        ),
        step(
            "a trial without a card pauses it",
            (25, "customer.subscription.paused"),
            (
                subscription("paused", json!({})),
                json!({"status": "trialing"}),
            ),
            &[(STATUS, "paused"), (ACCESS, "price_month false")],
        ),
        step(
            "a card is there",
            (26, "customer.subscription.resumed"),
            (
                subscription("active", json!({})),
                json!({"status": "paused"}),
            ),
            &[(STATUS, "active"), (ACCESS, "price_month true")],
        ),
    ];
    tell(&story, None);
}

#[test]
fn a_cancellation_at_the_periods_end_is_announced_and_then_ends_access() {
    let story = [
        step(
            "it is active",
            (0, "customer.subscription.created"),
            first(subscription("active", json!({}))),
            &[(UNTIL, "-")],
        ),
        step(
            "the customer cancels",
            (10, "customer.subscription.updated"),
            (
                subscription(
                    "active",
                    json!({"cancel_at_period_end": true, "canceled_at": DAY_0 + 10 * DAY}),
                ),
                json!({"cancel_at_period_end": false, "canceled_at": null}),
            ),
            &[
                (STATUS, "active"),
                (ACCESS, "price_month true"),
                (UNTIL, "2026-10-21"),
            ],
        ),
        step(
            "the period ends",
            (30, "customer.subscription.deleted"),
            first(subscription(
                "canceled",
                json!({"cancel_at_period_end": true, "canceled_at": DAY_0 + 10 * DAY, "ended_at": DAY_0 + 30 * DAY}),
            )),
            &[
                (STATUS, "canceled"),
                (ACCESS, "price_month false"),
                (UNTIL, "2026-10-21"),
            ],
        ),
    ];
    tell(&story, None);
}

#[test]
fn a_changed_price_moves_the_entitlement() {
    let yearly = json!({"items": {"data": [item("si_2", "price_year", 365)], "has_more": false}});
    let story = [
        step(
            "monthly",
            (0, "customer.subscription.created"),
            first(subscription("active", json!({}))),
            &[(ACCESS, "price_month true")],
        ),
        step(
            "yearly",
            (3, "customer.subscription.updated"),
            (
                subscription("active", yearly),
                json!({"items": {"data": [item("si_1", "price_month", 30)]}}),
            ),
            &[
                (ACCESS, "price_year true"),
                (
                    "SELECT to_char(current_period_end AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM subscriptions",
                    "2027-09-21",
                ),
            ],
        ),
    ];
    tell(&story, None);
}

#[test]
fn features_are_granted_and_taken_away_as_stripe_sums_them_up() {
    let summary = |features: &[&str]| {
        let data: Vec<Value> = features.iter().map(|name| json!({"id": format!("ent_{name}"), "object": "entitlements.active_entitlement", "feature": format!("feat_{name}"), "lookup_key": name})).collect();
        json!({"object": "entitlements.active_entitlement_summary", "customer": "cus_1", "entitlements": {"object": "list", "data": data, "has_more": false}})
    };
    let story = [
        step(
            "two features",
            (0, "entitlements.active_entitlement_summary.updated"),
            first(summary(&["lounge", "wifi"])),
            &[
                (ACCESS, "feat_lounge true,feat_wifi true"),
                ("SELECT DISTINCT customer FROM entitlements", "cus_1"),
            ],
        ),
        step(
            "one is left",
            (1, "entitlements.active_entitlement_summary.updated"),
            first(summary(&["wifi"])),
            &[(ACCESS, "feat_wifi true")],
        ),
        step(
            "none",
            (2, "entitlements.active_entitlement_summary.updated"),
            first(summary(&[])),
            &[(ACCESS, "-")],
        ),
    ];
    tell(&story, None);
}

#[test]
fn versions_before_and_since_basil_end_in_the_same_rows() {
    let old_invoice = {
        let mut object = invoice("open", json!({}));
        object["subscription"] = "sub_1".into();
        object.as_object_mut().unwrap().remove("parent");
        object
    };
    let story = |old: bool| {
        let shape = |object: Value| if old { before_basil(object) } else { object };
        let bill = if old {
            old_invoice.clone()
        } else {
            invoice("open", json!({}))
        };
        [
            step(
                "it is active",
                (0, "customer.subscription.created"),
                first(shape(subscription("active", json!({})))),
                &[(
                    "SELECT to_char(current_period_end AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM subscriptions",
                    "2026-10-21",
                )],
            ),
            step(
                "it is billed",
                (0, "invoice.finalized"),
                first(bill),
                &[("SELECT subscription FROM invoices", "sub_1")],
            ),
        ]
    };
    let (new, old) = (tell(&story(false), None), tell(&story(true), None));
    assert_eq!(super::everything(&new), super::everything(&old));
}

#[test]
fn odd_subscriptions_are_rows_and_no_dead_letters() {
    let twice = json!({"items": {"data": [item("si_1", "price_a", 30), item("si_1", "price_b", 30)]},
        "trial_end": i64::MAX, "cancel_at": -1, "start_date": 253_402_300_799_i64});
    let story = [step(
        "everything at once",
        (0, "customer.subscription.updated"),
        first(subscription("of_tomorrow", twice)),
        &[
            (STATUS, "of_tomorrow"),
            (ACCESS, "price_a false"),
            (
                "SELECT coalesce(trial_end, cancel_at)::text FROM subscriptions",
                "-",
            ),
        ],
    )];
    let told = tell(&story, None);
    assert_eq!(told.number("SELECT count(*) FROM dead_letters"), 0);
}
