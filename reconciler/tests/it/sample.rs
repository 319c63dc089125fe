//! Settled bookings at random: what nobody doubts is compared with Stripe too.

use serde_json::{Value, json};
use testbed::stripe::NewObjectEvent;

use crate::commands::{eventually, reconciler};
use crate::support::believed::{believe, booking};
use crate::support::{Rig, intent, now};

fn charge(refunded: i64) -> Value {
    json!({
        "id": "ch_1", "object": "charge", "status": "succeeded", "amount": 1_000,
        "amount_captured": 1_000, "amount_refunded": refunded, "captured": true,
        "currency": "eur", "created": now() - 1_000, "livemode": false, "payment_intent": "pi_1",
        "metadata": {"booking_id": "B-1"},
    })
}

/// A settled booking of one payment and its charge, as Stripe has it.
fn settled(rig: &Rig, account: &str) {
    let stripe = Some(account).filter(|account| !account.is_empty());
    for object in [intent("pi_1", "succeeded", 1), charge(0)] {
        believe(rig, account, "B-1", &object, now() - 500);
        rig.stripe.put_object(stripe, object);
    }
    booking(rig, "B-1", "confirmed", None);
}

#[tokio::test]
async fn settled_booking_that_is_as_stripe_has_it_is_left_alone() {
    let rig = Rig::new().await;
    settled(&rig, "");
    let looked = rig.engine().await.sample(5).await.unwrap();
    assert_eq!((looked.retrieved, looked.differing), (2, 0));
    assert_eq!(rig.topic.count().await, 0);
    assert_eq!(rig.database.number("SELECT count(*) AS n FROM findings"), 0);
}

#[tokio::test]
async fn refund_that_no_event_told_is_found_in_a_settled_booking_and_observed() {
    let rig = Rig::new().await;
    settled(&rig, "");
    rig.stripe.put_object(None, charge(300));
    let looked = rig.engine().await.sample(5).await.unwrap();
    assert_eq!((looked.differing, looked.observations), (1, 1));
    let records = rig.topic.records().await;
    assert_eq!(records[0].header("x-record"), Some("observation"));
    let noted = "SELECT count(*) AS n FROM findings f JOIN sweeps s ON s.id = f.sweep_id \
                 WHERE s.kind = 'sample' AND s.outcome = 'repaired' AND f.kind = 'booking_differs' \
                   AND f.object_id = 'ch_1' AND f.\"offset\" IS NOT NULL";
    assert_eq!(rig.database.number(noted), 1);
}

#[tokio::test]
async fn listed_event_explains_the_difference_and_no_observation_is_published() {
    let rig = Rig::new().await;
    settled(&rig, "");
    rig.stripe.put_object(None, charge(300));
    let id = rig.stripe.add_event(&NewObjectEvent {
        kind: "charge.refunded".to_owned(),
        object: charge(300),
        previous_attributes: None,
        created: Some(now() - 2),
        id: None,
        account: None,
        deliver: false,
    });
    let looked = rig.engine().await.sample(5).await.unwrap();
    assert_eq!((looked.events, looked.observations), (1, 0));
    let records = rig.topic.records().await;
    assert_eq!(records[0].header("ce_id"), Some(id.as_str()));
}

#[tokio::test]
async fn booking_of_a_connected_account_is_compared_in_that_account() {
    let rig = Rig::new().await;
    settled(&rig, "acct_1");
    rig.stripe.put_object(Some("acct_1"), charge(300));
    let looked = rig.engine().await.sample(5).await.unwrap();
    assert_eq!((looked.retrieved, looked.differing), (2, 1));
    assert_eq!(rig.topic.records().await[0].key, "acct_1/B-1");
}

#[tokio::test]
async fn claim_that_changed_without_an_event_is_observed() {
    let rig = Rig::new().await;
    settled(&rig, "");
    let mut renamed = intent("pi_1", "succeeded", 1);
    renamed["metadata"]["booking_id"] = json!("B-2");
    rig.stripe.put_object(None, renamed);
    let engine = rig.engine().await;
    let looked = engine.sample(5).await.unwrap();
    assert_eq!((looked.differing, looked.observations), (1, 1));
    assert_eq!(rig.topic.records().await[0].key, "B-2");
    let claims = "SELECT evidence -> 'believed_and_retrieved' ->> 'booking_id' AS t FROM findings";
    assert_eq!(rig.database.text(claims).unwrap(), r#"["B-1","B-2"]"#);

    // Folding keeps it under B-1, because a person said so: the ledger knows the claim by now.
    rig.apply_log().await;
    rig.database
        .rewrite("UPDATE events SET object_id = 'pi_1', object_type = 'payment_intent'");
    assert_eq!(engine.sample(5).await.unwrap().differing, 0);
    assert_eq!(rig.topic.count().await, 1);
}

#[tokio::test]
async fn metadata_that_was_emptied_is_no_claim() {
    let rig = Rig::new().await;
    settled(&rig, "");
    for blank in [json!({}), json!({"booking_id": " "})] {
        let mut emptied = intent("pi_1", "succeeded", 1);
        emptied["metadata"] = blank;
        rig.stripe.put_object(None, emptied);
        let looked = rig.engine().await.sample(5).await.unwrap();
        let what = rig
            .database
            .text("SELECT string_agg(evidence::text, ' ') AS t FROM findings");
        assert_eq!((looked.retrieved, looked.differing), (2, 0), "{what:?}");
    }
}

#[tokio::test]
async fn object_that_belongs_to_a_settled_booking_in_part_is_compared() {
    let rig = Rig::new().await;
    settled(&rig, "");
    rig.database.execute(
        "DELETE FROM objects WHERE id = 'ch_1'; \
         UPDATE objects SET booking_id = NULL WHERE id = 'pi_1'; \
         INSERT INTO object_shares (object_id, booking_id, attempt, at, is_finished, is_free, \
           is_settled, captured, authorized, in_flight, settled_elsewhere, from_balance, credited, \
           refunded, refund_pending_action, disputed, lost, winners) \
         VALUES ('pi_1', 'B-1', 'paid', 1, true, false, true, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, '')",
    );
    let looked = rig.engine().await.sample(5).await.unwrap();
    assert_eq!(looked.retrieved, 1);
}

#[tokio::test]
async fn waiting_and_held_bookings_are_no_sample() {
    let rig = Rig::new().await;
    settled(&rig, "");
    rig.database.execute("UPDATE bookings SET hold = 'parked'");
    assert_eq!(rig.engine().await.sample(5).await.unwrap().retrieved, 0);
    rig.database
        .execute("UPDATE bookings SET hold = NULL, status = 'pending'");
    assert_eq!(rig.engine().await.sample(5).await.unwrap().retrieved, 0);
}

#[tokio::test]
async fn backlog_is_no_difference() {
    let rig = Rig::new().await;
    rig.lose(9, 100);
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    settled(&rig, "");
    rig.stripe.put_object(None, charge(300));
    let looked = engine.sample(5).await.unwrap();
    assert!(looked.behind);
    assert_eq!(looked.observations, 0);
    assert_eq!(rig.topic.count().await, 1);
}

/// Killed when dropped.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn running_reconciler_draws_samples_by_itself() {
    let rig = Rig::new().await;
    settled(&rig, "");
    rig.stripe.put_object(None, charge(300));
    let mut command = reconciler(&rig);
    command
        .env("SAMPLE_SIZE", "8640000")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let _running = Running(command.spawn().unwrap());
    let noted = |kind: &str| {
        rig.database.number(&format!(
            "SELECT count(*) AS n FROM findings f JOIN sweeps s ON s.id = f.sweep_id \
             WHERE s.kind = '{kind}' AND f.booking_id = 'B-1'"
        ))
    };
    // The rows were never told by a ledger, so that the other sample finds them, too.
    eventually("both samples found it", async || {
        noted("sample") == 1 && noted("ledger") == 1
    })
    .await;
    assert_eq!(rig.topic.count().await, 1);
}
