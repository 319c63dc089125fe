//! Refetches: what the processor asks for, and what comes of it.

use crate::support::http::{Act, Server};
use crate::support::{Rig, intent, now, stripe_settings, unbounded};
use testbed::stripe::ApiFault;

fn wish(rig: &Rig, object: &str, kind: &str, tied_at: i64) {
    rig.database.execute(&format!(
        "INSERT INTO refetches (object_id, object_type, fingerprint, reason, tied_at) \
         VALUES ('{object}', '{kind}', 'f-{object}', 'tie', to_timestamp({tied_at}))"
    ));
}

fn state(rig: &Rig) -> String {
    rig.database
        .text("SELECT state AS t FROM refetches")
        .unwrap()
}

#[tokio::test]
async fn wished_object_is_published_as_an_observation_exactly_as_stripe_answers() {
    let rig = Rig::new().await;
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 7));
    wish(&rig, "pi_1", "payment_intent", now() - 10);
    let engine = rig.engine().await;
    assert_eq!(engine.refetch().await.unwrap().done, 1);
    let records = rig.topic.records().await;
    let value: serde_json::Value = serde_json::from_slice(&records[0].value).unwrap();
    assert_eq!(value["id"], "pi_1");
    assert_eq!(records[0].key, "B-7");
    assert_eq!(records[0].header("x-record"), Some("observation"));
    assert_eq!(records[0].header("x-source"), Some("refetch"));
    let observed: i64 = records[0].header("x-observed-at").unwrap().parse().unwrap();
    assert!((now() - 5..=now()).contains(&observed));
    assert_eq!(state(&rig), "done");
    let id = rig
        .database
        .text("SELECT observation_id AS t FROM refetches")
        .unwrap();
    assert_eq!(records[0].header("ce_id"), Some(id.as_str()));

    assert_eq!(engine.refetch().await.unwrap().done, 0);
    assert_eq!(rig.topic.count().await, 1);
}

#[tokio::test]
async fn object_that_stripe_does_not_have_is_given_up_with_its_reason() {
    let rig = Rig::new().await;
    wish(&rig, "pi_gone", "payment_intent", now() - 10);
    assert_eq!(rig.engine().await.refetch().await.unwrap().failed, 1);
    assert_eq!(state(&rig), "failed");
    let error = rig
        .database
        .text("SELECT error AS t FROM refetches")
        .unwrap();
    assert!(error.contains("404"), "{error}");
    assert_eq!(rig.topic.count().await, 0);
}

#[tokio::test]
async fn kind_without_a_path_is_given_up_without_a_call() {
    let rig = Rig::new().await;
    wish(&rig, "bal_1", "balance", now() - 10);
    assert_eq!(rig.engine().await.refetch().await.unwrap().failed, 1);
    assert_eq!(rig.stripe.stats().api_reads, 0);
}

#[tokio::test]
async fn passing_trouble_of_stripes_is_tried_again_later() {
    let rig = Rig::new().await;
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 7));
    wish(&rig, "pi_1", "payment_intent", now() - 10);
    rig.stripe.add_api_fault(ApiFault {
        status: 500,
        rate_limited_reason: None,
        should_retry: Some(false),
        retry_after_s: None,
        times: 1,
        ..ApiFault::default()
    });
    let engine = rig.engine().await;
    assert_eq!(engine.refetch().await.unwrap().later, 1);
    assert_eq!(state(&rig), "pending");
    assert_eq!(
        rig.database
            .number("SELECT attempts::bigint AS n FROM refetches"),
        1
    );
    assert_eq!(
        engine.refetch().await.unwrap(),
        reconciler::sweep::refetch::Refetched::default()
    );
    rig.database
        .execute("UPDATE refetches SET next_attempt_at = now()");
    assert_eq!(engine.refetch().await.unwrap().done, 1);
}

#[tokio::test]
async fn second_in_doubt_must_have_passed_by_stripes_clock() {
    let rig = Rig::new().await;
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 7));
    wish(&rig, "pi_1", "payment_intent", now() - 10);
    // Due by Postgres' clock, but the answer is dated long before the tie.
    let body = intent("pi_1", "succeeded", 7).to_string();
    let server = Server::new(vec![Act::ok(&body)]).await;
    let mut engine = rig.engine().await;
    engine.reader.client = unbounded(stripe_settings(vec![server.url], "rk_test_x"));
    let early = engine.refetch().await.unwrap();
    assert_eq!((early.done, rig.topic.count().await), (0, 0));
    assert_eq!(state(&rig), "pending");
}

#[tokio::test]
async fn object_that_is_wished_for_twice_is_retrieved_once() {
    let rig = Rig::new().await;
    rig.stripe.put_object(None, intent("pi_1", "succeeded", 7));
    for (fingerprint, reason, age) in [("first", "tie", 60), ("second", "thin", 10)] {
        rig.database.execute(&format!(
            "INSERT INTO refetches (object_id, object_type, fingerprint, reason, tied_at) \
             VALUES ('pi_1', 'payment_intent', '{fingerprint}', '{reason}', to_timestamp({}))",
            now() - age
        ));
    }
    assert_eq!(rig.engine().await.refetch().await.unwrap().done, 2);
    assert_eq!(rig.stripe.stats().api_reads, 1);
    assert_eq!(rig.topic.count().await, 1);
    let same = "SELECT count(DISTINCT observation_id)::text AS t FROM refetches";
    assert_eq!(rig.database.text(same).as_deref(), Some("1"));
}
