//! The one way this program reaches Kafka: it asks, and reads at most one record a partition.
//!
//! *Invariant:* it joins no consumer group, commits nothing, produces nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use shared::config::{Deployment, KafkaArgs, Problems};
use shared::kafka::{KafkaSettings, topics};

use crate::failure::{Failure, chain};

/// First offset that is there, and the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) first: i64,
    pub(crate) end: i64,
}

/// How to reach the brokers.
///
/// # Errors
/// 78 with every problem of the settings.
pub(crate) fn settings(args: &KafkaArgs, deployment: Deployment) -> Result<KafkaSettings, Failure> {
    let mut problems = Problems::default();
    let settings = args.settings("bookend", deployment, &mut problems);
    match problems.into_result() {
        Ok(()) => Ok(settings),
        Err(refused) => Err(Failure::Configuration {
            what: refused.0.join("; "),
        }),
    }
}

/// How long a topic keeps a record, milliseconds; none: for ever.
///
/// # Errors
/// 6 when there is no such topic, or when the brokers do not answer.
pub(crate) fn retention(
    settings: &KafkaSettings,
    topic: &str,
    limit: Duration,
) -> Result<Option<i64>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::Runtime { source })?;
    let found = runtime.block_on(topics::look(settings, topic, limit));
    let found = found.map_err(|error| Failure::Precondition {
        what: chain(&error),
    })?;
    Ok(found.retention_ms())
}

/// A client that reads a topic by offset.
pub(crate) struct Reader {
    client: BaseConsumer,
    topic: String,
    deadline: Instant,
}

impl Reader {
    /// `limit` bounds everything that is asked of it, together.
    ///
    /// # Errors
    /// 1 when the client cannot be made.
    pub(crate) fn new(
        settings: &KafkaSettings,
        topic: &str,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let client = settings
            .client()
            // A name is demanded for reading by offset, too; nothing is ever committed under it.
            .set("group.id", "bookend-lag")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .create()
            .map_err(away("a client"))?;
        let now = Instant::now();
        Ok(Self {
            client,
            topic: topic.to_owned(),
            deadline: now.checked_add(limit).unwrap_or(now),
        })
    }

    /// The bounds of every partition.
    ///
    /// # Errors
    /// 6 when there is no such topic, 1 when the brokers do not answer.
    pub(crate) fn bounds(&self) -> Result<BTreeMap<i32, Bounds>, Failure> {
        let partitions = topics::partitions(&self.client, &self.topic, self.left())
            .map_err(away("the partitions"))?;
        if partitions.is_empty() {
            return Err(Failure::Precondition {
                what: format!("topic {} does not exist", self.topic),
            });
        }
        let mut bounds = BTreeMap::new();
        for partition in partitions {
            let (first, end) = self
                .client
                .fetch_watermarks(&self.topic, partition, self.left())
                .map_err(away("the end of a partition"))?;
            bounds.insert(partition, Bounds { first, end });
        }
        Ok(bounds)
    }

    /// When the record at each of these offsets was appended: milliseconds since 1970. Those that
    /// did not come within the deadline are left out.
    ///
    /// # Errors
    /// 1 when the brokers refuse.
    pub(crate) fn appended_at(
        &self,
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<BTreeMap<i32, i64>, Failure> {
        let mut found = BTreeMap::new();
        if offsets.is_empty() {
            return Ok(found);
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset))
                .map_err(away("an offset"))?;
        }
        self.client.assign(&list).map_err(away("the records"))?;
        while found.len() < offsets.len() && !self.left().is_zero() {
            match self.client.poll(self.left()) {
                Some(Ok(record)) => {
                    let partition = record.partition();
                    if let Some(at) = record.timestamp().to_millis() {
                        found.entry(partition).or_insert(at);
                    }
                    // One record is enough; a backlog is not read.
                    let mut done = TopicPartitionList::new();
                    done.add_partition(&self.topic, partition);
                    self.client.pause(&done).map_err(away("the records"))?;
                }
                // A broker that comes and goes; the deadline bounds it.
                Some(Err(_)) => {}
                None => break,
            }
        }
        Ok(found)
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

fn away(doing: &'static str) -> impl Fn(KafkaError) -> Failure {
    move |source| Failure::Kafka { doing, source }
}
