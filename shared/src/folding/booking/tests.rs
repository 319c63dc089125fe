#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use super::*;
use serde_json::{Value, json};

struct Object {
    id: &'static str,
    at: i64,
    fields: Fields,
}

fn object(id: &'static str, at: i64, kind: &str, value: Value) -> Object {
    Object {
        id,
        at,
        fields: Fields::read(kind, &value),
    }
}

fn intent(id: &'static str, status: &str, received: i64) -> Object {
    object(
        id,
        10,
        "payment_intent",
        json!({"status": status, "amount": 1000, "amount_received": received, "currency": "eur"}),
    )
}

fn charge(refunded: i64, at: i64) -> Object {
    object(
        "ch_1",
        at,
        "charge",
        json!({"status": "succeeded", "captured": true, "amount": 1000, "amount_captured": 1000, "amount_refunded": refunded, "currency": "eur", "payment_intent": "pi_1"}),
    )
}

fn refund(id: &'static str, status: &str, amount: i64, at: i64) -> Object {
    object(
        id,
        at,
        "refund",
        json!({"status": status, "amount": amount, "currency": "eur", "charge": "ch_1"}),
    )
}

fn dispute(status: &str) -> Object {
    object(
        "dp_1",
        20,
        "dispute",
        json!({"status": status, "amount": 1000, "currency": "eur", "charge": "ch_1"}),
    )
}

fn session(status: &str, payment_status: &str, intent: Option<&str>) -> Object {
    object(
        "cs_1",
        10,
        "checkout.session",
        json!({"status": status, "payment_status": payment_status, "amount_total": 1000, "currency": "eur", "payment_intent": intent}),
    )
}

fn expects(amount: i64, currency: &str) -> Registration {
    Registration {
        booking_id: BookingId::parse("b").unwrap(),
        amount,
        currency: Currency::parse(currency).unwrap(),
        payment_intent: None,
        at: 0,
    }
}

fn view(registration: Option<&Registration>, objects: &[Object], required: bool) -> BookingView {
    let members: Vec<Member<'_>> = objects
        .iter()
        .map(|o| Member {
            id: o.id,
            fields: &o.fields,
            at: o.at,
            settled: true,
        })
        .collect();
    let view = fold_booking(registration, &members, required).unwrap();
    let backwards: Vec<Member<'_>> = members.iter().rev().copied().collect();
    assert_eq!(
        fold_booking(registration, &backwards, required).unwrap(),
        view,
        "order of members"
    );
    view
}

fn status(objects: &[Object]) -> Status {
    view(Some(&expects(1000, "eur")), objects, false).status
}

#[test]
fn nothing_known_is_pending() {
    assert_eq!(status(&[]), Status::Pending);
    assert_eq!(status(&[session("open", "unpaid", None)]), Status::Pending);
    assert_eq!(
        status(&[intent("pi_1", "requires_payment_method", 0)]),
        Status::Pending
    );
}

#[test]
fn paid_as_expected_is_confirmed() {
    let view = view(
        Some(&expects(1000, "eur")),
        &[intent("pi_1", "succeeded", 1000), charge(0, 10)],
        false,
    );
    assert_eq!(
        (view.status, view.amount_paid, view.amount_refunded),
        (Status::Confirmed, 1000, 0)
    );
    assert_eq!(
        (view.amount, view.currency.unwrap().as_str()),
        (Some(1000), "eur")
    );
}

#[test]
fn a_completed_session_that_is_unpaid_is_not_paid() {
    assert_eq!(
        status(&[session("complete", "unpaid", Some("pi_1"))]),
        Status::Processing
    );
    assert_eq!(
        status(&[
            session("complete", "unpaid", Some("pi_1")),
            intent("pi_1", "processing", 0)
        ]),
        Status::Processing
    );
    assert_eq!(
        status(&[
            session("complete", "paid", Some("pi_1")),
            intent("pi_1", "succeeded", 1000)
        ]),
        Status::Confirmed
    );
}

#[test]
fn paid_other_than_expected_is_a_mismatch() {
    let paid = [intent("pi_1", "succeeded", 1000)];
    assert_eq!(
        view(Some(&expects(999, "eur")), &paid, false).status,
        Status::AmountMismatch
    );
    assert_eq!(
        view(Some(&expects(1000, "usd")), &paid, false).status,
        Status::AmountMismatch
    );
    assert_eq!(view(None, &paid, false).status, Status::Confirmed);
}

#[test]
fn money_in_an_unreadable_currency_never_confirms_what_was_registered() {
    let fields = json!({"status": "succeeded", "amount": 1000, "amount_received": 1000, "currency": "e\u{0}r"});
    let paid = [object("pi_1", 10, "payment_intent", fields)];
    assert_eq!(
        view(Some(&expects(1000, "eur")), &paid, false).status,
        Status::AmountMismatch
    );
    assert_eq!(view(None, &paid, false).status, Status::Confirmed);
}

#[test]
fn an_unregistered_booking_is_not_confirmed_where_registration_is_required() {
    let paid = [intent("pi_1", "succeeded", 1000)];
    assert_eq!(view(None, &paid, true).status, Status::Pending);
    assert_eq!(
        view(Some(&expects(1000, "eur")), &paid, true).status,
        Status::Confirmed
    );
}

#[test]
fn the_attempt_that_got_furthest_counts() {
    let failed = object(
        "pi_1",
        10,
        "payment_intent",
        json!({"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}, "amount": 1000}),
    );
    assert_eq!(
        status(&[failed, intent("pi_2", "requires_action", 0)]),
        Status::RequiresAction
    );
    let failed = object(
        "ch_9",
        10,
        "charge",
        json!({"status": "failed", "payment_intent": "pi_1"}),
    );
    assert_eq!(
        status(&[failed, intent("pi_1", "requires_payment_method", 0)]),
        Status::PaymentFailed
    );
    assert_eq!(
        status(&[
            intent("pi_1", "canceled", 0),
            intent("pi_2", "processing", 0)
        ]),
        Status::Processing
    );
    assert_eq!(
        status(&[
            intent("pi_1", "canceled", 0),
            intent("pi_2", "succeeded", 1000)
        ]),
        Status::Confirmed
    );
}

#[test]
fn all_attempts_canceled_or_expired_is_canceled() {
    assert_eq!(status(&[intent("pi_1", "canceled", 0)]), Status::Canceled);
    assert_eq!(
        status(&[session("expired", "unpaid", None)]),
        Status::Canceled
    );
    assert_eq!(
        status(&[
            session("expired", "unpaid", Some("pi_1")),
            intent("pi_1", "canceled", 0)
        ]),
        Status::Canceled
    );
}

#[test]
fn refunds_count_while_they_are_pending_or_succeeded() {
    let paid = || intent("pi_1", "succeeded", 1000);
    assert_eq!(
        status(&[
            paid(),
            charge(400, 30),
            refund("re_1", "succeeded", 400, 30)
        ]),
        Status::PartiallyRefunded
    );
    assert_eq!(
        status(&[
            paid(),
            charge(1000, 30),
            refund("re_1", "succeeded", 400, 20),
            refund("re_2", "pending", 600, 30)
        ]),
        Status::Refunded
    );
    assert_eq!(status(&[paid(), charge(1000, 30)]), Status::Refunded);
    assert_eq!(
        status(&[paid(), charge(0, 10), refund("re_1", "canceled", 400, 10)]),
        Status::Confirmed
    );
}

#[test]
fn a_refund_that_fails_after_it_succeeded_gives_the_booking_back() {
    let objects = [
        intent("pi_1", "succeeded", 1000),
        charge(1000, 20),
        refund("re_1", "failed", 1000, 30),
    ];
    let view = view(Some(&expects(1000, "eur")), &objects, false);
    assert_eq!((view.status, view.amount_refunded), (Status::Confirmed, 0));
    assert_eq!(
        view.refetch.len(),
        1,
        "the charge still says otherwise: Stripe is asked"
    );
}

#[test]
fn the_later_of_two_disagreeing_views_counts() {
    let older = [
        intent("pi_1", "succeeded", 1000),
        charge(0, 10),
        refund("re_1", "succeeded", 400, 30),
    ];
    assert_eq!(view(None, &older, false).amount_refunded, 400);
    let newer = [
        intent("pi_1", "succeeded", 1000),
        charge(700, 40),
        refund("re_1", "succeeded", 400, 30),
    ];
    let view = view(None, &newer, false);
    assert_eq!(
        (view.amount_refunded, view.refetch[0].id.as_str()),
        (700, "ch_1")
    );
}

#[test]
fn a_dispute_counts_until_it_is_won_closed_or_prevented() {
    let paid = || intent("pi_1", "succeeded", 1000);
    for against in [
        "warning_needs_response",
        "needs_response",
        "under_review",
        "lost",
        "invented_tomorrow",
    ] {
        assert_eq!(
            status(&[paid(), dispute(against)]),
            Status::Disputed,
            "{against}"
        );
    }
    for harmless in ["won", "warning_closed", "prevented"] {
        assert_eq!(
            status(&[paid(), dispute(harmless)]),
            Status::Confirmed,
            "{harmless}"
        );
    }
}

#[test]
fn a_partial_capture_is_what_was_received() {
    let partial = object(
        "pi_1",
        10,
        "payment_intent",
        json!({"status": "succeeded", "amount": 1000, "amount_received": 600, "currency": "eur"}),
    );
    let view = view(Some(&expects(600, "eur")), &[partial], false);
    assert_eq!((view.status, view.amount_paid), (Status::Confirmed, 600));
}

#[test]
fn a_charge_whose_intent_is_unknown_counts_by_itself_and_never_twice() {
    assert_eq!(view(None, &[charge(0, 10)], false).amount_paid, 1000);
    assert_eq!(
        view(
            None,
            &[charge(0, 10), intent("pi_1", "succeeded", 1000)],
            false
        )
        .amount_paid,
        1000
    );
}

#[test]
fn attempts_in_two_currencies_add_up_to_no_amount() {
    let dollars = object(
        "pi_2",
        10,
        "payment_intent",
        json!({"status": "succeeded", "amount": 5, "amount_received": 5, "currency": "usd"}),
    );
    assert_eq!(
        view(None, &[intent("pi_1", "succeeded", 1000), dollars], false).status,
        Status::AmountMismatch
    );
}

#[test]
fn a_provisional_member_makes_the_booking_uncertain() {
    let paid = intent("pi_1", "succeeded", 1000);
    let member = Member {
        id: paid.id,
        fields: &paid.fields,
        at: 1,
        settled: false,
    };
    assert!(fold_booking(None, &[member], false).unwrap().uncertain);
}

#[test]
fn amounts_beyond_64_bits_are_an_error_and_no_panic() {
    let huge = |id| {
        object(
            id,
            1,
            "payment_intent",
            json!({"status": "succeeded", "amount_received": i64::MAX, "currency": "eur"}),
        )
    };
    let objects = [huge("pi_1"), huge("pi_2")];
    let members: Vec<Member<'_>> = objects
        .iter()
        .map(|o| Member {
            id: o.id,
            fields: &o.fields,
            at: 1,
            settled: true,
        })
        .collect();
    assert_eq!(
        fold_booking(None, &members, false),
        Err(FoldError::Overflow)
    );
}
