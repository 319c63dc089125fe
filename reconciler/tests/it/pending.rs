//! Bookings that wait: missing events are published, what no event tells is observed.

use std::sync::Arc;
use std::time::Duration;

use reconciler::sweep::{Engine, Limits};
use serde_json::{Value, json};
use shared::kafka::producer::Producer;
use testbed::stripe::NewObjectEvent;

use crate::support::believed::{all_due, believe, booking, search_anew};
use crate::support::{Rig, intent, limits, now};

/// A booking that waits for `pi_<n>`, which the processor believes to be processing. Returns the
/// payment as it believes it to be.
fn waiting(rig: &Rig, n: usize) -> Value {
    let object = intent(&format!("pi_{n}"), "processing", n);
    believe(rig, "", &format!("B-{n}"), &object, now() - 500);
    booking(rig, &format!("B-{n}"), "processing", None);
    object
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
    let looked = rig.engine().await.pending().await.unwrap();
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
    let looked = rig.engine().await.pending().await.unwrap();
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
async fn booking_that_rightly_waits_is_left_alone_and_asked_about_less_often_also_after_a_restart()
{
    let rig = Rig::new().await;
    let object = waiting(&rig, 1);
    rig.stripe.put_object(None, object);
    let producer = Arc::new(rig.topic.producer());
    let limits = Limits {
        pending_after: Duration::from_secs(60),
        ..limits()
    };
    let engine = rig.engine_with(Arc::clone(&producer), limits.clone()).await;
    let looked = engine.pending().await.unwrap();
    assert_eq!((looked.retrieved, looked.differing), (1, 0));
    let calls = rig.stripe.stats().api_reads;
    let restarted = rig.engine_with(producer, limits).await;
    for engine in [engine, restarted] {
        assert_eq!(engine.pending().await.unwrap().retrieved, 0);
    }
    assert_eq!(rig.stripe.stats().api_reads, calls);
    assert_eq!(rig.topic.count().await, 0);
}

#[tokio::test]
async fn booking_registered_without_any_event_is_looked_at_too() {
    let rig = Rig::new().await;
    rig.database.execute("SELECT register_booking('B-1', 1000, 'eur', 'pi_1'); UPDATE registrations SET registered_at = now() - interval '1 hour'");
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 1));
    let looked = rig.engine().await.pending().await.unwrap();
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
    let looked = engine.pending().await.unwrap();
    assert!(looked.behind);
    assert_eq!(rig.topic.count().await, 1);
    rig.apply_log().await;
    all_due(&rig);
    assert_eq!(engine.pending().await.unwrap().observations, 1);
}

#[tokio::test]
async fn payment_that_stripe_does_not_know_stops_no_other() {
    let rig = Rig::new().await;
    waiting(&rig, 1);
    waiting(&rig, 2);
    rig.stripe.put_object(None, intent("pi_2", "succeeded", 2));
    let looked = rig.engine().await.pending().await.unwrap();
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
    let looked = engine.pending().await.unwrap();
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
    let looked = engine.pending().await.unwrap();
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
    let looked = engine.pending().await.unwrap();
    assert_eq!(looked.observations, 1);
    rig.apply_log().await;
    rig.database
        .rewrite("UPDATE events SET object_id = 'ch_1', disposition = 'parked'");
    all_due(&rig);
    let again = engine.pending().await.unwrap();
    assert_eq!((again.retrieved, again.observations), (0, 0));
    assert_eq!(rig.topic.count().await, 1);
}

#[tokio::test]
async fn booking_that_is_held_since_a_moment_is_given_its_time() {
    let rig = Rig::new().await;
    held(&rig, "uncertain");
    rig.database
        .execute("UPDATE bookings SET updated_at = now()");
    let limits = Limits {
        pending_after: Duration::from_secs(60),
        ..limits()
    };
    let producer = Arc::new(rig.topic.producer());
    let engine = rig.engine_with(producer, limits).await;
    let looked = engine.pending().await.unwrap();
    assert_eq!(looked.retrieved, 0);
}

const CHECKS: &str = "SELECT count(*) AS n FROM booking_checks";

/// Checks what has waited for a minute, so many objects a pass.
async fn engine(rig: &Rig, batch: i64) -> Engine<Producer> {
    let limits = Limits {
        pending_after: Duration::from_secs(60),
        pending_batch: batch,
        ..limits()
    };
    rig.engine_with(Arc::new(rig.topic.producer()), limits)
        .await
}

/// The booking last changed so long ago.
fn waits_since(rig: &Rig, n: usize, ago: &str) {
    rig.database.execute(&format!(
        "UPDATE bookings SET updated_at = now() - interval '{ago}' WHERE id = 'B-{n}'"
    ));
}

#[tokio::test]
async fn booking_that_waits_for_minutes_comes_before_those_that_wait_for_days() {
    let rig = Rig::new().await;
    for (n, ago) in [(1, "9 days"), (2, "5 minutes"), (3, "2 days")] {
        waiting(&rig, n);
        waits_since(&rig, n, ago);
        let object = intent(&format!("pi_{n}"), "succeeded", n);
        rig.stripe.put_object(None, object);
    }
    let engine = engine(&rig, 1).await;
    let mut order = Vec::new();
    for _ in 0..3 {
        assert_eq!(engine.pending().await.unwrap().observations, 1);
        order.push(rig.topic.records().await.len());
        rig.apply_log().await;
    }
    let found = "SELECT string_agg(booking_id, ' ' ORDER BY id) AS t FROM findings";
    assert_eq!(rig.database.text(found).as_deref(), Some("B-2 B-3 B-1"));
    assert_eq!(order, [1, 2, 3]);
}

#[tokio::test]
async fn every_booking_of_a_large_backlog_is_found_though_many_changed_at_one_instant() {
    let rig = Rig::new().await;
    rig.database.execute(
        "INSERT INTO bookings (id, status, version, updated_at, updated_by) \
         SELECT 'B-' || n, 'pending', 1, now() - interval '1 hour' - (n / 3000) * interval '1 day', \
           'test' FROM generate_series(1, 9000) AS n",
    );
    let engine = engine(&rig, 1).await;
    engine.pending().await.unwrap();
    assert_eq!(rig.database.number(CHECKS), 9_000);
    rig.database.execute(
        "INSERT INTO bookings (id, status, version, updated_at, updated_by) \
         SELECT 'C-' || n, 'pending', 1, now() - interval '70 seconds', 'test' \
         FROM generate_series(1, 10) AS n",
    );
    engine.pending().await.unwrap();
    assert_eq!(rig.database.number(CHECKS), 9_010);
}

#[tokio::test]
async fn booking_that_was_paid_meanwhile_is_forgotten_without_a_call() {
    let rig = Rig::new().await;
    let object = waiting(&rig, 1);
    rig.stripe.put_object(None, object);
    let engine = engine(&rig, 10).await;
    assert_eq!(engine.pending().await.unwrap().retrieved, 1);
    rig.database
        .execute("UPDATE bookings SET status = 'confirmed', updated_at = now()");
    all_due(&rig);
    let calls = rig.stripe.stats().api_reads;
    assert_eq!(engine.pending().await.unwrap().retrieved, 0);
    assert_eq!(rig.stripe.stats().api_reads, calls);
    assert_eq!(rig.database.number(CHECKS), 0);
}

const ABANDONED: &str = "SELECT count(*) AS n FROM findings \
                         WHERE kind = 'abandoned' AND booking_id = 'B-1' AND closed_at IS NULL";

#[tokio::test]
async fn booking_that_never_changes_is_left_alone_at_last_until_it_changes() {
    let rig = Rig::new().await;
    let object = waiting(&rig, 1);
    waits_since(&rig, 1, "31 days");
    rig.stripe.put_object(None, object);
    let engine = engine(&rig, 10).await;
    let looked = engine.pending().await.unwrap();
    assert_eq!((looked.retrieved, looked.differing), (1, 0), "{looked:?}");
    let check = "SELECT concat_ws(' ', booking_id, since, level, due_at) AS t FROM booking_checks";
    let check = rig.database.text(check);
    assert_eq!(rig.database.number(ABANDONED), 1, "{check:?}");
    all_due(&rig);
    search_anew(&rig);
    assert_eq!(engine.pending().await.unwrap().retrieved, 0);

    waits_since(&rig, 1, "1 hour");
    search_anew(&rig);
    assert_eq!(engine.pending().await.unwrap().retrieved, 1);
    assert_eq!(rig.database.number(ABANDONED), 0, "it has changed");
}

#[tokio::test]
async fn booking_is_not_given_up_on_before_stripe_has_answered() {
    let rig = Rig::new().await;
    let object = waiting(&rig, 1);
    waits_since(&rig, 1, "31 days");
    rig.stripe.put_object(None, object);
    rig.stripe.add_api_fault(testbed::stripe::ApiFault {
        status: 500,
        should_retry: Some(false),
        times: 1,
        ..testbed::stripe::ApiFault::default()
    });
    let engine = engine(&rig, 10).await;
    assert!(engine.pending().await.is_err());
    assert_eq!(rig.database.number(ABANDONED), 0);
    assert_eq!(engine.pending().await.unwrap().retrieved, 0, "not at once");
    all_due(&rig);
    assert_eq!(engine.pending().await.unwrap().retrieved, 1);
    assert_eq!(rig.database.number(ABANDONED), 1);
}

#[tokio::test]
async fn finding_that_a_person_closed_is_not_opened_again_for_the_same_wait() {
    let rig = Rig::new().await;
    let object = waiting(&rig, 1);
    waits_since(&rig, 1, "31 days");
    rig.stripe.put_object(None, object);
    rig.database.execute(
        "INSERT INTO finding_closures (identity, action_id, reason) \
         SELECT 'abandoned:B-1:' || floor(extract(epoch FROM updated_at))::bigint, 'act_1', 'known' \
         FROM bookings",
    );
    let engine = engine(&rig, 10).await;
    assert_eq!(engine.pending().await.unwrap().retrieved, 1);
    let closed =
        "SELECT count(*) AS n FROM findings WHERE kind = 'abandoned' AND closed_by = 'act_1'";
    assert_eq!(rig.database.number(closed), 1);
    assert_eq!(rig.database.number(ABANDONED), 0);
}
