//! Reads the ingestors' counts from the log: from the span's begin to the end as it is now.
//!
//! Invariants: it joins no consumer group and commits nothing; it reads a bounded number of
//! records for a bounded time. A record that cannot be read counts as missing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use shared::kafka::{KafkaSettings, topics};
use shared::stats::Stats;
use shared::windows::Window;

use super::{Counted, GRACE_S, counted};

/// Longest read.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most records of one read.
const MOST_RECORDS: usize = 200_000;
/// How long after a span a record may still come that tells of it: a broker may have been away.
/// The log lies in the order of time but for what clocks differ by, which is far less.
const LATE_S: i64 = 3_600;

/// Why nothing is known of a span.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    #[error("the counts' topic can't be read: {doing}")]
    Kafka {
        doing: &'static str,
        #[source]
        cause: KafkaError,
    },
    #[error("topic {0} does not exist")]
    Missing(String),
    #[error("the counts can't be read within {0:?}")]
    TooSlow(Duration),
    #[error("the span has more than {0} records of counts")]
    TooMany(usize),
    #[error("the thread that reads the counts ended early")]
    Thread(#[source] tokio::task::JoinError),
}

/// Tells what the ingestors answered.
#[derive(Debug, Clone)]
pub struct StatsReader {
    settings: KafkaSettings,
    topic: String,
}

impl StatsReader {
    /// Connects to nobody yet.
    #[must_use]
    pub fn new(settings: KafkaSettings, topic: String) -> Self {
        Self { settings, topic }
    }

    /// What was answered in `span`.
    ///
    /// # Errors
    /// [`StatsError`]: nothing is known.
    pub async fn counted(&self, span: Window) -> Result<Counted, StatsError> {
        let all = self.each(vec![span]).await?;
        all.into_iter()
            .next()
            .ok_or(StatsError::Missing(self.topic.clone()))
    }

    /// What was answered in each of `spans`, by one read from the earliest begin to the latest end.
    ///
    /// # Errors
    /// [`StatsError`]: nothing is known of any.
    pub async fn each(&self, spans: Vec<Window>) -> Result<Vec<Counted>, StatsError> {
        let from = spans.iter().map(Window::from).min();
        let to = spans.iter().map(Window::to).max();
        let Some(hull) = from.zip(to).and_then(|(from, to)| Window::new(from, to)) else {
            return Ok(Vec::new());
        };
        let reader = self.clone();
        let read = tokio::task::spawn_blocking(move || reader.read(hull))
            .await
            .map_err(StatsError::Thread)??;
        if read.unreadable > 0 {
            tracing::warn!(
                topic = self.topic,
                unreadable = read.unreadable,
                "records of counts that cannot be read; they count as missing"
            );
        }
        let of = |span: Window| {
            let counted = counted(&read.records, span);
            Counted {
                complete: counted.complete && read.unreadable == 0,
                ..counted
            }
        };
        Ok(spans.into_iter().map(of).collect())
    }

    fn read(&self, span: Window) -> Result<Read, StatsError> {
        let client: BaseConsumer = self
            .settings
            .client()
            // A name is demanded for reading by offset, too; nothing is ever committed under it.
            .set("group.id", "reconciler-counts")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false")
            .create()
            .map_err(kafka("no client"))?;
        let reading = Reading {
            client,
            topic: &self.topic,
            deadline: Instant::now() + PATIENCE,
        };
        let ends = reading.ranges(span)?;
        reading.records(ends)
    }
}

/// What was read.
#[derive(Default)]
struct Read {
    records: Vec<Stats>,
    unreadable: usize,
}

/// Where to begin, and the offset to stop before.
type Ranges = BTreeMap<i32, (i64, i64)>;

struct Reading<'a> {
    client: BaseConsumer,
    topic: &'a str,
    deadline: Instant,
}

impl Reading<'_> {
    /// The records to be read, by partition.
    fn ranges(&self, span: Window) -> Result<Ranges, StatsError> {
        let partitions = self.partitions()?;
        // An instance that fell silent just before the span may have answered in it.
        let begins = self.offsets(&partitions, span.from().saturating_sub(GRACE_S))?;
        let late = self.offsets(&partitions, span.to().saturating_add(LATE_S))?;
        let mut ranges = Ranges::new();
        for partition in partitions {
            let (_, end) = self
                .client
                .fetch_watermarks(self.topic, partition, self.left()?)
                .map_err(kafka("no end of a partition"))?;
            let Some(begin) = begins.get(&partition) else {
                continue;
            };
            let end = late.get(&partition).map_or(end, |late| end.min(*late));
            if *begin < end {
                ranges.insert(partition, (*begin, end));
            }
        }
        Ok(ranges)
    }

    fn partitions(&self) -> Result<Vec<i32>, StatsError> {
        let partitions = topics::partitions(&self.client, self.topic, self.left()?)
            .map_err(kafka("no metadata"))?;
        if partitions.is_empty() {
            return Err(StatsError::Missing(self.topic.to_owned()));
        }
        Ok(partitions)
    }

    /// The first offset appended at this second or later, where there is one.
    fn offsets(&self, partitions: &[i32], second: i64) -> Result<BTreeMap<i32, i64>, StatsError> {
        let at = Offset::Offset(second.max(0).saturating_mul(1_000));
        let mut times = TopicPartitionList::new();
        for partition in partitions {
            times
                .add_partition_offset(self.topic, *partition, at)
                .map_err(kafka("no offset of a time"))?;
        }
        let found = self
            .client
            .offsets_for_times(times, self.left()?)
            .map_err(kafka("no offset of a time"))?;
        let mut offsets = BTreeMap::new();
        for element in found.elements() {
            element.error().map_err(kafka("no offset of a time"))?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition(), offset);
            }
        }
        Ok(offsets)
    }

    fn records(&self, mut open: Ranges) -> Result<Read, StatsError> {
        let mut list = TopicPartitionList::new();
        for (partition, (begin, _)) in &open {
            list.add_partition_offset(self.topic, *partition, Offset::Offset(*begin))
                .map_err(kafka("no place to begin"))?;
        }
        self.client
            .assign(&list)
            .map_err(kafka("no place to begin"))?;
        let mut read = Read::default();
        while !open.is_empty() {
            match self.client.poll(self.left()?) {
                None => {}
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                // A broker that comes and goes; the deadline bounds it.
                Some(Err(_)) => {}
                Some(Ok(record)) => {
                    let (partition, next) = (record.partition(), record.offset().saturating_add(1));
                    let Some((_, end)) = open.get(&partition) else {
                        continue;
                    };
                    if next <= *end {
                        match Stats::read(record.payload().unwrap_or_default()) {
                            Ok(stats) => read.records.push(stats),
                            Err(_reason) => read.unreadable = read.unreadable.saturating_add(1),
                        }
                    }
                    if next >= *end {
                        open.remove(&partition);
                    }
                    if read.records.len().saturating_add(read.unreadable) > MOST_RECORDS {
                        return Err(StatsError::TooMany(MOST_RECORDS));
                    }
                }
            }
        }
        Ok(read)
    }

    fn left(&self) -> Result<Duration, StatsError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(StatsError::TooSlow(PATIENCE));
        }
        Ok(left)
    }
}

fn kafka(doing: &'static str) -> impl Fn(KafkaError) -> StatsError {
    move |cause| StatsError::Kafka { doing, cause }
}
