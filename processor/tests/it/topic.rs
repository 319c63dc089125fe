//! Everything a topic holds, read by `assign` from its start to its end as first seen.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};
use testbed::testing::eventually;

use crate::harness::PATIENCE;

const WAIT: Duration = Duration::from_secs(10);

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Read {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

/// All records, each partition's in its order.
pub(crate) fn read_all(brokers: &str, topic: &str) -> Vec<Read> {
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "never-joined")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), WAIT).unwrap();
    let mut assigned = TopicPartitionList::new();
    let mut wanted = 0;
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer
            .fetch_watermarks(topic, partition.id(), WAIT)
            .unwrap();
        wanted += usize::try_from(high - low).unwrap();
        assigned
            .add_partition_offset(topic, partition.id(), Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assigned).unwrap();
    let mut found = Vec::new();
    eventually(PATIENCE, "the topic is read to its end", || {
        while found.len() < wanted {
            let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                return false;
            };
            let message = message.unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            found.push(Read {
                key: text(message.key().unwrap()),
                value: message.payload().unwrap().to_vec(),
                headers: message.headers().map_or_else(Vec::new, |headers| {
                    let pair = |header: rdkafka::message::Header<'_, &[u8]>| {
                        (
                            header.key.to_owned(),
                            text(header.value.unwrap_or_default()),
                        )
                    };
                    headers.iter().map(pair).collect()
                }),
            });
        }
        true
    });
    found
}
