//! A topic of one test's own, read to its end without a group.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use shared::kafka::KafkaSettings;
use shared::kafka::producer::Producer;
use testbed::testing::{TestTopics, brokers, eventually};

pub(crate) const PARTITIONS: i32 = 12;
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) all: TestTopics,
}

/// One record as read.
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Record {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }
}

pub(crate) fn kafka() -> KafkaSettings {
    KafkaSettings {
        brokers: brokers(),
        extra: Vec::new(),
        client_id: "reconciler-test".to_owned(),
    }
}

impl Topic {
    pub(crate) async fn new() -> Self {
        let all = tokio::task::spawn_blocking(TestTopics::create)
            .await
            .unwrap();
        Self {
            name: all.events.clone(),
            all,
        }
    }

    pub(crate) fn producer(&self) -> Producer {
        let producer = Producer::create(&kafka(), PATIENCE).unwrap();
        producer.warm(&self.name, PATIENCE).unwrap();
        producer
    }

    pub(crate) async fn ends(&self) -> BTreeMap<i32, i64> {
        let name = self.name.clone();
        tokio::task::spawn_blocking(move || ends(&consumer(), &name))
            .await
            .unwrap()
    }

    /// Records in all.
    pub(crate) async fn count(&self) -> i64 {
        self.ends().await.values().sum()
    }

    /// Every record, from the first.
    pub(crate) async fn records(&self) -> Vec<Record> {
        let name = self.name.clone();
        tokio::task::spawn_blocking(move || read_all(&name))
            .await
            .unwrap()
    }
}

fn consumer() -> BaseConsumer {
    kafka()
        .client()
        .set("group.id", "none")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap()
}

fn ends(consumer: &BaseConsumer, name: &str) -> BTreeMap<i32, i64> {
    // A topic just made has partitions whose leader not every answer knows yet.
    let end = |partition| {
        let look = || consumer.fetch_watermarks(name, partition, PATIENCE).ok();
        let (_, end) = eventually(PATIENCE, "the partition has a leader", look);
        (partition, end)
    };
    (0..PARTITIONS).map(end).collect()
}

fn read_all(name: &str) -> Vec<Record> {
    let consumer = consumer();
    let wanted: i64 = ends(&consumer, name).values().sum();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(name, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut records = Vec::new();
    while (records.len() as i64) < wanted {
        let message = consumer
            .poll(PATIENCE)
            .expect("the topic's records come")
            .unwrap();
        let headers = message.headers().unwrap().iter();
        let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            key: text(message.key()),
            value: message.payload().unwrap().to_vec(),
            headers: headers
                .map(|header| (header.key.to_owned(), text(header.value)))
                .collect(),
        });
    }
    records
}
