use serde_json::{Value, json};

use super::Story;
use super::objects::{but, charge, dispute, intent, invoice, invoice_payment, line, refund};

#[test]
fn one_intent_for_two_invoices_pays_each_booking_its_part() {
    Story::registered("one")
        .expects("one", 5_000)
        .expects("two", 3_000)
        .at(
            20,
            "invoice.paid",
            invoice("in_1", Some("one"), "paid", 5_000),
        )
        .at(
            20,
            "invoice.paid",
            invoice("in_2", Some("two"), "paid", 3_000),
        )
        .at(
            20,
            "invoice_payment.paid",
            invoice_payment("inpay_1", "in_1", "pi_1", 5_000),
        )
        .at(
            20,
            "invoice_payment.paid",
            invoice_payment("inpay_2", "in_2", "pi_1", 3_000),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", Some("one"), "succeeded", 8_000),
        )
        .ends()
        .is("one", "confirmed", [5_000, 0, 5_000])
        .is("two", "confirmed", [3_000, 0, 3_000])
        .took("pi_1", 8_000, 0)
        .finds(&[]);
}

fn for_two(rest: i64) -> Story {
    let data: Vec<Value> = vec![
        line("il_1", Some("one"), 6_000),
        line("il_2", Some("two"), 3_000),
        line("il_3", None, rest),
    ];
    let lines = json!({"lines": {"object": "list", "has_more": false, "data": data}});
    let all = 9_000 + rest;
    Story::registered("one")
        .expects("one", 6_000)
        .expects("two", 3_000)
        .at(
            20,
            "invoice.paid",
            but(invoice("in_1", None, "paid", all), lines),
        )
        .at(
            20,
            "invoice_payment.paid",
            invoice_payment("inpay_1", "in_1", "pi_1", all),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", all),
        )
        .at(20, "charge.succeeded", charge("ch_1", Some("pi_1"), all))
}

#[test]
fn one_invoice_for_two_bookings_is_divided_by_its_lines() {
    for_two(0)
        .ends()
        .is("one", "confirmed", [6_000, 0, 6_000])
        .is("two", "confirmed", [3_000, 0, 3_000])
        .took("pi_1", 9_000, 0)
        .finds(&[]);
}

#[test]
fn a_line_that_names_no_booking_is_unassigned_and_told() {
    for_two(1_000)
        .ends()
        .is("one", "confirmed", [6_000, 0, 6_000])
        .took("pi_1", 10_000, 1_000)
        .finds(&["shared_payment"]);
}

#[test]
fn a_refund_of_a_shared_payment_goes_where_it_says_else_in_proportion() {
    let total = |refunded: i64| {
        but(
            charge("ch_1", Some("pi_1"), 9_000),
            json!({"amount_refunded": refunded}),
        )
    };
    let names_two = json!({"metadata": {"booking_id": "two"}});
    for_two(0)
        .at(
            30,
            "refund.created",
            but(refund("re_1", "ch_1", "succeeded", 3_000, 30), names_two),
        )
        .at(31, "charge.refunded", total(3_000))
        .ends()
        .is("one", "confirmed", [6_000, 0, 6_000])
        .is("two", "refunded", [3_000, 3_000, 0])
        .finds(&[]);
    for_two(0)
        .at(
            30,
            "refund.created",
            refund("re_1", "ch_1", "succeeded", 900, 30),
        )
        .at(31, "charge.refunded", total(900))
        .ends()
        .is("one", "partially_refunded", [6_000, 600, 5_400])
        .is("two", "partially_refunded", [3_000, 300, 2_700])
        .finds(&["shared_refund"]);
}

#[test]
fn the_lines_that_stripe_cut_are_unassigned_until_they_are_fetched() {
    let first = vec![line("il_1", Some("one"), 6_000)];
    let all = vec![first[0].clone(), line("il_2", Some("two"), 3_000)];
    let listed = |data: Vec<Value>, more: bool| {
        let lines = json!({"lines": {"object": "list", "has_more": more, "data": data}});
        but(invoice("in_1", None, "paid", 9_000), lines)
    };
    let cut = Story::registered("one")
        .expects("one", 6_000)
        .expects("two", 3_000)
        .at(20, "invoice.paid", listed(first, true))
        .at(
            20,
            "invoice_payment.paid",
            invoice_payment("inpay_1", "in_1", "pi_1", 9_000),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", 9_000),
        );
    cut.ends()
        .is("one", "confirmed", [6_000, 0, 6_000])
        .took("pi_1", 9_000, 3_000)
        .finds(&["shared_payment"]);
    cut.observed(90, &listed(all, false))
        .ends()
        .is("one", "confirmed", [6_000, 0, 6_000])
        .is("two", "confirmed", [3_000, 0, 3_000])
        .took("pi_1", 9_000, 0)
        .finds(&[]);
}

#[test]
fn a_dispute_of_a_shared_payment_goes_in_proportion_to_what_is_left() {
    let names_two = json!({"metadata": {"booking_id": "two"}});
    let given_back = json!({"amount_refunded": 1_500});
    for_two(0)
        .at(
            30,
            "refund.created",
            but(refund("re_1", "ch_1", "succeeded", 1_500, 30), names_two),
        )
        .at(
            31,
            "charge.refunded",
            but(charge("ch_1", Some("pi_1"), 9_000), given_back),
        )
        .at(
            500,
            "charge.dispute.created",
            dispute("dp_1", "ch_1", "needs_response", 2_500),
        )
        .ends()
        .is("one", "disputed", [6_000, 0, 4_000])
        .amount("one", "amount_disputed", 2_000)
        .is("two", "disputed", [3_000, 1_500, 1_000])
        .amount("two", "amount_disputed", 500)
        .finds(&["shared_refund"]);
}
