use serde_json::json;
use shared::folding::Told;
use shared::folding::details::Details;

use super::Story;
use super::objects::{but, charge, intent};

#[test]
fn a_destination_charge_on_our_account_pays_the_connected_accounts_booking() {
    for place in [
        json!({"transfer_data": {"destination": "acct_1"}}),
        json!({"on_behalf_of": "acct_1"}),
    ] {
        Story::registered("b")
            .on_account("b", "acct_1")
            .at(
                10,
                "payment_intent.succeeded",
                but(intent("pi_1", Some("b"), "succeeded", 10_000), place),
            )
            .ends()
            .is("b", "confirmed", [10_000, 0, 10_000])
            .finds(&[]);
    }
    Story::registered("b")
        .on_account("b", "acct_1")
        .at(
            10,
            "payment_intent.succeeded",
            intent("pi_1", Some("b"), "succeeded", 10_000),
        )
        .ends()
        .is("b", "pending", [0, 0, 0])
        .took("pi_1", 10_000, 10_000)
        .finds(&["foreign_claim"]);
}

#[test]
fn the_last_account_of_a_context_owns_the_event() {
    let body = |place: serde_json::Value| {
        but(
            json!({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 10,
                "data": {"object": intent("pi_1", Some("b"), "succeeded", 10_000)}}),
            place,
        )
    };
    for place in [
        json!({"account": "acct_1a"}),
        json!({"context": "acct_1a"}),
        json!({"context": "acct_1/acct_1a"}),
        json!({"account": "acct_1a", "context": "acct_1/acct_1a"}),
    ] {
        let end = Story::registered("b")
            .on_account("b", "acct_1a")
            .raw(&body(place))
            .ends();
        end.is("b", "confirmed", [10_000, 0, 10_000]);
        assert!(!end.object("acct_1a", "pi_1").state.is_empty());
    }
    let odd = serde_json::to_vec(&body(json!({"context": "///"}))).unwrap();
    let odd = shared::envelope::decode(&odd).unwrap();
    assert!(odd.envelope.is_unattributable && odd.envelope.account.is_none());
}

#[test]
fn an_account_that_disconnects_is_told_by_an_event_about_our_application() {
    let event = |id: &str, at: i64, kind: &str, object: serde_json::Value| {
        json!({"id": id, "object": "event", "type": kind, "created": at, "account": "acct_1",
            "data": {"object": object}})
    };
    let account =
        json!({"id": "acct_1", "object": "account", "charges_enabled": true, "metadata": {}});
    let gone = event(
        "evt_2",
        50,
        "account.application.deauthorized",
        json!({"id": "ca_1", "object": "application"}),
    );
    let end = Story::new()
        .raw(&event("evt_1", 10, "account.updated", account))
        .raw(&gone)
        .ends();
    let fields = &end
        .object("acct_1", "acct_1")
        .state
        .winner()
        .unwrap()
        .snapshot
        .fields;
    assert_eq!(fields.told, Some(Told::Deauthorized));
}

#[test]
fn ids_that_merchants_choose_are_kept_as_they_are() {
    let plan = "Pro plan $699/month";
    let object = json!({"id": "sub_1", "object": "subscription", "status": "active", "metadata": {},
        "customer": "jane+1@example.com",
        "items": {"data": [{"id": "si_1", "plan": {"id": plan, "product": "Zimmer für zwei"}}]}});
    let end = Story::new()
        .at(10, "customer.subscription.created", object)
        .at(
            10,
            "customer.created",
            json!({"id": "jane+1@example.com", "object": "customer"}),
        )
        .ends();
    let fields = &end
        .object("", "sub_1")
        .state
        .winner()
        .unwrap()
        .snapshot
        .fields;
    let Details::Subscription(details) = &fields.details else {
        panic!("no subscription");
    };
    assert_eq!(details.items[0].price.as_deref(), Some(plan));
    assert_eq!(details.items[0].product.as_deref(), Some("Zimmer für zwei"));
    assert!(!end.object("", "jane+1@example.com").state.is_empty());
}

#[test]
fn a_connected_accounts_payment_counts_once_its_booking_is_registered_for_it() {
    let paid = json!({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded",
        "created": 10, "account": "acct_1",
        "data": {"object": intent("pi_1", Some("b"), "succeeded", 10_000)}});
    Story::registered("b")
        .raw(&paid)
        .ends()
        .is("b", "pending", [0, 0, 0])
        .took("pi_1", 10_000, 10_000)
        .finds(&["foreign_claim"]);
    Story::registered("b")
        .on_account("b", "acct_1")
        .raw(&paid)
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .took("pi_1", 10_000, 0)
        .finds(&[]);
}

#[test]
fn a_charge_that_shows_a_transfer_is_never_a_payment_again() {
    let mirror = json!({"metadata": {"booking_id": "b"}, "source_transfer": "tr_1"});
    let shown_again = json!({"id": "evt_2", "object": "event", "type": "payment.created",
        "created": 11, "account": "acct_1",
        "data": {"object": but(charge("py_1", None, 9_000), mirror)}});
    Story::registered("b")
        .on_account("b", "acct_1")
        .at(
            10,
            "payment_intent.succeeded",
            but(
                intent("pi_1", Some("b"), "succeeded", 10_000),
                json!({"transfer_data": {"destination": "acct_1"}}),
            ),
        )
        .raw(&shown_again)
        .ends()
        .is("b", "confirmed", [10_000, 0, 10_000])
        .amount("b", "payments", 1)
        .took("py_1", 0, 0)
        .finds(&[]);
}
