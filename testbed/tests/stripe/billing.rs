//! Invoices of bookings, their payments, and how each version shows them.

use serde_json::{Value, json};
use testbed::stripe::Story;

use crate::support::{Sink, config, get, objects, one, played, start, told, types};

#[test]
fn an_invoice_names_its_booking_and_its_intent_does_not() {
    for story in [Story::InvoicePaid, Story::InvoicePaidOldShape] {
        let (fake, booking) = played(story);
        assert_eq!(booking.payment_intent, None, "nothing to register");
        let invoice = objects(&fake, "invoice").remove(0);
        assert_eq!(invoice["metadata"], json!({"booking_id": booking.id}));
        for kind in ["payment_intent", "charge"] {
            assert_eq!(objects(&fake, kind)[0]["metadata"], json!({}), "{kind}");
        }
        assert_eq!(invoice["lines"]["data"][0]["metadata"], json!({}));
    }
}

#[test]
fn since_basil_only_an_invoice_payment_ties_an_invoice_to_its_intent() {
    let (fake, booking) = played(Story::InvoicePaid);
    let intent = objects(&fake, "payment_intent").remove(0);
    let payment = told(&fake, "invoice_payment.paid").remove(0);
    assert_eq!(payment["payment"]["payment_intent"], intent["id"]);
    assert_eq!(payment["amount_paid"], booking.amount);
    for event in fake.events() {
        let object = &event["data"]["object"];
        for gone in ["payment_intent", "charge", "paid", "paid_out_of_band"] {
            let is_invoice = object["object"] == "invoice";
            assert!(!is_invoice || object.get(gone).is_none(), "{gone}");
        }
        let is_payment = matches!(object["object"].as_str(), Some("payment_intent" | "charge"));
        assert!(!is_payment || object.get("invoice").is_none());
        assert!(object.get("payments").is_none(), "expanded in an event");
    }
}

#[test]
fn before_basil_invoice_intent_and_charge_name_each_other() {
    let (fake, _) = played(Story::InvoicePaidOldShape);
    assert!(told(&fake, "invoice_payment.paid").is_empty());
    let invoice = told(&fake, "invoice.paid").remove(0);
    let intent = told(&fake, "payment_intent.succeeded").remove(0);
    let charge = told(&fake, "charge.succeeded").remove(0);
    assert_eq!(invoice["payment_intent"], intent["id"]);
    assert_eq!(invoice["charge"], charge["id"]);
    assert_eq!(
        (&intent["invoice"], &charge["invoice"]),
        (&invoice["id"], &invoice["id"])
    );
    assert_eq!(invoice["paid"], true);
    assert!(invoice.get("parent").is_none());
    let line = &invoice["lines"]["data"][0];
    assert_eq!(line["type"], "invoiceitem");
    assert!(line.get("parent").is_none() && line.get("pricing").is_none());
    for event in fake.events() {
        assert_eq!(event["api_version"], "2025-02-24.acacia");
    }
}

#[tokio::test]
async fn an_endpoint_pinned_before_basil_gets_the_old_shape_of_a_new_invoice() {
    let sink = Sink::ok();
    let fake = start(config());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let form = format!(
        "url={}&enabled_events[]=invoice.paid&api_version=2024-06-20",
        sink.url()
    );
    let request = client
        .post(format!("{}/v1/webhook_endpoints", fake.url()))
        .bearer_auth(fake.api_key())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    assert_eq!(request.send().await.unwrap().status(), 200);
    fake.create_bookings(&one(Story::InvoicePaid));
    crate::support::eventually("delivered", || !sink.received().is_empty()).await;
    let invoice = sink.received()[0].json()["data"]["object"].clone();
    let intent = objects(&fake, "payment_intent").remove(0);
    assert_eq!(invoice["payment_intent"], intent["id"]);
    assert!(invoice.get("parent").is_none());
}

#[test]
fn a_failed_attempt_leaves_the_invoice_open_and_is_counted() {
    let (fake, _) = played(Story::InvoiceFailedThenPaid);
    let failed = told(&fake, "invoice.payment_failed").remove(0);
    assert_eq!(
        (&failed["status"], &failed["attempt_count"]),
        (&json!("open"), &json!(1))
    );
    let paid = told(&fake, "invoice.paid").remove(0);
    assert_eq!(
        (&paid["status"], &paid["attempt_count"]),
        (&json!("paid"), &json!(2))
    );
    assert_eq!(objects(&fake, "charge").len(), 2);
    assert_eq!(objects(&fake, "payment_intent").len(), 1);
}

#[test]
fn a_void_invoice_cancels_its_intent() {
    let (fake, _) = played(Story::InvoiceVoided);
    assert_eq!(told(&fake, "invoice.voided")[0]["status"], "void");
    let intent = told(&fake, "payment_intent.canceled").remove(0);
    assert_eq!(intent["cancellation_reason"], "void_invoice");
    let payment = objects(&fake, "invoice_payment").remove(0);
    assert_eq!(payment["status"], "canceled");
}

#[test]
fn an_invoice_paid_outside_stripe_says_so_before_basil_only() {
    for (story, flag) in [
        (Story::InvoiceOutOfBandOldShape, Some(&json!(true))),
        (Story::InvoiceOutOfBand, None),
    ] {
        let (fake, booking) = played(story);
        let types = types(&fake);
        assert!(types.iter().all(|kind| kind != "invoice.payment_succeeded"));
        assert!(
            types
                .iter()
                .all(|kind| !kind.starts_with("invoice_payment"))
        );
        assert!(objects(&fake, "payment_intent").is_empty());
        let invoice = told(&fake, "invoice.paid").remove(0);
        assert_eq!(invoice.get("paid_out_of_band"), flag);
        // Only since basil does the amount include what was paid outside Stripe.
        let paid = if flag.is_some() { 0 } else { booking.amount };
        assert_eq!(invoice["amount_paid"], paid);
        let opened = told(&fake, "invoice.finalized").remove(0);
        assert_ne!(opened.get("paid_out_of_band"), Some(&json!(true)));
    }
}

#[test]
fn an_invoice_that_the_balance_pays_is_due_nothing() {
    let (fake, booking) = played(Story::InvoiceFromBalance);
    let invoice = told(&fake, "invoice.paid").remove(0);
    assert_eq!(
        [
            &invoice["amount_due"],
            &invoice["amount_paid"],
            &invoice["ending_balance"]
        ],
        [&json!(0); 3]
    );
    assert_eq!(invoice["total"], booking.amount);
    assert_eq!(invoice["starting_balance"], -booking.amount);
}

#[tokio::test]
async fn payments_are_inside_an_invoice_only_when_they_are_expanded() {
    let (fake, _) = played(Story::InvoicePaid);
    let invoice = objects(&fake, "invoice").remove(0);
    let path = format!("/v1/invoices/{}", invoice["id"].as_str().unwrap());
    let plain = get(&fake, &path).await;
    assert_eq!((plain.status, &plain.body), (200, &invoice));
    let payment = objects(&fake, "invoice_payment").remove(0);
    for expand in ["expand[]=payments", "expand%5B0%5D=payments"] {
        let payments = get(&fake, &format!("{path}?{expand}")).await.body["payments"].clone();
        assert_eq!(payments["data"], json!([payment]), "{expand}");
        assert_eq!(payments["has_more"], false);
    }
    let other = get(&fake, &format!("{path}?expand[]=customer")).await;
    assert_eq!(other.body, invoice);
    let listed = get(&fake, "/v1/invoices?expand[]=data.payments").await;
    assert_eq!(listed.body["data"][0]["payments"]["data"], json!([payment]));
    let listed = get(&fake, "/v1/invoices?expand[]=payments").await;
    assert_eq!(listed.body["data"], json!([invoice]));
}

#[tokio::test]
async fn the_payments_of_an_invoice_paid_outside_stripe_are_none_or_a_record() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 1..20 {
        let fake = start(testbed::stripe::FakeConfig { seed, ..config() });
        fake.create_bookings(&one(Story::InvoiceOutOfBand));
        let invoice = objects(&fake, "invoice").remove(0);
        let id = invoice["id"].as_str().unwrap();
        let answer = get(&fake, &format!("/v1/invoices/{id}?expand[]=payments")).await;
        let payments = &answer.body["payments"];
        assert_eq!(payments["has_more"], false);
        let kinds: Vec<&Value> = payments["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|payment| &payment["payment"]["type"])
            .collect();
        assert!(kinds.is_empty() || kinds == ["payment_record"], "{kinds:?}");
        seen.insert(kinds.len());
    }
    assert_eq!(seen, [0, 1].into(), "both ways happen");
}

#[tokio::test]
async fn invoice_payments_are_listed_by_invoice_and_by_intent() {
    let (fake, _) = played(Story::InvoicePaid);
    fake.create_bookings(&one(Story::InvoiceFailed));
    let payments = objects(&fake, "invoice_payment");
    assert_eq!(payments.len(), 2);
    for payment in payments {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (invoice, status) = (text(&payment["invoice"]), text(&payment["status"]));
        let intent = text(&payment["payment"]["payment_intent"]);
        for filter in [
            format!("invoice={invoice}"),
            format!("status={status}"),
            format!("payment[type]=payment_intent&payment[payment_intent]={intent}"),
        ] {
            let page = get(&fake, &format!("/v1/invoice_payments?{filter}")).await;
            assert_eq!(page.body["data"], json!([payment]), "{filter}");
        }
        let one = get(
            &fake,
            &format!("/v1/invoice_payments/{}", text(&payment["id"])),
        )
        .await;
        assert_eq!(one.body, payment);
    }
    let none = get(&fake, "/v1/invoice_payments?invoice=in_none").await;
    assert!(none.ids().is_empty());
}
