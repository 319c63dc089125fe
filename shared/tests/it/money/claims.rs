use serde_json::json;
use shared::folding::money::Policy;

use super::Story;
use super::objects::{but, charge, intent, refund};

#[test]
fn an_intent_that_is_reused_for_another_order_pays_the_one_that_is_named_last() {
    Story::registered("first")
        .expects("second", 7_000)
        .at(
            10,
            "payment_intent.created",
            intent("pi_1", Some("first"), "requires_payment_method", 5_000),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", Some("second"), "succeeded", 7_000),
        )
        .ends()
        .is("first", "pending", [0, 0, 0])
        .is("second", "confirmed", [7_000, 0, 7_000])
        .took("pi_1", 7_000, 0)
        .finds(&["claim_changed"]);
}

#[test]
fn metadata_that_is_corrected_after_payment_moves_the_money() {
    let right = intent("pi_1", Some("right"), "succeeded", 10_000);
    Story::registered("right")
        .at(10, "charge.succeeded", charge("ch_1", Some("pi_1"), 10_000))
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("wrong"), "succeeded", 10_000),
        )
        .observed(50, &right)
        .ends()
        .is("right", "confirmed", [10_000, 0, 10_000])
        .knows_nothing_of("wrong")
        .finds(&["claim_changed"]);
}

#[test]
fn emptied_metadata_unpays_nothing_and_is_told() {
    Story::registered("b")
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("b"), "succeeded", 10_000),
        )
        .observed(50, &intent("pi_1", None, "succeeded", 10_000))
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .finds(&["claim_removed"]);
}

#[test]
fn a_charge_that_names_another_booking_than_its_intent_changes_nothing_and_is_told() {
    let other = json!({"metadata": {"booking_id": "other"}});
    Story::registered("b")
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("b"), "succeeded", 10_000),
        )
        .at(
            11,
            "charge.updated",
            but(charge("ch_1", Some("pi_1"), 10_000), other),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .knows_nothing_of("other")
        .finds(&["claims_differ"]);
}

#[test]
fn a_charge_stands_in_for_an_intent_of_which_nothing_is_known() {
    let named = json!({"metadata": {"booking_id": "b"}});
    let alone = Story::registered("b").at(
        10,
        "charge.succeeded",
        but(charge("ch_1", Some("pi_1"), 10_000), named),
    );
    alone
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .took("pi_1", 10_000, 0);
    alone
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("b"), "succeeded", 10_000),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .took("pi_1", 10_000, 0)
        .took("ch_1", 0, 0);
}

#[test]
fn a_registered_intent_is_stronger_than_what_it_says_itself() {
    Story::registered("b")
        .intent("pi_1", "b")
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("else"), "succeeded", 10_000),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .knows_nothing_of("else");
}

#[test]
fn a_persons_assignment_is_the_strongest_and_takes_refunds_along() {
    let story = Story::registered("b")
        .intent("pi_1", "else")
        .expects("else", 1)
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("else"), "succeeded", 10_000),
        )
        .at(10, "charge.succeeded", charge("ch_1", Some("pi_1"), 10_000))
        .at(
            20,
            "refund.created",
            refund("re_1", "ch_1", "succeeded", 2_000, 20),
        );
    story
        .assigns("pi_1", Some("b"))
        .ends()
        .is("b", "partially_refunded", [10_000, 2_000, 8_000])
        .is("else", "pending", [0, 0, 0]);
}

#[test]
fn what_a_person_takes_away_belongs_to_nobody() {
    Story::registered("b")
        .assigns("pi_1", None)
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("b"), "succeeded", 10_000),
        )
        .ends()
        .is("b", "pending", [0, 0, 0])
        .took("pi_1", 10_000, 10_000);
}

#[test]
fn a_payment_that_names_no_booking_is_unassigned_and_told_where_a_setting_asks_for_it() {
    let unnamed = || {
        Story::new().at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", 500),
        )
    };
    unnamed().ends().took("pi_1", 500, 500).finds(&[]);
    let policy = Policy {
        report_unassigned: true,
        ..Policy::default()
    };
    unnamed()
        .with(policy)
        .ends()
        .took("pi_1", 500, 500)
        .finds(&["unassigned_money"]);
}

#[test]
fn a_blank_booking_id_is_none_and_a_programming_error_counts_and_is_told() {
    Story::new()
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("  "), "succeeded", 500),
        )
        .ends()
        .took("pi_1", 500, 500)
        .finds(&[]);
    for odd in ["undefined", "null", "None", "NaN", "[object Object]"] {
        Story::new()
            .at(
                10,
                "payment_intent.succeeded",
                intent("pi_1", Some(odd), "succeeded", 500),
            )
            .ends()
            .is(odd, "confirmed", [500, 0, 500])
            .finds(&["suspicious_booking_id"]);
    }
}
