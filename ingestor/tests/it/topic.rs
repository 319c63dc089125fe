//! What is in the topic now: every record, read once from its beginning to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use shared::stats::Stats;
use testbed::testing::{TestTopics, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: BTreeMap<String, String>,
}

pub(crate) fn records(topics: &TestTopics) -> Vec<Record> {
    read(&topics.brokers, &topics.events, 12)
}

/// What each instance told of itself so far, in its order.
pub(crate) fn counts(topics: &TestTopics) -> Vec<Stats> {
    let records = read(&topics.brokers, &topics.stats, 1);
    let told = records.into_iter().map(|record| {
        let stats = Stats::read(&record.value).expect("readable");
        assert_eq!(record.key, stats.instance);
        stats
    });
    told.collect()
}

pub(crate) fn read(brokers: &str, topic: &str, partitions: i32) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reading")
        .set("enable.auto.commit", "false")
        .set("fetch.message.max.bytes", "6291456")
        .create()
        .expect("consumer");
    let mut list = TopicPartitionList::new();
    let mut wanted = 0;
    for partition in 0..partitions {
        let (low, high) = eventually(PATIENCE, "watermarks", || {
            consumer
                .fetch_watermarks(topic, partition, Duration::from_secs(5))
                .ok()
        });
        wanted += usize::try_from(high - low).expect("a number of records");
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("partition");
    }
    consumer.assign(&list).expect("assigned");
    let mut found = Vec::new();
    eventually(PATIENCE, "every record read", || {
        while found.len() < wanted {
            let Some(message) = consumer.poll(Duration::from_millis(200)) else {
                return false;
            };
            let Ok(message) = message else { return false };
            let headers = message.headers().map(|headers| {
                let text = |value: Option<&[u8]>| {
                    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
                };
                let pairs = headers.iter();
                pairs.map(|h| (h.key.to_owned(), text(h.value))).collect()
            });
            found.push(Record {
                key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
                value: message.payload().unwrap_or_default().to_vec(),
                headers: headers.unwrap_or_default(),
            });
        }
        true
    });
    found
}
