use serde_json::{Value, json};

use super::Story;
use super::objects::{but, intent, invoice, invoice_payment};

#[test]
fn an_invoice_is_an_attempt_until_it_is_paid_or_given_up() {
    for (status, shown) in [
        ("draft", "pending"),
        ("open", "pending"),
        ("void", "canceled"),
        ("uncollectible", "canceled"),
    ] {
        Story::registered("b")
            .at(
                10,
                "invoice.updated",
                invoice("in_1", Some("b"), status, 10_000),
            )
            .ends()
            .is("b", shown, [0, 0, 0]);
    }
    Story::registered("b")
        .at(
            10,
            "invoice.created",
            invoice("in_1", Some("b"), "draft", 10_000),
        )
        .at(
            20,
            "invoice.deleted",
            invoice("in_1", Some("b"), "draft", 10_000),
        )
        .ends()
        .is("b", "canceled", [0, 0, 0])
        .finds(&[]);
}

#[test]
fn a_failed_attempt_counts_until_another_one_is_under_way() {
    let tried = |n: i64| {
        but(
            invoice("in_1", Some("b"), "open", 10_000),
            json!({"attempt_count": n, "attempted": true}),
        )
    };
    let failed = Story::registered("b").at(10, "invoice.payment_failed", tried(1));
    failed.ends().is("b", "payment_failed", [0, 0, 0]);
    failed
        .at(90, "invoice.updated", tried(2))
        .ends()
        .is("b", "processing", [0, 0, 0]);
}

#[test]
fn an_invoice_paid_by_an_intent_pays_its_booking_once_in_either_shape() {
    let old = json!({"payment_intent": "pi_1", "charge": null, "paid": true});
    Story::registered("b")
        .at(
            20,
            "invoice.paid",
            but(invoice("in_1", Some("b"), "paid", 10_000), old),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", 10_000),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .finds(&[]);
    Story::registered("b")
        .at(
            20,
            "invoice.paid",
            invoice("in_1", Some("b"), "paid", 10_000),
        )
        .at(
            20,
            "invoice_payment.paid",
            invoice_payment("inpay_1", "in_1", "pi_1", 10_000),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", 10_000),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .took("pi_1", 10_000, 0)
        .finds(&[]);
}

#[test]
fn an_invoice_paid_outside_stripe_counts_by_its_flag_before_basil() {
    let flag = json!({"paid_out_of_band": true, "amount_paid": 0, "payment_intent": null});
    Story::registered("b")
        .at(
            20,
            "invoice.paid",
            but(invoice("in_1", Some("b"), "paid", 10_000), flag),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .amount("b", "amount_settled_elsewhere", 10_000)
        .finds(&[]);
}

fn listed(data: Value) -> Value {
    but(
        invoice("in_1", Some("b"), "paid", 10_000),
        json!({"payments": {"object": "list", "has_more": false, "data": data}}),
    )
}

#[test]
fn an_invoice_paid_outside_stripe_counts_by_the_complete_list_of_its_payments_since_basil() {
    let paid = Story::registered("b").at(
        20,
        "invoice.paid",
        invoice("in_1", Some("b"), "paid", 10_000),
    );
    paid.ends()
        .is("b", "pending", [0, 0, 0])
        .finds(&["settlement_unproven"]);
    let cut = but(
        listed(json!([])),
        json!({"payments": {"object": "list", "has_more": true, "data": []}}),
    );
    let paid = paid.observed(40, &cut);
    paid.ends().finds(&["settlement_unproven"]);
    let seen = paid.observed(50, &listed(json!([])));
    seen.ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .amount("b", "amount_settled_elsewhere", 10_000)
        .finds(&[]);
    // A later event without the list takes nothing back.
    seen.at(
        60,
        "invoice.updated",
        invoice("in_1", Some("b"), "paid", 10_000),
    )
    .ends()
    .is("b", "confirmed", [10_000, 0, 10_000]);
}

#[test]
fn a_payment_record_is_evidence_of_money_outside_stripe() {
    let record = json!({"payment": {"type": "payment_record", "payment_record": "pr_1"}});
    Story::registered("b")
        .at(
            20,
            "invoice.paid",
            invoice("in_1", Some("b"), "paid", 10_000),
        )
        .at(
            20,
            "invoice_payment.paid",
            but(invoice_payment("inpay_1", "in_1", "", 10_000), record),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .amount("b", "amount_settled_elsewhere", 10_000)
        .finds(&[]);
}

#[test]
fn an_applied_balance_counts_as_paid() {
    let balance = json!({"starting_balance": -4_000, "ending_balance": 0, "amount_due": 6_000, "amount_paid": 6_000});
    Story::registered("b")
        .at(
            20,
            "invoice.paid",
            but(invoice("in_1", Some("b"), "paid", 10_000), balance),
        )
        .at(
            20,
            "invoice_payment.paid",
            invoice_payment("inpay_1", "in_1", "pi_1", 6_000),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", 6_000),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .amount("b", "amount_from_balance", 4_000)
        .finds(&[]);
}

#[test]
fn a_credit_note_gives_back_out_of_band_and_to_the_balance() {
    let note = json!({"id": "cn_1", "object": "credit_note", "status": "issued", "type": "post_payment",
        "amount": 3_000, "post_payment_amount": 3_000, "out_of_band_amount": 1_000, "refunds": [],
        "customer_balance_transaction": "cbtxn_1", "currency": "eur", "invoice": "in_1", "lines": {"data": []}});
    let story = Story::registered("b")
        .at(
            20,
            "invoice.paid",
            invoice("in_1", Some("b"), "paid", 10_000),
        )
        .at(
            20,
            "invoice_payment.paid",
            invoice_payment("inpay_1", "in_1", "pi_1", 10_000),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", 10_000),
        )
        .at(30, "credit_note.created", note.clone());
    story
        .ends()
        .is("b", "partially_refunded", [10_000, 1_000, 7_000])
        .amount("b", "amount_credited", 2_000);
    story
        .at(
            40,
            "credit_note.voided",
            but(note, json!({"status": "void"})),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000]);
}
