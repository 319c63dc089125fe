use serde_json::{Value, json};

use super::Story;
use super::objects::{
    but, charge, dispute, intent, invoice_payment, refund, renewal, session, subscription,
};

fn paid_by(story: Story, at: i64, invoice: Value, intent_id: &str) -> Story {
    let id = invoice["id"].as_str().unwrap().to_owned();
    let ch = format!("ch_{intent_id}");
    story
        .at(at, "invoice.paid", invoice)
        .at(
            at,
            "invoice_payment.paid",
            invoice_payment(&format!("inpay_{id}"), &id, intent_id, 10_000),
        )
        .at(
            at,
            "payment_intent.succeeded",
            intent(intent_id, None, "succeeded", 10_000),
        )
        .at(at, "charge.succeeded", charge(&ch, Some(intent_id), 10_000))
}

/// Subscribed, and paid by the first invoice.
fn subscribed(story: Story) -> Story {
    let complete = json!({"status": "complete", "payment_status": "paid", "subscription": "sub_1", "invoice": "in_1"});
    let story = story
        .at(
            10,
            "customer.subscription.created",
            subscription(Some("b"), "active", None),
        )
        .at(
            10,
            "checkout.session.completed",
            but(session("cs_1", None, "subscription"), complete),
        );
    paid_by(
        story,
        10,
        renewal("in_1", "subscription_create", "b", "paid", 10),
        "pi_1",
    )
}

fn renewed(story: Story) -> Story {
    paid_by(
        story,
        1_010,
        renewal("in_2", "subscription_cycle", "b", "paid", 1_010),
        "pi_2",
    )
}

#[test]
fn the_first_invoice_pays_the_booking_and_renewals_their_refunds_and_disputes_never_touch_it() {
    let end = |story: &Story| {
        story
            .ends()
            .is("b", "confirmed", [10_000, 0, 10_000])
            .amount("b", "amount_disputed", 0);
    };
    let story = subscribed(Story::registered("b"));
    end(&story);
    let story = renewed(story);
    end(&story);
    story.ends().took("pi_2", 10_000, 10_000);
    let story = story
        .at(
            1_100,
            "refund.created",
            refund("re_1", "ch_pi_2", "succeeded", 4_000, 1_100),
        )
        .at(
            1_200,
            "charge.dispute.created",
            dispute("dp_1", "ch_pi_2", "needs_response", 6_000),
        );
    end(&story);
}

#[test]
fn renewals_belong_to_a_booking_whose_registration_covers_them() {
    let story = Story::registered("b")
        .expects("b", 20_000)
        .covers_subscription("b");
    renewed(subscribed(story))
        .ends()
        .is("b", "confirmed", [20_000, 0, 20_000])
        .took("pi_2", 10_000, 0);
}

#[test]
fn renewals_that_a_registration_covers_and_nobody_amended_are_too_much() {
    let story = Story::registered("b").covers_subscription("b");
    let first = subscribed(story);
    first.ends().is("b", "confirmed", [10_000, 0, 10_000]);
    renewed(first)
        .ends()
        .is("b", "amount_mismatch", [20_000, 0, 20_000])
        .finds(&["paid_twice"]);
}

#[test]
fn a_trial_waits_for_its_first_invoice_and_one_that_fails_is_canceled() {
    let complete = json!({"status": "complete", "payment_status": "no_payment_required", "amount_total": 0,
        "subscription": "sub_1"});
    let trial = Story::registered("b")
        .at(
            10,
            "customer.subscription.created",
            subscription(Some("b"), "trialing", Some(500)),
        )
        .at(
            10,
            "checkout.session.completed",
            but(session("cs_1", Some("b"), "subscription"), complete),
        );
    trial.ends().is("b", "pending", [0, 0, 0]);
    let tried = json!({"attempt_count": 1});
    let failed = trial.at(
        500,
        "invoice.payment_failed",
        but(
            renewal("in_2", "subscription_cycle", "b", "open", 500),
            tried,
        ),
    );
    failed.ends().is("b", "payment_failed", [0, 0, 0]);
    failed
        .at(
            900,
            "invoice.voided",
            renewal("in_2", "subscription_cycle", "b", "void", 500),
        )
        .at(
            900,
            "customer.subscription.deleted",
            subscription(Some("b"), "canceled", Some(500)),
        )
        .ends()
        .is("b", "canceled", [0, 0, 0]);
}

#[test]
fn a_trial_that_is_paid_after_it_confirms_the_booking() {
    let trial = Story::registered("b").at(
        10,
        "customer.subscription.created",
        subscription(Some("b"), "trialing", Some(500)),
    );
    paid_by(
        trial,
        500,
        renewal("in_2", "subscription_cycle", "b", "paid", 500),
        "pi_2",
    )
    .at(
        500,
        "customer.subscription.updated",
        subscription(Some("b"), "active", Some(500)),
    )
    .ends()
    .is("b", "confirmed", [10_000, 0, 10_000]);
}

#[test]
fn a_subscription_whose_first_payment_never_came_frees_the_seat() {
    Story::registered("b")
        .at(
            10,
            "customer.subscription.created",
            subscription(Some("b"), "incomplete", None),
        )
        .at(
            10,
            "invoice.finalized",
            renewal("in_1", "subscription_create", "b", "open", 10),
        )
        .at(
            900,
            "customer.subscription.updated",
            subscription(Some("b"), "incomplete_expired", None),
        )
        .at(
            900,
            "invoice.voided",
            renewal("in_1", "subscription_create", "b", "void", 10),
        )
        .ends()
        .is("b", "canceled", [0, 0, 0]);
}

#[test]
fn a_subscription_given_to_a_second_booking_leaves_the_first_its_frozen_invoice() {
    let story = subscribed(Story::registered("b")).at(
        600,
        "customer.subscription.updated",
        subscription(Some("second"), "active", None),
    );
    story
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .took("pi_1", 10_000, 0);
}
