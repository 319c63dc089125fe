//! Each class of gap, provoked, and told right where the evidence decides.

use std::time::Duration;

use rdkafka::message::OwnedHeaders;
use reconciler::sweep::Engine;
use shared::kafka::producer::{EventLog, NewRecord, Producer};
use shared::stats::{Counts, Teller};
use testbed::services::ServiceBuilder;
use testbed::stripe::{DeliveryPolicy, Fake, FakeConfig, NewObjectEvent};

use crate::support::http::{Act, Server};
use crate::support::{Rig, intent, now};

/// How old the event is: long enough that every minute since was told.
const AGO_S: i64 = 600;

/// A rig whose fake delivers to `target`, and does not try for long.
async fn rig(target: Option<String>) -> Rig {
    let mut rig = Rig::new().await;
    rig.stripe = Fake::start(FakeConfig {
        target,
        delivery: DeliveryPolicy {
            retry_base: Duration::from_secs(600),
            retry_cap: Duration::from_secs(600),
            ..DeliveryPolicy::default()
        },
        ..FakeConfig::default()
    })
    .unwrap();
    rig
}

/// An event that Stripe tries to deliver; waits until it has tried.
async fn deliver(rig: &Rig) -> String {
    let id = rig.stripe.add_event(&NewObjectEvent {
        kind: "payment_intent.succeeded".to_owned(),
        object: intent("pi_1", "succeeded", 1),
        previous_attributes: None,
        created: Some(now() - AGO_S),
        id: None,
        account: None,
        deliver: true,
    });
    crate::commands::eventually("Stripe has tried", async || {
        rig.stripe
            .deliveries()
            .iter()
            .any(|delivery| !delivery.answers.is_empty())
    })
    .await;
    id
}

/// An ingestor's counts from well before the event until well after.
async fn tell(rig: &Rig, counts: &[(&str, u64)]) {
    let producer = rig.topic.producer();
    let begin = now() - AGO_S - 120;
    let teller = Teller::new("told".to_owned(), begin);
    let counted: Counts = counts
        .iter()
        .map(|(label, n)| ((*label).to_owned(), *n))
        .collect();
    let stats = teller.next(&counted, now() + 60, true);
    let record = NewRecord {
        topic: rig.topic.all.stats.clone(),
        key: "told".to_owned(),
        value: stats.write().unwrap(),
        headers: OwnedHeaders::new(),
        timestamp_ms: Some(now() * 1_000),
        held: None,
    };
    producer.append(record).await.unwrap();
}

async fn sweep(rig: &Rig) -> Engine<Producer> {
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    engine
}

/// The one finding: its class, and what it may be instead.
fn found(rig: &Rig) -> (String, String) {
    let text = |column: &str| {
        let sql = format!("SELECT max({column}) AS t FROM findings");
        rig.database.text(&sql).unwrap_or_default()
    };
    assert_eq!(rig.database.number("SELECT count(*) AS n FROM findings"), 1);
    (text("kind"), text("evidence ->> 'candidates'"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_reached_no_ingestor_was_never_delivered() {
    let rig = rig(Some("http://127.0.0.1:9/".to_owned())).await;
    deliver(&rig).await;
    tell(&rig, &[("ok", 12)]).await;
    sweep(&rig).await;
    assert_eq!(found(&rig).0, "never_delivered");
    assert_eq!(rig.topic.count().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_real_ingestor_refused_was_refused_by_us() {
    let rig = rig(None).await;
    let dir = tempfile::tempdir().unwrap();
    let builder = ServiceBuilder::new("ingestor")
        .env("KAFKA_BROKERS", &rig.topic.all.brokers)
        .env("EVENTS_TOPIC", &rig.topic.all.events)
        .env("STATS_TOPIC", &rig.topic.all.stats)
        .env("STATS_INTERVAL", "1s")
        .env(
            "EVENTS_PARTITIONS",
            crate::support::topic::PARTITIONS.to_string(),
        )
        .env(
            "STRIPE_WEBHOOK_SECRETS",
            "whsec_of_another_endpoint_entirely",
        );
    let path = dir.path().to_owned();
    let ingestor = tokio::task::spawn_blocking(move || {
        let mut service = builder.spawn(&path).unwrap();
        service.wait_ready(Duration::from_secs(30)).unwrap();
        service
    })
    .await
    .unwrap();
    let target = format!("{}/webhooks/stripe", ingestor.url());
    rig.stripe.set_target(Some(target));
    deliver(&rig).await;
    // What happened before this ingestor began is told by another.
    tell(&rig, &[]).await;
    let mut ingestor = ingestor;
    tokio::task::spawn_blocking(move || ingestor.terminate().unwrap())
        .await
        .unwrap();
    let engine = sweep(&rig).await;
    crate::commands::eventually("the ingestor's counts are read", async || {
        engine.classify().await.unwrap();
        found(&rig).0 != "unknown"
    })
    .await;
    assert_eq!(found(&rig).0, "refused_by_us");
    assert_eq!(rig.topic.count().await, 1);
    rig.stripe.set_target(None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_answered_503_was_refused_by_us() {
    let server = Server::new(vec![Act::json("503 Service Unavailable", "", "{}")]).await;
    let rig = rig(Some(server.url.clone())).await;
    deliver(&rig).await;
    tell(&rig, &[("publish_failed", 1)]).await;
    sweep(&rig).await;
    assert_eq!(found(&rig).0, "refused_by_us");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_answered_200_and_is_gone_was_acknowledged_but_lost() {
    let server = Server::new(vec![Act::ok("")]).await;
    let rig = rig(Some(server.url.clone())).await;
    deliver(&rig).await;
    sweep(&rig).await;
    assert_eq!(found(&rig).0, "acknowledged_but_lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_ingestors_counts_it_is_unknown_and_gets_its_class_when_they_come() {
    let rig = rig(Some("http://127.0.0.1:9/".to_owned())).await;
    deliver(&rig).await;
    let engine = sweep(&rig).await;
    let candidates = r#"["never_delivered","refused_by_us"]"#;
    assert_eq!(found(&rig), ("unknown".to_owned(), candidates.to_owned()));
    assert_eq!(engine.classify().await.unwrap(), 0);
    tell(&rig, &[("ok", 3)]).await;
    assert_eq!(engine.classify().await.unwrap(), 1);
    assert_eq!(found(&rig).0, "never_delivered");
    assert_eq!(engine.classify().await.unwrap(), 0, "a class is given once");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_several_endpoints_it_is_unknown_and_names_what_it_may_be() {
    let rig = rig(Some("http://127.0.0.1:9/".to_owned())).await;
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/webhook_endpoints", rig.stripe.url()))
        .bearer_auth(rig.stripe.api_key())
        .header("content-type", "application/x-www-form-urlencoded")
        .body("url=http://127.0.0.1:9/other&enabled_events[]=*")
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    deliver(&rig).await;
    tell(&rig, &[]).await;
    sweep(&rig).await;
    let (kind, candidates) = found(&rig);
    assert_eq!(kind, "unknown");
    for candidate in ["never_delivered", "refused_by_us", "acknowledged_but_lost"] {
        assert!(candidates.contains(candidate), "{candidates}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_the_log_that_may_have_held_it_makes_that_all_but_certain() {
    let server = Server::new(vec![Act::ok("")]).await;
    let rig = rig(Some(server.url.clone())).await;
    deliver(&rig).await;
    rig.database.execute(&format!(
        "INSERT INTO log_holes (topic, partition, from_offset, to_offset, kind, found_at) \
         VALUES ('{}', 0, 0, 3, 'hole', now() - interval '60 seconds')",
        rig.topic.name
    ));
    sweep(&rig).await;
    assert_eq!(found(&rig).0, "acknowledged_but_lost");
    let sure = "SELECT count(*) AS n FROM findings WHERE confidence > 0.95 AND evidence ->> 'log_hole' IS NOT NULL";
    assert_eq!(rig.database.number(sure), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_the_log_that_were_not_applied_are_told_from_lost_ones() {
    let rig = rig(None).await;
    let (dead, parked) = (rig.lose(1, AGO_S), rig.lose(2, AGO_S));
    let engine = sweep(&rig).await;
    rig.apply_log().await;
    rig.database.rewrite(&format!(
        "DELETE FROM findings; DELETE FROM cursors; \
         UPDATE events SET disposition = 'dead' WHERE id = '{dead}'; \
         UPDATE events SET disposition = 'parked', received_at = now() - interval '2 hours' \
         WHERE id = '{parked}'"
    ));
    engine.tail(None).await.unwrap();
    let kinds = "SELECT string_agg(kind || ' ' || (evidence ->> 'what'), ', ' ORDER BY evidence ->> 'what') AS t FROM findings";
    assert_eq!(
        rig.database.text(kinds).unwrap(),
        "not_applied dead, not_applied parked_too_long"
    );
    assert_eq!(rig.topic.count().await, 2);
}
