//! Waiting bookings look at their invoices, subscriptions and lapsed authorizations, and at objects
//! that belong to them in part or by registration.

use std::sync::Arc;
use std::time::Duration;

use reconciler::sweep::Limits;
use reconciler::sweep::look::Looked;
use serde_json::{Value, json};

use crate::support::believed::{believe, booking, search_anew};
use crate::support::{Rig, intent, limits, now};

/// A pass that looks at what has waited for a minute.
async fn pass(rig: &Rig) -> Looked {
    let limits = Limits {
        pending_after: Duration::from_secs(60),
        ..limits()
    };
    let engine = rig
        .engine_with(Arc::new(rig.topic.producer()), limits)
        .await;
    engine.pending().await.unwrap()
}

fn subscription(status: &str) -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "status": status, "customer": "cus_1",
        "created": now() - 1_000, "livemode": false, "metadata": {"booking_id": "B-1"},
    })
}

fn invoice(status: &str) -> Value {
    json!({
        "id": "in_1", "object": "invoice", "status": status, "customer": "cus_1",
        "amount_due": 1_000, "amount_paid": 0, "currency": "eur", "created": now() - 1_000,
        "livemode": false, "metadata": {},
    })
}

/// The state of the one object that was published.
async fn published(rig: &Rig) -> (String, String) {
    let records = rig.topic.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].header("x-record"), Some("observation"));
    let value: Value = serde_json::from_slice(&records[0].value).unwrap();
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    (text("id"), text("status"))
}

/// The booking owns a part of an object that names no booking.
fn share(rig: &Rig, object: &str) {
    rig.database.execute(&format!(
        "UPDATE objects SET booking_id = NULL WHERE id = '{object}'; \
         INSERT INTO object_shares (object_id, booking_id, attempt, at, is_finished, is_free, \
           is_settled, captured, authorized, in_flight, settled_elsewhere, from_balance, credited, \
           refunded, refund_pending_action, disputed, lost, winners) \
         VALUES ('{object}', 'B-1', 'pending', 1, false, false, true, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '')"
    ));
}

/// An authorized booking whose row changed a moment ago, or an hour ago.
fn authorized(rig: &Rig, until: &str, changed: &str) {
    believe(
        rig,
        "",
        "B-1",
        &intent("pi_1", "requires_capture", 1),
        now() - 500,
    );
    booking(rig, "B-1", "authorized", None);
    rig.database.execute(&format!(
        "UPDATE bookings SET authorized_until = {until}, updated_at = {changed}"
    ));
    rig.stripe.put_object(None, intent("pi_1", "canceled", 1));
}

#[tokio::test]
async fn subscription_that_expired_without_an_event_is_observed() {
    let rig = Rig::new().await;
    believe(&rig, "", "B-1", &subscription("incomplete"), now() - 500);
    booking(&rig, "B-1", "pending", None);
    rig.stripe
        .put_object(None, subscription("incomplete_expired"));
    assert_eq!(pass(&rig).await.observations, 1);
    let expected = ("sub_1".to_owned(), "incomplete_expired".to_owned());
    assert_eq!(published(&rig).await, expected);
}

#[tokio::test]
async fn void_invoice_that_belongs_to_the_booking_by_a_share_alone_is_observed() {
    let rig = Rig::new().await;
    believe(&rig, "", "B-1", &invoice("open"), now() - 500);
    booking(&rig, "B-1", "pending", None);
    share(&rig, "in_1");
    rig.stripe.put_object(None, invoice("void"));
    assert_eq!(pass(&rig).await.observations, 1);
    let expected = ("in_1".to_owned(), "void".to_owned());
    assert_eq!(published(&rig).await, expected);
}

#[tokio::test]
async fn open_invoice_is_left_alone() {
    let rig = Rig::new().await;
    believe(&rig, "", "B-1", &invoice("open"), now() - 500);
    booking(&rig, "B-1", "pending", None);
    rig.stripe.put_object(None, invoice("open"));
    let looked = pass(&rig).await;
    assert_eq!((looked.retrieved, looked.differing), (1, 0));
    assert_eq!(rig.topic.count().await, 0);
}

#[tokio::test]
async fn authorization_is_looked_at_as_soon_as_it_lapses() {
    let rig = Rig::new().await;
    authorized(&rig, "now() - interval '1 second'", "now()");
    assert_eq!(pass(&rig).await.observations, 1);
    let expected = ("pi_1".to_owned(), "canceled".to_owned());
    assert_eq!(published(&rig).await, expected);
}

#[tokio::test]
async fn authorization_that_stands_is_not_looked_at_however_old() {
    let rig = Rig::new().await;
    authorized(
        &rig,
        "now() + interval '1 hour'",
        "now() - interval '1 day'",
    );
    assert_eq!(pass(&rig).await.retrieved, 0);
    assert_eq!(rig.stripe.stats().api_reads, 0);
}

#[tokio::test]
async fn authorization_without_an_end_is_looked_at_when_it_is_old() {
    let rig = Rig::new().await;
    authorized(&rig, "NULL", "now()");
    assert_eq!(pass(&rig).await.retrieved, 0);
    rig.database
        .execute("UPDATE bookings SET updated_at = now() - interval '1 hour'");
    search_anew(&rig);
    assert_eq!(pass(&rig).await.observations, 1);
}

#[tokio::test]
async fn authorization_that_lapses_is_looked_at_though_the_booking_was_just_looked_at() {
    let rig = Rig::new().await;
    authorized(&rig, "NULL", "now() - interval '1 hour'");
    rig.stripe
        .put_object(None, intent("pi_1", "requires_capture", 1));
    assert_eq!(pass(&rig).await.retrieved, 1);
    assert_eq!(pass(&rig).await.retrieved, 0, "it was just there");
    rig.database
        .execute("UPDATE bookings SET authorized_until = now() - interval '1 second'");
    assert_eq!(pass(&rig).await.retrieved, 1);
    assert_eq!(pass(&rig).await.retrieved, 0, "once");
}

#[tokio::test]
async fn intent_that_was_registered_later_is_looked_at() {
    let rig = Rig::new().await;
    booking(&rig, "B-1", "pending", None);
    rig.database.execute(
        "SELECT register_booking('B-1', 1000, 'eur'); \
         SELECT register_booking('B-1', 1000, 'eur', 'pi_1'); \
         UPDATE registrations SET folded_at = now()",
    );
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 1));
    assert_eq!(pass(&rig).await.observations, 1);
}

#[tokio::test]
async fn account_that_has_disconnected_is_not_asked_and_stops_no_other() {
    let rig = Rig::new().await;
    for (n, account) in [(1, "acct_gone"), (2, "acct_2")] {
        let object = intent(&format!("pi_{n}"), "processing", n);
        believe(&rig, account, &format!("B-{n}"), &object, now() - 500);
        booking(&rig, &format!("B-{n}"), "processing", None);
    }
    rig.database.execute(
        "INSERT INTO accounts (account, id, deleted, currently_due, past_due, settled, as_of, \
         deauthorized) VALUES ('acct_gone', 'acct_gone', false, '{}', '{}', true, now(), true)",
    );
    for (n, account) in [(1, "acct_gone"), (2, "acct_2")] {
        let paid = intent(&format!("pi_{n}"), "succeeded", n);
        rig.stripe.put_object(Some(account), paid);
    }
    let looked = pass(&rig).await;
    assert_eq!((looked.retrieved, looked.observations), (1, 1));
}

#[tokio::test]
async fn bookings_beyond_the_limit_have_their_turn_in_the_next_pass() {
    let rig = Rig::new().await;
    for n in 1..=3 {
        let object = intent(&format!("pi_{n}"), "processing", n);
        believe(&rig, "", &format!("B-{n}"), &object, now() - 500);
        booking(&rig, &format!("B-{n}"), "processing", None);
        rig.stripe.put_object(None, object);
    }
    let limits = Limits {
        pending_after: Duration::from_secs(60),
        pending_batch: 2,
        ..limits()
    };
    let engine = rig
        .engine_with(Arc::new(rig.topic.producer()), limits)
        .await;
    for expected in [2, 1, 0] {
        let looked = engine.pending().await.unwrap();
        assert_eq!(looked.retrieved, expected);
    }
}

#[tokio::test]
async fn session_leads_to_its_subscription_and_that_to_its_invoice() {
    let rig = Rig::new().await;
    let session = json!({
        "id": "cs_1", "object": "checkout.session", "mode": "subscription", "status": "open",
        "payment_status": "unpaid", "subscription": null, "created": now() - 1_000,
        "livemode": false, "metadata": {"booking_id": "B-1"},
    });
    believe(&rig, "", "B-1", &session, now() - 500);
    booking(&rig, "B-1", "pending", None);
    let mut complete = session;
    (complete["status"], complete["subscription"]) = (json!("complete"), json!("sub_1"));
    let mut subscription = subscription("active");
    subscription["latest_invoice"] = json!("in_1");
    for object in [complete, subscription, invoice("paid")] {
        rig.stripe.put_object(None, object);
    }
    let looked = pass(&rig).await;
    assert_eq!((looked.retrieved, looked.observations), (3, 3));
}

#[tokio::test]
async fn booking_of_too_many_payments_waits_for_a_person_and_not_for_stripe() {
    let rig = Rig::new().await;
    believe(
        &rig,
        "",
        "B-1",
        &intent("pi_1", "processing", 1),
        now() - 500,
    );
    booking(&rig, "B-1", "processing", Some("too_many_payments"));
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 1));
    assert_eq!(pass(&rig).await.retrieved, 0);
    rig.database.execute("UPDATE bookings SET hold = 'parked'");
    search_anew(&rig);
    assert_eq!(pass(&rig).await.observations, 1);
}
