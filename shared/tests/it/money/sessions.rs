use serde_json::json;
use shared::folding::money::Policy;

use super::Story;
use super::objects::{but, charge, intent, session};

#[test]
fn a_session_that_only_saves_a_card_is_no_attempt() {
    let setup = json!({"status": "complete", "payment_status": "no_payment_required",
        "currency": null, "amount_total": null});
    let story = Story::registered("b").at(
        10,
        "checkout.session.completed",
        but(session("cs_1", Some("b"), "setup"), setup),
    );
    story.ends().is("b", "pending", [0, 0, 0]);
    let failed = json!({"last_payment_error": {"code": "card_declined"}});
    let story = story.at(
        20,
        "payment_intent.payment_failed",
        but(
            intent("pi_1", Some("b"), "requires_payment_method", 10_000),
            failed,
        ),
    );
    story.ends().is("b", "payment_failed", [0, 0, 0]);
    story
        .at(
            30,
            "payment_intent.succeeded",
            intent("pi_1", Some("b"), "succeeded", 10_000),
        )
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000]);
}

#[test]
fn a_session_whose_payment_is_unknown_is_an_attempt_by_itself() {
    let of = |fields| but(session("cs_1", Some("b"), "payment"), fields);
    let open = Story::registered("b").at(10, "checkout.session.created", of(json!({})));
    open.ends().is("b", "pending", [0, 0, 0]);
    open.at(
        90,
        "checkout.session.expired",
        of(json!({"status": "expired"})),
    )
    .ends()
    .is("b", "canceled", [0, 0, 0]);
    let complete = Story::registered("b").at(
        20,
        "checkout.session.completed",
        of(json!({"status": "complete"})),
    );
    complete.ends().is("b", "processing", [0, 0, 0]);
    complete
        .at(
            90,
            "checkout.session.async_payment_failed",
            of(json!({"status": "complete"})),
        )
        .observed(95, &of(json!({"status": "complete"})))
        .ends()
        .is("b", "payment_failed", [0, 0, 0]);
}

#[test]
fn a_session_gives_its_booking_to_the_intent_that_it_names() {
    let complete =
        json!({"status": "complete", "payment_status": "paid", "payment_intent": "pi_1"});
    Story::registered("b")
        .at(
            20,
            "checkout.session.completed",
            but(session("cs_1", Some("b"), "payment"), complete),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", 10_000),
        )
        .at(20, "charge.succeeded", charge("ch_1", Some("pi_1"), 10_000))
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .took("pi_1", 10_000, 0);
}

fn referring(policy: Policy, amount: i64) -> Story {
    let complete = json!({"status": "complete", "payment_status": "paid", "payment_intent": "pi_1",
        "client_reference_id": "b", "amount_total": amount});
    Story::registered("b")
        .with(policy)
        .at(
            20,
            "checkout.session.completed",
            but(session("cs_1", None, "payment"), complete),
        )
        .at(
            20,
            "payment_intent.succeeded",
            intent("pi_1", None, "succeeded", amount),
        )
}

#[test]
fn a_client_reference_counts_only_where_it_is_asked_for_and_fits() {
    referring(Policy::default(), 10_000)
        .ends()
        .is("b", "pending", [0, 0, 0])
        .took("pi_1", 10_000, 10_000)
        .finds(&[]);
    let asked = Policy {
        client_reference: true,
        ..Policy::default()
    };
    referring(asked, 10_000)
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000]);
    referring(asked, 1)
        .ends()
        .is("b", "pending", [0, 0, 0])
        .finds(&["foreign_claim"]);
}
