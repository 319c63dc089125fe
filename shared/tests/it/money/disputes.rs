use serde_json::json;

use super::Story;
use super::objects::{but, charge, dispute, intent, refund};

fn paid() -> Story {
    Story::registered("b")
        .at(10, "charge.succeeded", charge("ch_1", Some("pi_1"), 10_000))
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("b"), "succeeded", 10_000),
        )
}

#[test]
fn an_open_dispute_disputes_the_booking_and_a_won_one_leaves_no_trace() {
    let open = paid().at(
        500,
        "charge.dispute.created",
        dispute("dp_1", "ch_1", "needs_response", 10_000),
    );
    open.ends()
        .is("b", "disputed", [10_000, 0, 0])
        .amount("b", "amount_disputed", 10_000);
    open.at(
        600,
        "charge.dispute.closed",
        dispute("dp_1", "ch_1", "won", 10_000),
    )
    .ends()
    .is("b", "confirmed", [10_000, 0, 10_000])
    .amount("b", "amount_disputed", 0);
}

#[test]
fn an_inquiry_and_a_prevented_dispute_take_nothing() {
    for status in [
        "warning_needs_response",
        "warning_under_review",
        "warning_closed",
        "prevented",
    ] {
        paid()
            .at(
                500,
                "charge.dispute.created",
                dispute("dp_1", "ch_1", status, 10_000),
            )
            .ends()
            .is("b", "confirmed", [10_000, 0, 10_000])
            .finds(&[]);
    }
}

#[test]
fn a_partial_dispute_lost_after_a_partial_refund_takes_both() {
    paid()
        .at(
            100,
            "refund.created",
            refund("re_1", "ch_1", "succeeded", 3_000, 100),
        )
        .at(
            101,
            "charge.refunded",
            but(
                charge("ch_1", Some("pi_1"), 10_000),
                json!({"amount_refunded": 3_000}),
            ),
        )
        .at(
            500,
            "charge.dispute.closed",
            dispute("dp_1", "ch_1", "lost", 2_000),
        )
        .ends()
        .is("b", "disputed", [10_000, 3_000, 5_000])
        .amount("b", "amount_lost", 2_000)
        .finds(&[]);
}

#[test]
fn refunded_and_lost_is_told_as_lost_twice() {
    paid()
        .at(
            100,
            "refund.created",
            refund("re_1", "ch_1", "succeeded", 10_000, 100),
        )
        .at(
            101,
            "charge.refunded",
            but(
                charge("ch_1", Some("pi_1"), 10_000),
                json!({"amount_refunded": 10_000}),
            ),
        )
        .at(
            500,
            "charge.dispute.closed",
            dispute("dp_1", "ch_1", "lost", 10_000),
        )
        .ends()
        .is("b", "disputed", [10_000, 10_000, -10_000])
        .finds(&["lost_twice"]);
}

#[test]
fn what_a_lost_dispute_took_is_refined_in_its_own_currency_only() {
    let own = json!({"balance_transactions": [
        {"amount": -10_000, "currency": "eur"}, {"amount": 4_000, "currency": "eur"}]});
    paid()
        .at(
            500,
            "charge.dispute.closed",
            but(dispute("dp_1", "ch_1", "lost", 10_000), own),
        )
        .ends()
        .is("b", "disputed", [10_000, 0, 4_000])
        .amount("b", "amount_lost", 6_000)
        .finds(&[]);
    let foreign = json!({"balance_transactions": [
        {"amount": -11_000, "currency": "usd"}, {"amount": 4_400, "currency": "usd"}]});
    paid()
        .at(
            500,
            "charge.dispute.closed",
            but(dispute("dp_1", "ch_1", "lost", 10_000), foreign),
        )
        .ends()
        .amount("b", "amount_lost", 10_000)
        .finds(&["dispute_partial"]);
}

#[test]
fn lost_and_what_is_left_is_what_is_expected_is_confirmed() {
    paid()
        .expects("b", 8_000)
        .at(
            500,
            "charge.dispute.closed",
            dispute("dp_1", "ch_1", "lost", 2_000),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 8_000]);
}
