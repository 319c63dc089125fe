use serde_json::{Value, json};

use super::Story;
use super::objects::{but, charge, held, intent, refund};

fn authorized() -> Story {
    let capturable = json!({"amount_capturable": 10_000, "latest_charge": "ch_1"});
    Story::registered("b")
        .at(10, "charge.succeeded", held("ch_1", "pi_1", 10_000))
        .at(
            10,
            "payment_intent.amount_capturable_updated",
            but(
                intent("pi_1", Some("b"), "requires_capture", 10_000),
                capturable,
            ),
        )
}

/// Stripe's refund of an authorization that was given back, before basil.
fn released(at: i64, amount: i64) -> Value {
    refund("re_release", "ch_1", "succeeded", amount, at)
}

#[test]
fn a_hold_is_authorized_until_the_card_lets_it_lapse() {
    let end = authorized().ends();
    end.is("b", "authorized", [0, 0, 0])
        .amount("b", "amount_authorized", 10_000)
        .finds(&[]);
    assert_eq!(end.column("b", "authorized_until"), "1970-01-11T10:00:00Z");
}

#[test]
fn a_voided_hold_is_no_refund_in_either_shape() {
    let canceled = intent("pi_1", Some("b"), "canceled", 10_000);
    let new = authorized().at(20, "payment_intent.canceled", canceled.clone());
    new.ends().is("b", "canceled", [0, 0, 0]).finds(&[]);
    let given_back = json!({"amount_refunded": 10_000, "refunded": true, "amount_captured": null});
    authorized()
        .at(20, "payment_intent.canceled", canceled)
        .at(
            20,
            "charge.refunded",
            but(held("ch_1", "pi_1", 10_000), given_back),
        )
        .at(20, "charge.refund.updated", released(20, 10_000))
        .ends()
        .is("b", "canceled", [0, 0, 0])
        .amount("b", "amount_authorized", 0)
        .finds(&[]);
}

#[test]
fn an_expired_hold_is_no_refund_in_either_shape_and_no_later_look_brings_it_back() {
    let expired = authorized()
        .at(20, "charge.expired", held("ch_1", "pi_1", 10_000))
        .observed(30, &held("ch_1", "pi_1", 10_000));
    expired.ends().is("b", "canceled", [0, 0, 0]).finds(&[]);
    expired
        .at(20, "charge.refund.updated", released(20, 10_000))
        .at(
            20,
            "payment_intent.canceled",
            intent("pi_1", Some("b"), "canceled", 10_000),
        )
        .ends()
        .is("b", "canceled", [0, 0, 0])
        .finds(&[]);
}

fn captured_in_part(refunded: i64) -> Story {
    let captured = json!({"amount_captured": 6_000, "amount_refunded": refunded});
    let received = json!({"amount_received": 6_000});
    authorized()
        .expects("b", 6_000)
        .changed(
            20,
            "charge.captured",
            but(charge("ch_1", Some("pi_1"), 10_000), captured),
            json!({"captured": false, "amount_captured": 0, "amount_refunded": 0}),
        )
        .at(
            20,
            "payment_intent.succeeded",
            but(intent("pi_1", Some("b"), "succeeded", 10_000), received),
        )
}

#[test]
fn a_hold_captured_in_part_took_that_part_in_either_shape() {
    for story in [
        captured_in_part(0),
        captured_in_part(4_000),
        captured_in_part(4_000).at(20, "charge.refund.updated", released(20, 4_000)),
    ] {
        story
            .ends()
            .is("b", "confirmed", [6_000, 0, 6_000])
            .took("pi_1", 6_000, 0)
            .finds(&[]);
    }
}

#[test]
fn a_charge_that_is_seen_in_both_shapes_ends_the_same() {
    let new = json!({"amount_captured": 6_000, "amount_refunded": 0});
    captured_in_part(4_000)
        .at(20, "charge.refund.updated", released(20, 4_000))
        .observed(40, &but(charge("ch_1", Some("pi_1"), 10_000), new))
        .ends()
        .is("b", "confirmed", [6_000, 0, 6_000])
        .finds(&[]);
}

#[test]
fn a_later_refund_that_equals_the_released_part_counts() {
    let both = json!({"amount_captured": 6_000, "amount_refunded": 8_000});
    captured_in_part(4_000)
        .at(20, "charge.refund.updated", released(20, 4_000))
        .at(
            50,
            "refund.created",
            refund("re_2", "ch_1", "succeeded", 4_000, 50),
        )
        .at(
            51,
            "charge.refunded",
            but(charge("ch_1", Some("pi_1"), 10_000), both),
        )
        .ends()
        .is("b", "partially_refunded", [6_000, 4_000, 2_000]);
}

#[test]
fn a_release_that_no_event_proves_counts_as_refunded_and_is_told() {
    let later = json!({"amount_captured": 6_000, "amount_refunded": 4_000});
    let received = json!({"amount_received": 6_000});
    authorized()
        .expects("b", 6_000)
        .at(
            25,
            "charge.updated",
            but(charge("ch_1", Some("pi_1"), 10_000), later),
        )
        .at(
            20,
            "payment_intent.succeeded",
            but(intent("pi_1", Some("b"), "succeeded", 10_000), received),
        )
        .ends()
        .is("b", "partially_refunded", [6_000, 4_000, 2_000])
        .finds(&["release_unproven"]);
}

#[test]
fn parts_captured_so_far_are_shown_and_decide_nothing() {
    let part = json!({"amount_captured": 3_000});
    let so_far = json!({"amount_received": 3_000, "amount_capturable": 7_000});
    authorized()
        .at(
            20,
            "charge.updated",
            but(held("ch_1", "pi_1", 10_000), part),
        )
        .at(
            20,
            "payment_intent.amount_capturable_updated",
            but(
                intent("pi_1", Some("b"), "requires_capture", 10_000),
                so_far,
            ),
        )
        .ends()
        .is("b", "authorized", [3_000, 0, 3_000])
        .amount("b", "amount_authorized", 7_000);
}

#[test]
fn a_hold_of_more_than_the_price_is_authorized() {
    let more = json!({"amount_capturable": 12_000});
    Story::registered("b")
        .at(
            10,
            "payment_intent.amount_capturable_updated",
            but(intent("pi_1", Some("b"), "requires_capture", 12_000), more),
        )
        .ends()
        .is("b", "authorized", [0, 0, 0])
        .amount("b", "amount_authorized", 12_000);
}

#[test]
fn a_hold_canceled_after_a_part_was_captured_took_that_part() {
    let part = json!({"amount_captured": 3_000});
    let so_far = json!({"amount_received": 3_000, "amount_capturable": 7_000});
    let kept = json!({"amount_received": 3_000});
    authorized()
        .expects("b", 3_000)
        .at(
            20,
            "payment_intent.amount_capturable_updated",
            but(
                intent("pi_1", Some("b"), "requires_capture", 10_000),
                so_far,
            ),
        )
        .at(
            30,
            "charge.captured",
            but(charge("ch_1", Some("pi_1"), 10_000), part),
        )
        .at(
            30,
            "payment_intent.canceled",
            but(intent("pi_1", Some("b"), "canceled", 10_000), kept),
        )
        .ends()
        .is("b", "confirmed", [3_000, 0, 3_000])
        .amount("b", "amount_authorized", 0)
        .took("pi_1", 3_000, 0)
        .finds(&[]);
}
