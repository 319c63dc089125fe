//! Subscriptions of bookings, and sessions that are no payment.

use serde_json::{Value, json};
use testbed::stripe::Story;

use crate::support::{get, objects, played, told, types};

fn invoice_of(fake: &testbed::stripe::FakeHandle, reason: &str) -> Value {
    let invoices = objects(fake, "invoice").into_iter();
    let mut found = invoices.filter(|invoice| invoice["billing_reason"] == reason);
    found.next().unwrap_or_else(|| panic!("no {reason}"))
}

#[test]
fn a_subscriptions_metadata_is_frozen_in_its_invoices_and_shown_by_their_lines() {
    for story in [Story::Subscribed, Story::SubscribedOldShape] {
        let (fake, booking) = played(story);
        let named = json!({"booking_id": booking.id});
        let subscription = objects(&fake, "subscription").remove(0);
        assert_eq!(
            (&subscription["status"], &subscription["metadata"]),
            (&json!("active"), &named)
        );
        for reason in ["subscription_create", "subscription_cycle"] {
            let invoice = invoice_of(&fake, reason);
            let details = &invoice["parent"]["subscription_details"];
            assert_eq!(details["subscription"], subscription["id"]);
            assert_eq!(details["metadata"], named);
            assert_eq!(invoice["metadata"], json!({}));
            let line = &invoice["lines"]["data"][0];
            assert_eq!(line["parent"]["type"], "subscription_item_details");
            assert_eq!(line["metadata"], named);
            assert_eq!(invoice["status"], "paid");
        }
    }
}

#[test]
fn a_renewal_is_paid_and_is_not_the_bookings() {
    for story in [Story::Subscribed, Story::SubscribedOldShape] {
        let (fake, booking) = played(story);
        assert_eq!(
            told(&fake, "payment_intent.succeeded").len(),
            2,
            "{story:?}"
        );
        let truth = fake.truth().bookings[&booking.id].clone();
        assert_eq!((truth.amount_paid, truth.payments), (booking.amount, 1));
        let subscription = objects(&fake, "subscription").remove(0);
        let renewal = invoice_of(&fake, "subscription_cycle");
        assert_eq!(subscription["latest_invoice"], renewal["id"]);
    }
}

#[test]
fn a_subscriptions_session_names_the_subscription_and_its_first_invoice() {
    let (fake, booking) = played(Story::Subscribed);
    let session = told(&fake, "checkout.session.completed").remove(0);
    assert_eq!(session["mode"], "subscription");
    assert_eq!(session["metadata"]["booking_id"], json!(booking.id));
    assert_eq!(session["payment_status"], "paid");
    assert!(session["payment_intent"].is_null());
    assert_eq!(
        session["subscription"],
        objects(&fake, "subscription")[0]["id"]
    );
    assert_eq!(
        session["invoice"],
        invoice_of(&fake, "subscription_create")["id"]
    );
}

#[test]
fn a_subscription_begins_incomplete_only_before_basil() {
    for (story, status) in [
        (Story::Subscribed, "active"),
        (Story::SubscribedOldShape, "incomplete"),
    ] {
        let (fake, _) = played(story);
        let created = told(&fake, "customer.subscription.created").remove(0);
        assert_eq!(created["status"], status, "{story:?}");
    }
}

#[test]
fn before_basil_a_period_is_the_subscriptions_in_what_it_was_too() {
    let (fake, _) = played(Story::SubscribedOldShape);
    let events = fake.events();
    let renewed = events
        .iter()
        .rfind(|event| event["type"] == "customer.subscription.updated")
        .unwrap();
    let (now, before) = (
        &renewed["data"]["object"],
        &renewed["data"]["previous_attributes"],
    );
    assert!(now["current_period_start"].as_i64() > before["current_period_start"].as_i64());
    assert!(before["current_period_start"].is_i64());
    for state in [now, before] {
        assert!(
            state["items"]["data"][0]
                .get("current_period_end")
                .is_none()
        );
    }
    let invoice = told(&fake, "invoice.paid").remove(0);
    assert_eq!(invoice["subscription"], now["id"]);
    assert_eq!(invoice["subscription_details"]["metadata"], now["metadata"]);
    assert_eq!(invoice["lines"]["data"][0]["type"], "subscription");
}

#[test]
fn a_first_invoice_that_is_never_paid_ends_the_subscription() {
    let (fake, _) = played(Story::SubscriptionExpired);
    assert_eq!(
        objects(&fake, "subscription")[0]["status"],
        "incomplete_expired"
    );
    assert_eq!(objects(&fake, "invoice")[0]["status"], "void");
    assert_eq!(objects(&fake, "payment_intent")[0]["status"], "canceled");
    assert_eq!(told(&fake, "invoice.payment_failed").len(), 1);
}

#[tokio::test]
async fn subscriptions_are_retrieved_and_their_invoices_listed() {
    let (fake, _) = played(Story::Subscribed);
    let subscription = objects(&fake, "subscription").remove(0);
    let id = subscription["id"].as_str().unwrap();
    let answer = get(&fake, &format!("/v1/subscriptions/{id}")).await;
    assert_eq!((answer.status, &answer.body), (200, &subscription));
    let page = get(&fake, &format!("/v1/invoices?subscription={id}")).await;
    assert_eq!(page.ids().len(), 2);
    let none = get(&fake, "/v1/invoices?subscription=sub_none").await;
    assert!(none.ids().is_empty());
}

#[test]
fn a_setup_session_saves_a_card_and_asks_for_no_money() {
    let (fake, booking) = played(Story::SetupThenPaid);
    let session = told(&fake, "checkout.session.completed").remove(0);
    assert_eq!(session["mode"], "setup");
    assert_eq!(session["payment_status"], "no_payment_required");
    assert!(session["currency"].is_null() && session["payment_intent"].is_null());
    let setup = told(&fake, "setup_intent.succeeded").remove(0);
    assert_eq!(session["setup_intent"], setup["id"]);
    let intent = told(&fake, "payment_intent.succeeded").remove(0);
    assert_eq!(intent["metadata"]["booking_id"], json!(booking.id));
    let types = types(&fake);
    let at = |kind: &str| types.iter().position(|it| it == kind);
    assert!(at("checkout.session.completed") < at("payment_intent.created"));
}
