//! Bookings that wait: missing events are published, what no event tells is observed.

use reconciler::sweep::pending::Looks;
use serde_json::json;
use testbed::stripe::NewObjectEvent;

use crate::support::believed::{believe, booking};
use crate::support::{Rig, intent, now};

/// A booking that waits for `pi_<n>`, which the processor believes to be processing.
fn waiting(rig: &Rig, n: usize) {
    let object = intent(&format!("pi_{n}"), "processing", n);
    believe(rig, "", &format!("B-{n}"), &object, now() - 500);
    booking(rig, &format!("B-{n}"), "processing", None);
}

#[tokio::test]
async fn missing_event_of_a_waiting_booking_is_published_and_no_observation() {
    let rig = Rig::new().await;
    waiting(&rig, 1);
    let id = rig.stripe.add_event(&NewObjectEvent {
        kind: "payment_intent.succeeded".to_owned(),
        object: intent("pi_1", "succeeded", 1),
        previous_attributes: None,
        created: Some(now() - 2),
        id: None,
        account: None,
        deliver: false,
    });
    let looked = rig
        .engine()
        .await
        .pending(&mut Looks::default())
        .await
        .unwrap();
    assert_eq!(
        (looked.differing, looked.events, looked.observations),
        (1, 1, 0)
    );
    let records = rig.topic.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].header("ce_id"), Some(id.as_str()));
    assert_eq!(records[0].header("x-record"), Some("event"));
}

#[tokio::test]
async fn change_that_no_event_tells_is_published_as_an_observation() {
    let rig = Rig::new().await;
    waiting(&rig, 1);
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 1));
    let looked = rig
        .engine()
        .await
        .pending(&mut Looks::default())
        .await
        .unwrap();
    assert_eq!(
        (looked.differing, looked.events, looked.observations),
        (1, 0, 1)
    );
    let records = rig.topic.records().await;
    assert_eq!(records[0].header("x-record"), Some("observation"));
    assert_eq!(records[0].header("x-source"), Some("reconciler"));
    assert_eq!(records[0].key, "B-1");
    let noted = "SELECT count(*) AS n FROM findings WHERE kind = 'booking_differs' \
                 AND booking_id = 'B-1' AND object_id = 'pi_1' AND \"offset\" IS NOT NULL";
    assert_eq!(rig.database.number(noted), 1);
}

#[tokio::test]
async fn booking_that_rightly_waits_is_left_alone_and_asked_about_less_often() {
    let rig = Rig::new().await;
    waiting(&rig, 1);
    rig.stripe.put_object(None, intent("pi_1", "processing", 1));
    let producer = std::sync::Arc::new(rig.topic.producer());
    let limits = reconciler::sweep::Limits {
        pending_after: std::time::Duration::from_secs(60),
        ..crate::support::limits()
    };
    let (engine, mut looks) = (rig.engine_with(producer, limits).await, Looks::default());
    let looked = engine.pending(&mut looks).await.unwrap();
    assert_eq!((looked.retrieved, looked.differing), (1, 0));
    let calls = rig.stripe.stats().api_reads;
    assert_eq!(engine.pending(&mut looks).await.unwrap().retrieved, 0);
    assert_eq!(rig.stripe.stats().api_reads, calls);
    assert_eq!(rig.topic.count().await, 0);
}

#[tokio::test]
async fn booking_registered_without_any_event_is_looked_at_too() {
    let rig = Rig::new().await;
    rig.database.execute("SELECT register_booking('B-1', 1000, 'eur', 'pi_1'); UPDATE registrations SET registered_at = now() - interval '1 hour'");
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 1));
    let looked = rig
        .engine()
        .await
        .pending(&mut Looks::default())
        .await
        .unwrap();
    assert_eq!(looked.observations, 1);
}

#[tokio::test]
async fn backlog_is_waited_for_before_a_booking_is_put_right() {
    let rig = Rig::new().await;
    rig.lose(9, 100);
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    waiting(&rig, 1);
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 1));
    let looked = engine.pending(&mut Looks::default()).await.unwrap();
    assert!(looked.behind);
    assert_eq!(rig.topic.count().await, 1);
    rig.apply_log().await;
    assert_eq!(
        engine
            .pending(&mut Looks::default())
            .await
            .unwrap()
            .observations,
        1
    );
}

#[tokio::test]
async fn payment_that_stripe_does_not_know_stops_no_other() {
    let rig = Rig::new().await;
    waiting(&rig, 1);
    waiting(&rig, 2);
    rig.stripe.put_object(None, intent("pi_2", "succeeded", 2));
    let looked = rig
        .engine()
        .await
        .pending(&mut Looks::default())
        .await
        .unwrap();
    assert_eq!((looked.retrieved, looked.observations), (1, 1));
}

/// A booking that was confirmed and is held, with a charge that the processor believes captured.
fn held(rig: &Rig, hold: &str) -> serde_json::Value {
    let charge = json!({
        "id": "ch_1", "object": "charge", "status": "succeeded", "amount": 1_000,
        "amount_captured": 1_000, "amount_refunded": 0, "captured": true, "disputed": false,
        "currency": "eur", "customer": "cus_secret", "created": now() - 1_000, "livemode": false,
        "metadata": {"booking_id": "B-1"},
    });
    believe(rig, "", "B-1", &charge, now() - 500);
    booking(rig, "B-1", "confirmed", Some(hold));
    charge
}

#[tokio::test]
async fn held_booking_has_every_object_looked_at_field_by_field() {
    let rig = Rig::new().await;
    let mut charge = held(&rig, "uncertain");
    charge["amount_refunded"] = json!(400);
    charge["customer"] = json!("cus_other");
    rig.stripe.put_object(None, charge);
    let engine = rig.engine().await;
    let looked = engine.pending(&mut Looks::default()).await.unwrap();
    assert_eq!((looked.differing, looked.observations), (1, 1));
    let evidence = rig
        .database
        .text("SELECT evidence::text AS t FROM findings WHERE object_id = 'ch_1'")
        .unwrap();
    let told: serde_json::Value = serde_json::from_str(&evidence).unwrap();
    assert_eq!(told["fields"], json!(["amount_refunded", "customer"]));
    assert_eq!(
        told["believed_and_retrieved"]["amount_refunded"],
        json!([0, 400])
    );
    assert!(!evidence.contains("cus_"), "{evidence}");
}

#[tokio::test]
async fn held_booking_whose_objects_are_as_believed_is_left_alone() {
    let rig = Rig::new().await;
    let charge = held(&rig, "parked");
    rig.stripe.put_object(None, charge);
    let engine = rig.engine().await;
    let looked = engine.pending(&mut Looks::default()).await.unwrap();
    assert_eq!((looked.retrieved, looked.differing), (1, 0));
    assert_eq!(rig.topic.count().await, 0);
}

#[tokio::test]
async fn object_whose_observation_is_parked_gets_no_other() {
    let rig = Rig::new().await;
    let mut charge = held(&rig, "parked");
    charge["amount_refunded"] = json!(400);
    rig.stripe.put_object(None, charge);
    let engine = rig.engine().await;
    let looked = engine.pending(&mut Looks::default()).await.unwrap();
    assert_eq!(looked.observations, 1);
    rig.apply_log().await;
    rig.database
        .execute("UPDATE events SET object_id = 'ch_1', disposition = 'parked'");
    let again = engine.pending(&mut Looks::default()).await.unwrap();
    assert_eq!((again.retrieved, again.observations), (0, 0));
    assert_eq!(rig.topic.count().await, 1);
}

#[tokio::test]
async fn booking_that_is_held_since_a_moment_is_given_its_time() {
    let rig = Rig::new().await;
    held(&rig, "uncertain");
    rig.database
        .execute("UPDATE bookings SET updated_at = now()");
    let limits = reconciler::sweep::Limits {
        pending_after: std::time::Duration::from_secs(60),
        ..crate::support::limits()
    };
    let producer = std::sync::Arc::new(rig.topic.producer());
    let engine = rig.engine_with(producer, limits).await;
    let looked = engine.pending(&mut Looks::default()).await.unwrap();
    assert_eq!(looked.retrieved, 0);
}
