use serde_json::json;

use super::Story;
use super::objects::{but, charge, intent, refund};

fn paid() -> Story {
    Story::registered("b")
        .at(10, "charge.succeeded", charge("ch_1", Some("pi_1"), 10_000))
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("b"), "succeeded", 10_000),
        )
}

fn total(refunded: i64) -> serde_json::Value {
    but(
        charge("ch_1", Some("pi_1"), 10_000),
        json!({"amount_refunded": refunded}),
    )
}

#[test]
fn a_refund_that_waits_for_the_customer_is_shown_apart() {
    for counted in [0, 4_000] {
        paid()
            .at(
                20,
                "refund.created",
                refund("re_1", "ch_1", "requires_action", 4_000, 20),
            )
            .at(21, "charge.updated", total(counted))
            .ends()
            .is("b", "confirmed", [10_000, 0, 10_000])
            .amount("b", "amount_refund_pending_action", 4_000)
            .finds(&[]);
    }
}

#[test]
fn a_refund_that_fails_after_it_succeeded_gives_the_money_back() {
    for after in [0, 4_000] {
        paid()
            .at(
                20,
                "refund.created",
                refund("re_1", "ch_1", "pending", 4_000, 20),
            )
            .at(21, "charge.refunded", total(4_000))
            .at(
                30,
                "refund.updated",
                refund("re_1", "ch_1", "succeeded", 4_000, 20),
            )
            .at(
                40,
                "refund.failed",
                refund("re_1", "ch_1", "failed", 4_000, 20),
            )
            .at(41, "charge.updated", total(after))
            .ends()
            .is("b", "confirmed", [10_000, 0, 10_000])
            .finds(&[]);
    }
}

#[test]
fn a_refund_without_a_charge_is_tied_to_one_by_its_intent() {
    let unnamed = json!({"charge": null, "payment_intent": "pi_1"});
    paid()
        .at(
            20,
            "refund.created",
            but(refund("re_1", "", "succeeded", 4_000, 20), unnamed),
        )
        .at(21, "charge.refunded", total(4_000))
        .ends()
        .is("b", "partially_refunded", [10_000, 4_000, 6_000])
        .finds(&[]);
}

#[test]
fn an_unlinked_refund_belongs_to_the_booking_that_it_names() {
    let unlinked = json!({"charge": null, "metadata": {"booking_id": "b"}});
    paid()
        .at(
            20,
            "refund.created",
            but(refund("re_1", "", "succeeded", 1_000, 20), unlinked),
        )
        .ends()
        .is("b", "partially_refunded", [10_000, 1_000, 9_000]);
}

#[test]
fn a_total_and_refunds_that_disagree_also_after_a_look_are_told() {
    let story = paid()
        .at(
            20,
            "refund.created",
            refund("re_1", "ch_1", "succeeded", 4_000, 20),
        )
        .at(30, "charge.refunded", total(7_000));
    story
        .ends()
        .is("b", "partially_refunded", [10_000, 7_000, 3_000])
        .finds(&[]);
    story
        .observed(60, &total(7_000))
        .ends()
        .is("b", "partially_refunded", [10_000, 7_000, 3_000])
        .finds(&["refunds_disagree"]);
}

#[test]
fn the_refund_of_another_bookings_payment_is_no_money_here() {
    let names_b = json!({"metadata": {"booking_id": "b"}});
    paid()
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_2", Some("other"), "succeeded", 500),
        )
        .at(10, "charge.succeeded", charge("ch_2", Some("pi_2"), 500))
        .at(
            20,
            "refund.created",
            but(refund("re_2", "ch_2", "succeeded", 500, 20), names_b),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .is("other", "refunded", [500, 500, 0])
        .finds(&["claims_differ"]);
}
