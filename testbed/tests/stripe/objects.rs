//! Retrieving and listing objects, and what the payloads hold.

use serde_json::{Value, json};
use testbed::stripe::{Story, When};

use crate::support::{config, get, lot, one, start};

fn of<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events
        .iter()
        .find(|event| event["type"] == kind)
        .unwrap_or_else(|| panic!("no {kind}"))
}

#[tokio::test]
async fn every_object_is_retrieved_as_it_now_stands() {
    let fake = start(config());
    fake.create_bookings(&one(Story::RefundFailed));
    fake.create_bookings(&one(Story::DisputeWon));
    for (id, object) in fake.truth().objects {
        let path = match object["object"].as_str().unwrap() {
            "checkout.session" => "checkout/sessions".to_owned(),
            kind => format!("{kind}s"),
        };
        let answer = get(&fake, &format!("/v1/{path}/{id}")).await;
        assert_eq!((answer.status, &answer.body), (200, &object), "{path}");
        assert!(answer.headers.contains_key("request-id"));
    }
}

#[tokio::test]
async fn an_event_is_retrieved_as_it_was_made() {
    let fake = start(config());
    fake.create_bookings(&one(Story::Paid));
    for event in fake.events() {
        let answer = get(
            &fake,
            &format!("/v1/events/{}", event["id"].as_str().unwrap()),
        )
        .await;
        assert_eq!(answer.body, event);
    }
}

#[tokio::test]
async fn an_unknown_object_is_missing_in_stripes_words() {
    let fake = start(config());
    for path in [
        "payment_intents",
        "charges",
        "refunds",
        "disputes",
        "events",
        "checkout/sessions",
    ] {
        let answer = get(&fake, &format!("/v1/{path}/xx_1")).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body["error"]["code"], "resource_missing");
        assert!(answer.message().starts_with("No such "), "{path}");
    }
    let other_kind = fake
        .create_bookings(&one(Story::Paid))
        .remove(0)
        .payment_intent
        .unwrap();
    assert_eq!(
        get(&fake, &format!("/v1/charges/{other_kind}"))
            .await
            .status,
        404
    );
    assert_eq!(get(&fake, "/v1/nonsense").await.status, 404);
    assert_eq!(get(&fake, "/v1/payment_intents_and_more").await.status, 404);
}

#[tokio::test]
async fn refunds_are_listed_by_their_payment_intent() {
    let fake = start(config());
    let booking = fake.create_bookings(&one(Story::PartialRefunds)).remove(0);
    fake.create_bookings(&one(Story::FullRefund));
    let intent = booking.payment_intent.unwrap();
    let page = get(
        &fake,
        &format!("/v1/refunds?payment_intent={intent}&limit=2"),
    )
    .await;
    assert_eq!((page.ids().len(), page.more()), (2, true));
    let rest = format!(
        "/v1/refunds?payment_intent={intent}&starting_after={}",
        page.ids()[1]
    );
    assert_eq!(get(&fake, &rest).await.ids().len(), 1);
}

#[test]
fn the_booking_id_is_only_where_stripe_would_have_it() {
    let fake = start(config());
    fake.create_bookings(&lot(200, When::JustNow));
    let mut untagged = 0;
    for event in fake.events() {
        let object = &event["data"]["object"];
        let booking = object["metadata"].get("booking_id");
        match object["object"].as_str().unwrap() {
            "checkout.session" => assert!(booking.is_some()),
            "refund" | "dispute" | "customer" | "payment_method" => assert!(booking.is_none()),
            _ => untagged += usize::from(booking.is_none()),
        }
    }
    assert!(
        untagged > 0,
        "some payment intents are tied by their session only"
    );
}

#[test]
fn a_charge_carries_its_payment_intents_metadata() {
    let fake = start(config());
    fake.create_bookings(&lot(50, When::JustNow));
    let objects = fake.truth().objects;
    for charge in objects
        .values()
        .filter(|object| object["object"] == "charge")
    {
        let intent = &objects[charge["payment_intent"].as_str().unwrap()];
        assert_eq!(charge["metadata"], intent["metadata"]);
    }
}

#[test]
fn previous_attributes_undo_the_change() {
    let fake = start(config());
    fake.create_bookings(&one(Story::RefundFailed));
    let events = fake.events();
    let refunded = of(&events, "charge.refunded");
    assert_eq!(
        refunded["data"]["previous_attributes"],
        json!({"amount_refunded": 0, "refunded": false})
    );
    let failed: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "refund.updated")
        .collect();
    assert_eq!(
        failed[0]["data"]["previous_attributes"],
        json!({"status": "pending"})
    );
    assert_eq!(
        failed[1]["data"]["previous_attributes"]["status"],
        "succeeded"
    );
    assert!(
        of(&events, "charge.updated")["data"]["previous_attributes"]["balance_transaction"]
            .is_null()
    );
    assert!(
        of(&events, "payment_intent.succeeded")["data"]
            .get("previous_attributes")
            .is_none()
    );
}

#[test]
fn a_session_completed_unpaid_is_paid_by_a_later_event() {
    let fake = start(config());
    fake.create_bookings(&one(Story::PaidLater));
    let events = fake.events();
    let status = |kind| of(&events, kind)["data"]["object"]["payment_status"].clone();
    assert_eq!(status("checkout.session.completed"), "unpaid");
    assert_eq!(status("checkout.session.async_payment_succeeded"), "paid");
}

#[test]
fn ids_have_stripes_shapes_and_are_unique() {
    let fake = start(config());
    fake.create_bookings(&lot(200, When::JustNow));
    let mut seen = std::collections::BTreeSet::new();
    for event in fake.events() {
        let id = event["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("evt_") && id.len() == 28, "{id}");
        assert!(seen.insert(id));
    }
    for (id, object) in fake.truth().objects {
        let prefix = match object["object"].as_str().unwrap() {
            "payment_intent" => "pi_3",
            "charge" => "ch_3",
            "refund" => "re_3",
            "dispute" => "du_1",
            "checkout.session" => "cs_test_",
            "customer" => "cus_",
            "invoice" => "in_1",
            "invoice_payment" => "inpay_1",
            "subscription" => "sub_1",
            "setup_intent" => "seti_1",
            _ => "pm_1",
        };
        assert!(id.starts_with(prefix), "{id}");
    }
}

#[tokio::test]
async fn objects_are_listed_by_created_newest_first_with_half_open_windows() {
    let fake = start(config());
    let kinds = [
        ("payment_intents", "payment_intent"),
        ("charges", "charge"),
        ("refunds", "refund"),
        ("disputes", "dispute"),
        ("checkout/sessions", "checkout.session"),
        ("subscriptions", "subscription"),
        ("invoices", "invoice"),
        ("customers", "customer"),
        ("payouts", "payout"),
        ("accounts", "account"),
    ];
    for (path, kind) in kinds {
        for second in 0..5 {
            let id = format!("{kind}_{second}");
            let created = 1_790_000_000 + second;
            fake.put_object(None, json!({"id": id, "object": kind, "created": created}));
        }
        let window = format!("/v1/{path}?created[gte]=1790000001&created[lt]=1790000004&limit=2");
        let first = get(&fake, &window).await;
        assert_eq!(first.ids(), [format!("{kind}_3"), format!("{kind}_2")]);
        assert!(first.more());
        let rest = get(&fake, &format!("{window}&starting_after={kind}_2")).await;
        assert_eq!(
            (rest.ids(), rest.more()),
            (vec![format!("{kind}_1")], false)
        );
    }
}
