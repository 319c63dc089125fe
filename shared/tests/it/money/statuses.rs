use serde_json::json;
use shared::folding::money::Policy;

use super::Story;
use super::objects::{but, charge, intent, refund, session};

fn paid(story: Story, id: &str, booking: &str, amount: i64, at: i64) -> Story {
    let ch = format!("ch_{id}");
    story
        .at(at, "charge.succeeded", charge(&ch, Some(id), amount))
        .at(
            at,
            "payment_intent.succeeded",
            intent(id, Some(booking), "succeeded", amount),
        )
}

fn refunded(story: Story, id: &str, amount: i64, at: i64) -> Story {
    let ch = format!("ch_{id}");
    let re = format!("re_{id}_{at}");
    story
        .at(
            at,
            "refund.created",
            refund(&re, &ch, "succeeded", amount, at),
        )
        .changed(
            at + 1,
            "charge.refunded",
            but(
                charge(&ch, Some(id), 10_000),
                json!({"amount_refunded": amount}),
            ),
            json!({"amount_refunded": 0}),
        )
}

#[test]
fn paid_as_expected_is_confirmed() {
    paid(Story::registered("b"), "pi_1", "b", 10_000, 10)
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .amount("b", "payments", 1)
        .finds(&[]);
}

#[test]
fn paid_twice_and_one_refunded_is_confirmed() {
    let twice = paid(Story::registered("b"), "pi_1", "b", 10_000, 10);
    let twice = paid(twice, "pi_2", "b", 10_000, 20);
    twice
        .ends()
        .is("b", "amount_mismatch", [20_000, 0, 20_000])
        .finds(&["paid_twice"]);
    refunded(twice, "pi_2", 10_000, 30)
        .ends()
        .is("b", "confirmed", [20_000, 10_000, 10_000])
        .finds(&[]);
}

#[test]
fn refunded_booked_and_paid_again_is_confirmed() {
    let story = paid(Story::registered("b"), "pi_1", "b", 10_000, 10);
    let story = refunded(story, "pi_1", 10_000, 20);
    story.ends().is("b", "refunded", [10_000, 10_000, 0]);
    paid(story, "pi_2", "b", 10_000, 40)
        .ends()
        .is("b", "confirmed", [20_000, 10_000, 10_000]);
}

#[test]
fn a_part_given_back_of_what_was_expected_is_partially_refunded() {
    let story = paid(Story::registered("b"), "pi_1", "b", 10_000, 10);
    refunded(story, "pi_1", 2_500, 20)
        .ends()
        .is("b", "partially_refunded", [10_000, 2_500, 7_500]);
}

#[test]
fn too_little_with_a_part_given_back_is_a_mismatch() {
    let story = paid(
        Story::registered("b").expects("b", 9_900),
        "pi_1",
        "b",
        100,
        10,
    );
    refunded(story, "pi_1", 1, 20)
        .ends()
        .is("b", "amount_mismatch", [100, 1, 99]);
}

#[test]
fn an_unregistered_booking_is_confirmed_by_any_payment_and_paid_twice_is_told() {
    let story = paid(Story::new(), "pi_1", "b", 700, 10);
    story.ends().is("b", "confirmed", [700, 0, 700]).finds(&[]);
    paid(story, "pi_2", "b", 700, 20)
        .ends()
        .is("b", "confirmed", [1_400, 0, 1_400])
        .finds(&["paid_twice"]);
}

#[test]
fn an_unregistered_booking_is_not_confirmed_where_registration_is_required() {
    let policy = Policy {
        require_registration: true,
        ..Policy::default()
    };
    paid(Story::new().with(policy), "pi_1", "b", 700, 10)
        .ends()
        .is("b", "pending", [700, 0, 700])
        .finds(&["paid_unregistered"]);
}

#[test]
fn money_in_two_currencies_is_a_mismatch_and_never_added() {
    let dollars = but(
        intent("pi_2", Some("b"), "succeeded", 300),
        json!({"currency": "usd"}),
    );
    let end = paid(Story::registered("b"), "pi_1", "b", 10_000, 10)
        .at(20, "payment_intent.succeeded", dollars)
        .ends();
    end.is("b", "amount_mismatch", [10_000, 0, 10_000]);
    let others = end.column("b", "other_currencies");
    assert_eq!(others["usd"]["amount_paid"], 300);
}

#[test]
fn a_second_currency_that_went_back_in_full_leaves_the_booking_confirmed() {
    let usd = json!({"currency": "usd"});
    let given_back = json!({"currency": "usd", "amount_refunded": 300, "refunded": true});
    let end = paid(Story::registered("b"), "pi_1", "b", 10_000, 10)
        .at(
            20,
            "payment_intent.succeeded",
            but(intent("pi_2", Some("b"), "succeeded", 300), usd.clone()),
        )
        .at(
            30,
            "refund.created",
            but(refund("re_2", "ch_2", "succeeded", 300, 30), usd),
        )
        .at(
            31,
            "charge.refunded",
            but(charge("ch_2", Some("pi_2"), 300), given_back),
        )
        .ends();
    end.is("b", "confirmed", [10_000, 0, 10_000]).finds(&[]);
    let dollars = &end.column("b", "other_currencies")["usd"];
    assert_eq!(dollars["amount_refunded"], 300, "{dollars}");
    assert_eq!(dollars["amount_net"], 0, "{dollars}");
}

#[test]
fn the_attempt_that_got_furthest_counts_while_nothing_is_paid() {
    let story = Story::registered("b").at(
        10,
        "payment_intent.canceled",
        intent("pi_1", Some("b"), "canceled", 10_000),
    );
    story.ends().is("b", "canceled", [0, 0, 0]);
    let story = story.at(
        11,
        "payment_intent.created",
        intent("pi_2", Some("b"), "requires_payment_method", 10_000),
    );
    story.ends().is("b", "pending", [0, 0, 0]);
    let failed = but(
        intent("pi_2", Some("b"), "requires_payment_method", 10_000),
        json!({"last_payment_error": {"code": "card_declined"}}),
    );
    let story = story.at(12, "payment_intent.payment_failed", failed);
    story.ends().is("b", "payment_failed", [0, 0, 0]);
    let story = story.at(
        13,
        "payment_intent.requires_action",
        intent("pi_3", Some("b"), "requires_action", 10_000),
    );
    story.ends().is("b", "requires_action", [0, 0, 0]);
    story
        .at(
            14,
            "payment_intent.processing",
            intent("pi_4", Some("b"), "processing", 10_000),
        )
        .ends()
        .is("b", "processing", [0, 0, 0])
        .amount("b", "amount_in_flight", 10_000);
}

#[test]
fn a_debit_beside_a_paid_booking_is_told() {
    paid(Story::registered("b"), "pi_1", "b", 10_000, 10)
        .at(
            20,
            "payment_intent.processing",
            intent("pi_2", Some("b"), "processing", 10_000),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .finds(&["overlapping_payment"]);
}

#[test]
fn statuses_of_before_2019_read_as_todays() {
    Story::registered("b")
        .at(
            10,
            "payment_intent.created",
            intent("pi_1", Some("b"), "requires_source", 10_000),
        )
        .at(
            11,
            "payment_intent.updated",
            intent("pi_2", Some("b"), "requires_source_action", 10_000),
        )
        .ends()
        .is("b", "requires_action", [0, 0, 0]);
}

#[test]
fn a_charge_without_an_intent_is_a_payment_also_as_it_was_before_2015() {
    let named = json!({"metadata": {"booking_id": "b"}});
    Story::registered("b")
        .at(
            10,
            "charge.succeeded",
            but(charge("ch_1", None, 10_000), named.clone()),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000]);
    let mut old = but(charge("ch_1", None, 10_000), named);
    old["status"] = json!("paid");
    old.as_object_mut().unwrap().remove("amount_captured");
    Story::registered("b")
        .at(10, "charge.succeeded", old)
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .took("ch_1", 10_000, 0);
}

#[test]
fn nothing_expected_and_nothing_to_pay_is_confirmed() {
    let free = but(
        session("cs_1", Some("b"), "payment"),
        json!({"status": "complete", "payment_status": "no_payment_required", "amount_total": 0}),
    );
    Story::new()
        .expects("b", 0)
        .at(10, "checkout.session.completed", free)
        .ends()
        .is("b", "confirmed", [0, 0, 0]);
}
