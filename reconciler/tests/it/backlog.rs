//! A backlog is not a gap: ten minutes of events at 500 a second that lie in the log and are not
//! applied yet are neither found missing nor published.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use reconciler::store::sweeps::Outcome;
use testbed::stripe::volume::{Volume, VolumeServer, fill};

use crate::support::topic::PARTITIONS;
use crate::support::{Rig, limits, now, stripe_settings, unbounded};

const BACKLOG: u64 = 300_000;

/// Appends the events' records, as ten minutes of webhooks would have.
fn append(brokers: String, name: String) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .set("queue.buffering.max.messages", "200000")
        .create()
        .unwrap();
    for n in 0..BACKLOG {
        let key = Volume::id(n);
        let partition = i32::try_from(n % 12).unwrap();
        let mut record = BaseRecord::to(&name)
            .key(&key)
            .payload("{}")
            .partition(partition);
        while let Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) =
            producer.send(record)
        {
            producer.poll(Duration::from_millis(50));
            record = back;
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_of_backlog_yield_no_finding_and_no_publication() {
    let rig = Rig::new().await;
    let volume = Volume {
        from: now() - 700,
        to: now() - 100,
        count: BACKLOG,
    };
    let stripe = VolumeServer::start(volume).unwrap();
    let (brokers, name) = (rig.topic.all.brokers.clone(), rig.topic.name.clone());
    tokio::task::spawn_blocking(move || append(brokers, name))
        .await
        .unwrap();
    let mut engine = rig.engine().await;
    engine.reader.client = unbounded(stripe_settings(vec![stripe.url()], "rk_test_x"));
    engine.reader.client.now().await.unwrap();
    let asked = stripe.served();

    for _ in 0..3 {
        let open = engine.tail(None).await.unwrap();
        assert_eq!(open[0].outcome, Outcome::Open);
        assert_eq!(
            open[0].lag.unwrap().records,
            i64::try_from(BACKLOG).unwrap()
        );
    }
    assert_eq!(stripe.served(), asked, "a backlog costs no call");
    let findings = "SELECT count(*) AS n FROM findings";
    assert_eq!(rig.database.number(findings), 0);
    assert_eq!(rig.topic.count().await, i64::try_from(BACKLOG).unwrap());

    // The processor catches up: all of it was there.
    let (url, name) = (rig.database.url(), rig.topic.name.clone());
    tokio::task::spawn_blocking(move || fill(&url, volume, &name, &[]).unwrap())
        .await
        .unwrap();
    for partition in 0..PARTITIONS {
        rig.database.execute(&format!(
            "INSERT INTO partition_progress (topic, partition, next_offset) \
             VALUES ('{}', {partition}, {})",
            rig.topic.name,
            BACKLOG / 12
        ));
    }
    engine.reader.limits = reconciler::sweep::Limits {
        max_events: 20_000,
        ..limits()
    };
    let swept = engine.tail(None).await.unwrap();
    assert!(
        swept
            .iter()
            .all(|report| report.outcome == Outcome::Complete)
    );
    let listed: usize = swept.iter().map(|report| report.counts.listed).sum();
    assert!(listed >= 300_000, "{listed}");
    assert_eq!(rig.database.number(findings), 0);
    assert_eq!(rig.topic.count().await, i64::try_from(BACKLOG).unwrap());
}
