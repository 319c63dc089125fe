//! Authorizations: a release is a refund before basil and nothing since.

use serde_json::{Value, json};
use testbed::stripe::Story;

use crate::support::{objects, played, told, types};

const RELEASED: &[(Story, Story)] = &[
    (Story::PartialCapture, Story::PartialCaptureOldShape),
    (
        Story::AuthorizationVoided,
        Story::AuthorizationVoidedOldShape,
    ),
    (
        Story::AuthorizationExpired,
        Story::AuthorizationExpiredOldShape,
    ),
];

#[test]
fn a_release_makes_a_refund_only_in_the_old_shape() {
    for (new, old) in RELEASED {
        let (fake, _) = played(*new);
        let charge = objects(&fake, "charge").remove(0);
        assert_eq!(charge["amount_refunded"], 0, "{new:?}");
        assert!(objects(&fake, "refund").is_empty(), "{new:?}");
        let refunded = types(&fake)
            .into_iter()
            .filter(|kind| kind.contains("refund"));
        assert_eq!(refunded.count(), 0, "{new:?}");

        let (fake, _) = played(*old);
        let (charge, refund) = (
            objects(&fake, "charge").remove(0),
            objects(&fake, "refund").remove(0),
        );
        assert_eq!(charge["amount_refunded"], refund["amount"], "{old:?}");
        assert_eq!(refund["charge"], charge["id"]);
        let types = types(&fake);
        for kind in ["charge.refunded", "charge.refund.updated"] {
            assert_eq!(types.iter().filter(|it| *it == kind).count(), 1, "{old:?}");
        }
    }
}

#[test]
fn the_capture_of_a_part_shows_its_release_at_once_in_the_old_shape() {
    let (fake, booking) = played(Story::PartialCaptureOldShape);
    let charge = told(&fake, "charge.captured").remove(0);
    let released = charge["amount"].as_i64().unwrap() - booking.amount;
    assert!(released > 0);
    assert_eq!(charge["amount_captured"], booking.amount);
    assert_eq!(charge["amount_refunded"], released);
    assert_eq!(charge["refunded"], false);
    let refund = objects(&fake, "refund").remove(0);
    let events = fake.events();
    let captured = events
        .iter()
        .find(|event| event["type"] == "charge.captured");
    assert_eq!(refund["created"], captured.unwrap()["created"]);
    assert_eq!(
        captured.unwrap()["data"]["previous_attributes"],
        json!({"amount_captured": 0, "amount_refunded": 0, "captured": false})
    );
}

#[test]
fn a_real_refund_is_added_to_the_release_in_the_charges_total() {
    let (fake, booking) = played(Story::ReleasedThenRefunded);
    let charge = objects(&fake, "charge").remove(0);
    let part = booking.amount / 4;
    assert_eq!(charge["amount"], booking.amount + part);
    assert_eq!(charge["amount_refunded"], 2 * part);
    assert_eq!(charge["refunded"], false);
    let amounts: Vec<Value> = objects(&fake, "refund")
        .into_iter()
        .map(|refund| refund["amount"].clone())
        .collect();
    assert_eq!(amounts, [part, part]);
}

#[test]
fn a_canceled_authorization_says_why_in_the_words_of_its_version() {
    for (story, reason, expired) in [
        (Story::AuthorizationVoided, "requested_by_customer", false),
        (
            Story::AuthorizationVoidedOldShape,
            "requested_by_customer",
            false,
        ),
        (Story::AuthorizationExpired, "expired", true),
        (Story::AuthorizationExpiredOldShape, "automatic", true),
    ] {
        let (fake, _) = played(story);
        let intent = told(&fake, "payment_intent.canceled").remove(0);
        assert_eq!(intent["cancellation_reason"], reason, "{story:?}");
        assert_eq!(intent["amount_capturable"], 0, "{story:?}");
        assert_eq!(told(&fake, "charge.expired").len(), usize::from(expired));
        let charge = objects(&fake, "charge").remove(0);
        assert_eq!(charge["captured"], false, "{story:?}");
    }
    let (fake, _) = played(Story::AuthorizationExpiredOldShape);
    let refund = objects(&fake, "refund").remove(0);
    assert_eq!(refund["reason"], "expired_uncaptured_charge");
}

#[test]
fn an_authorization_expires_when_its_charge_says() {
    let (fake, _) = played(Story::AuthorizationExpired);
    let charge = told(&fake, "charge.expired").remove(0);
    let events = fake.events();
    let expired = events
        .iter()
        .find(|event| event["type"] == "charge.expired");
    let until = &charge["payment_method_details"]["card"]["capture_before"];
    assert_eq!(*until, expired.unwrap()["created"]);
}

#[test]
fn between_captures_a_charge_is_not_captured_and_its_amount_rises() {
    let (fake, booking) = played(Story::Multicapture);
    let (first, second) = (booking.amount / 2, booking.amount / 5);
    let updates: Vec<(Value, Value)> = told(&fake, "charge.updated")
        .into_iter()
        .filter(|charge| charge["balance_transaction"].is_null())
        .map(|charge| {
            (
                charge["captured"].clone(),
                charge["amount_captured"].clone(),
            )
        })
        .collect();
    let expected = [first, first + second].map(|so_far| (json!(false), json!(so_far)));
    assert_eq!(updates, expected);
    let last = told(&fake, "charge.captured").remove(0);
    assert_eq!(last["amount_captured"], booking.amount);
    let intents = told(&fake, "payment_intent.amount_capturable_updated");
    let amounts: Vec<(i64, i64)> = intents
        .iter()
        .map(|intent| {
            let number = |field: &str| intent[field].as_i64().unwrap();
            (number("amount_received"), number("amount_capturable"))
        })
        .collect();
    let left = booking.amount - first;
    let expected = [
        (0, booking.amount),
        (first, left),
        (first + second, left - second),
    ];
    assert_eq!(amounts, expected);
    let done = told(&fake, "payment_intent.succeeded").remove(0);
    assert_eq!(done["amount_received"], booking.amount);
    assert_eq!(done["amount_capturable"], 0);
}
