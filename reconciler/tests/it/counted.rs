//! The ingestors' counts as read from the real log.

use std::sync::LazyLock;
use std::time::Duration;

use rdkafka::message::OwnedHeaders;
use reconciler::counted::{StatsError, StatsReader};
use shared::kafka::producer::{EventLog, NewRecord, Producer};
use shared::stats::{Counts, Stats, Teller};
use shared::windows::Window;

use crate::commands::eventually;
use crate::support::now;
use crate::support::topic::{Topic, kafka};

/// A minute five days ago: told long since, and not yet deleted by the broker.
static BEGIN: LazyLock<i64> = LazyLock::new(|| (now() - 5 * 86_400) / 60 * 60);

fn reader(topic: &str) -> StatsReader {
    StatsReader::new(kafka(), topic.to_owned())
}

fn span(from: i64, to: i64) -> Window {
    Window::new(*BEGIN + from, *BEGIN + to).unwrap()
}

/// One minute after the other, one refusal in each, and the last says so.
fn minutes(instance: &str, count: i64) -> Vec<Stats> {
    let mut teller = Teller::new(instance.to_owned(), *BEGIN);
    let minute = |number: i64| {
        let counted = Counts::from([("no_header".to_owned(), number.unsigned_abs())]);
        let stats = teller.next(&counted, *BEGIN + 60 * number, number == count);
        teller.acknowledged(&stats, counted);
        stats
    };
    (0..=count).map(minute).collect()
}

/// Appends each at the second of its end.
async fn append(producer: &Producer, topic: &str, records: &[Stats]) {
    for stats in records {
        write(producer, topic, stats.to, stats.write().unwrap()).await;
    }
}

async fn write(producer: &Producer, topic: &str, second: i64, value: Vec<u8>) {
    let record = NewRecord {
        topic: topic.to_owned(),
        key: "instance".to_owned(),
        value,
        headers: OwnedHeaders::new(),
        timestamp_ms: Some(second * 1_000),
        held: None,
    };
    producer.append(record).await.unwrap();
}

async fn stats_topic() -> (Topic, Producer, String) {
    let topic = Topic::new().await;
    let name = topic.all.stats.clone();
    let producer = topic.producer();
    producer.warm(&name, Duration::from_secs(10)).unwrap();
    // Not every broker's answer knows a topic that was just made.
    eventually("the topic is known", async || {
        reader(&name).counted(span(0, 1)).await.is_ok()
    })
    .await;
    (topic, producer, name)
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_found_by_time_and_added_up_over_instances() {
    let (_topic, producer, name) = stats_topic().await;
    let mut records = [minutes("a", 600), minutes("b", 60)].concat();
    records.sort_by_key(|stats| stats.to);
    append(&producer, &name, &records).await;
    let reader = reader(&name);
    let early = reader.counted(span(0, 600)).await.unwrap();
    assert!(early.complete, "{early:?}");
    assert_eq!((early.refused, early.records), (20, 22));
    let late = reader.counted(span(20_000, 20_030)).await.unwrap();
    assert!(late.complete, "{late:?}");
    assert_eq!((late.refused, late.records), (1, 1));
    let after = reader.counted(span(36_000, 36_060)).await.unwrap();
    assert!(!after.complete, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_counts_as_missing() {
    let (_topic, producer, name) = stats_topic().await;
    append(&producer, &name, &minutes("a", 10)).await;
    assert!(reader(&name).counted(span(0, 600)).await.unwrap().complete);
    write(&producer, &name, *BEGIN + 600, b"nonsense".to_vec()).await;
    let found = reader(&name).counted(span(0, 600)).await.unwrap();
    assert!(!found.complete && found.refused == 10, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_killed_leaves_the_counts_incomplete() {
    let (_topic, producer, name) = stats_topic().await;
    append(&producer, &name, &minutes("a", 10)).await;
    append(&producer, &name, &minutes("b", 10)[..5]).await;
    let found = reader(&name).counted(span(0, 600)).await.unwrap();
    assert!(!found.complete && found.refused == 14, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_topic_tells_nothing_and_no_topic_is_an_error() {
    let (_topic, _producer, name) = stats_topic().await;
    let found = reader(&name).counted(span(0, 600)).await.unwrap();
    assert!(!found.complete && found.records == 0, "{found:?}");
    let missing = reader("no.such.topic").counted(span(0, 600)).await;
    assert!(
        matches!(missing, Err(StatsError::Missing(_))),
        "{missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_gives_up_in_bounded_time() {
    let nowhere = shared::kafka::KafkaSettings {
        brokers: "127.0.0.1:1".to_owned(),
        ..kafka()
    };
    let began = std::time::Instant::now();
    let found = StatsReader::new(nowhere, "any".to_owned())
        .counted(span(0, 600))
        .await;
    assert!(found.is_err(), "{found:?}");
    assert!(began.elapsed() < Duration::from_secs(15));
}
