//! The log as a source: bounds, offsets by time, a scan over ranges, single records by offset.
//!
//! *Invariant:* it joins no group and commits nothing. It reads below the ends that it is given,
//! so it never reads what is published meanwhile.
//!
//! Left out: what is picked, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _, OwnedHeaders};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use shared::kafka::headers::RecordHeaders;
use shared::kafka::{KafkaSettings, MAX_RECORD_BYTES};

use super::ranges::Range;
use crate::failure::Failure;

/// The longest that is waited for one record before the stop signal is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Records that are rather read over than sought over.
const NEAR: i64 = 1_000;

/// A record of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// None: absent, or not UTF-8.
    pub(crate) key: Option<String>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: RecordHeaders,
    pub(crate) at: DateTime<Utc>,
}

/// Reads a topic by offset.
pub(crate) struct Log {
    client: BaseConsumer,
    topic: String,
    /// Bounds each single question.
    limit: Duration,
    /// Partition and next offset of the last single read.
    position: Option<(i32, i64)>,
}

impl Log {
    /// `limit` bounds each single question; a scan is bounded by its ranges.
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
            .set("group.id", "bookend-replay")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            // The last offsets of a range may hold no record.
            .set("enable.partition.eof", "true")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.message.max.bytes", MAX_RECORD_BYTES.to_string())
            .set("allow.auto.create.topics", "false")
            .create()
            .map_err(away("a client"))?;
        Ok(Self {
            client,
            topic: topic.to_owned(),
            limit,
            position: None,
        })
    }

    /// First record of each partition that is not older than `at`; partitions whose records all
    /// are, are left out.
    ///
    /// # Errors
    /// 1 when the brokers do not answer.
    pub(crate) fn at_time(
        &self,
        partitions: &[i32],
        at: DateTime<Utc>,
    ) -> Result<BTreeMap<i32, i64>, Failure> {
        let mut asked = TopicPartitionList::new();
        for partition in partitions {
            let at = Offset::Offset(at.timestamp_millis().max(0));
            asked
                .add_partition_offset(&self.topic, *partition, at)
                .map_err(away("an offset"))?;
        }
        let found = self
            .client
            .offsets_for_times(asked, self.limit)
            .map_err(away("offsets by time"))?;
        let mut offsets = BTreeMap::new();
        for element in found.elements() {
            element.error().map_err(away("an offset by time"))?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition(), offset);
            }
        }
        Ok(offsets)
    }

    /// Hands every record of the ranges to `each`, a partition's in order, until `stopped`. Ends of ranges that hold no record are passed over.
    ///
    /// # Errors
    /// `each`'s own; 1 when the brokers refuse; 124 when nothing came within the limit.
    pub(crate) fn scan(
        &mut self,
        ranges: &[Range],
        stopped: &dyn Fn() -> bool,
        each: &mut dyn FnMut(LogRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.position = None;
        self.assign(ranges.iter().map(|range| (range.partition, range.from)))?;
        let ends: BTreeMap<i32, i64> = ranges.iter().map(|it| (it.partition, it.to)).collect();
        let mut open: BTreeSet<i32> = ends.keys().copied().collect();
        let mut last = Instant::now();
        while !open.is_empty() && !stopped() {
            let (partition, record) = match self.client.poll(LOOK) {
                Some(Ok(message)) => (message.partition(), Some(message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => (partition, None),
                Some(Err(error)) if is_passing(&error) => continue,
                Some(Err(error)) => return Err(away("the records")(error)),
                None if last.elapsed() >= self.limit => {
                    return Err(Failure::TimedOut { limit: self.limit });
                }
                None => continue,
            };
            last = Instant::now();
            let end = ends.get(&partition).copied().unwrap_or(0);
            let next = match &record {
                Some(message) if message.offset() < end => message.offset().saturating_add(1),
                Some(_) | None => end,
            };
            if let Some(message) = record.filter(|message| message.offset() < end)
                && open.contains(&partition)
            {
                each(owned(&message))?;
            }
            if next >= end && open.remove(&partition) {
                self.pause(partition)?;
            }
        }
        self.client.unassign().map_err(away("the records"))
    }

    /// Reads records of one partition by their offsets, which ascend. Those that the log no longer
    /// has are left out.
    ///
    /// # Errors
    /// 1 when the brokers refuse; 124 when nothing came within the limit.
    pub(crate) fn read(
        &mut self,
        partition: i32,
        offsets: &[i64],
    ) -> Result<Vec<LogRecord>, Failure> {
        let (first, _end) = self
            .client
            .fetch_watermarks(&self.topic, partition, self.limit)
            .map_err(away("the bounds of a partition"))?;
        let mut found = Vec::with_capacity(offsets.len());
        for wanted in offsets.iter().copied().filter(|offset| *offset >= first) {
            found.extend(self.read_one(partition, wanted)?);
        }
        Ok(found)
    }

    fn read_one(&mut self, partition: i32, wanted: i64) -> Result<Option<LogRecord>, Failure> {
        let near = self.position.is_some_and(|(there, next)| {
            there == partition && (0..=NEAR).contains(&wanted.saturating_sub(next))
        });
        if !near {
            self.assign(std::iter::once((partition, wanted)))?;
        }
        self.position = None;
        let mut last = Instant::now();
        loop {
            match self.client.poll(LOOK) {
                Some(Ok(message)) if message.offset() < wanted => last = Instant::now(),
                Some(Ok(message)) => {
                    let next = message.offset().saturating_add(1);
                    let record = (message.offset() == wanted).then(|| owned(&message));
                    drop(message);
                    // One that was read over cannot be read again without seeking.
                    self.position = record.is_some().then_some((partition, next));
                    return Ok(record);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
                Some(Err(error)) if is_out_of_range(&error) => return Ok(None),
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Err(away("a record")(error)),
                None => {}
            }
            if last.elapsed() >= self.limit {
                return Err(Failure::TimedOut { limit: self.limit });
            }
        }
    }

    fn assign(&self, places: impl Iterator<Item = (i32, i64)>) -> Result<(), Failure> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in places {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))
                .map_err(away("an offset"))?;
        }
        self.client.assign(&list).map_err(away("the records"))
    }

    fn pause(&self, partition: i32) -> Result<(), Failure> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        self.client.pause(&list).map_err(away("the records"))
    }
}

fn owned(message: &BorrowedMessage<'_>) -> LogRecord {
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
    let none = OwnedHeaders::new();
    LogRecord {
        partition: message.partition(),
        offset: message.offset(),
        key: key.filter(|key| !key.is_empty()).map(ToOwned::to_owned),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: match message.headers() {
            Some(headers) => RecordHeaders::from_kafka(headers),
            None => RecordHeaders::from_kafka(&none),
        },
        at: message
            .timestamp()
            .to_millis()
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or_default(),
    }
}

fn is_out_of_range(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset)
    )
}

/// A broker that comes and goes; the limit bounds how long it may stay away.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
        )
    )
}

fn away(doing: &'static str) -> impl Fn(KafkaError) -> Failure {
    move |source| Failure::Kafka { doing, source }
}
