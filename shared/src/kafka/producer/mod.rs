//! Appending a record and knowing that it is durable.
//!
//! Invariant: an [`Ack`] exists only because the broker reported the record as written with
//! `acks=all`, and where. Every error means *unknown*: the record may be there all the same, and
//! whoever sends it again relies on dedupe.

mod client;
mod delivery;
mod lanes;
mod trouble;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, Producer as _};
use rdkafka::util::Timeout;
use tokio::sync::oneshot;

use super::headers::RecordHeaders;
use super::options::KafkaSettings;
use client::Client;
use delivery::{Report, Waiting};
use lanes::{Lane, Lanes};
use trouble::Trouble;

/// What a record is charged to; given back when the last copy is dropped.
pub type Held = Arc<dyn Any + Send + Sync>;

/// One record to be appended.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Topic.
    pub topic: String,
    /// Key: never empty.
    pub key: String,
    /// Value: the exact bytes.
    pub value: Vec<u8>,
    /// Headers.
    pub headers: OwnedHeaders,
    /// Time of receipt, milliseconds since 1970; none: now.
    pub timestamp_ms: Option<i64>,
    /// Memory that the record is charged to: given back when the client has reported on it, which
    /// may be after [`EventLog::append`] has given up.
    pub held: Option<Held>,
}

impl NewRecord {
    /// A record with typed headers, stamped with its time of receipt.
    #[must_use]
    pub fn new(topic: &str, key: &str, value: Vec<u8>, headers: &RecordHeaders) -> Self {
        Self {
            topic: topic.to_owned(),
            key: key.to_owned(),
            value,
            headers: headers.to_kafka(),
            timestamp_ms: headers.received_at.map(|at| at.timestamp_millis()),
            held: None,
        }
    }
}

/// Proof that the broker has the record. Only a delivery report makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    partition: i32,
    offset: i64,
}

impl Ack {
    /// Partition it was written to.
    #[must_use]
    pub const fn partition(&self) -> i32 {
        self.partition
    }

    /// Its offset.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.offset
    }
}

/// Why there is no acknowledgement. All are infrastructure, all mean *unknown* but
/// `Overloaded` and `TooLarge`, which never left the process.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The producer's queue is full.
    #[error("the producer's queue is full")]
    Overloaded,
    /// The record is larger than the topic takes.
    #[error("the record is too large")]
    TooLarge,
    /// No report within the deadline.
    #[error("no acknowledgement within {0:?}")]
    Deadline(Duration),
    /// The client takes it for stored, but no broker said where.
    #[error("no broker said that the record is stored")]
    Unproven,
    /// The broker or the client said no.
    #[error("the append failed")]
    Failed(#[source] KafkaError),
    /// The client is broken for good; the process must be replaced.
    #[error("the producer failed for good")]
    Fatal(#[source] KafkaError),
}

/// Where records are appended; a trait so that tests can stand in for the broker.
pub trait EventLog: Send + Sync + 'static {
    /// Appends and waits for the broker's acknowledgement, within the log's own deadline.
    fn append(&self, record: NewRecord) -> impl Future<Output = Result<Ack, AppendError>> + Send;
}

/// The process's producer: one client, or several of which each record takes one.
pub struct Producer {
    at_once: Client,
    adaptive: Option<Adaptive>,
    deadline: Duration,
    fatal: AtomicBool,
    trouble: Trouble,
}

/// The clients that wait for company, and who chooses.
struct Adaptive {
    short: Client,
    long: Client,
    lanes: Lanes,
}

/// Why the producer could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// librdkafka refused the options.
    #[error("cannot create the Kafka producer")]
    Create(#[source] KafkaError),
    /// No broker told us about the topic.
    #[error("cannot read the metadata of topic {topic}")]
    Metadata {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        cause: KafkaError,
    },
}

impl Producer {
    /// Creates the client. `deadline` bounds each append.
    ///
    /// # Errors
    /// [`ConnectError::Create`].
    pub fn create(settings: &KafkaSettings, deadline: Duration) -> Result<Self, ConnectError> {
        Ok(Self {
            at_once: Client::create(settings, Lane::AtOnce).map_err(ConnectError::Create)?,
            adaptive: None,
            deadline,
            fatal: AtomicBool::new(false),
            trouble: Trouble::default(),
        })
    }

    /// As [`Producer::create`], with more clients, which wait for company: each record takes the
    /// one that serves best at the time. Their number never changes.
    ///
    /// # Errors
    /// [`ConnectError::Create`].
    pub fn adaptive(settings: &KafkaSettings, deadline: Duration) -> Result<Self, ConnectError> {
        let adaptive = Adaptive {
            short: Client::create(settings, Lane::Short).map_err(ConnectError::Create)?,
            long: Client::create(settings, Lane::Long).map_err(ConnectError::Create)?,
            lanes: Lanes::new(),
        };
        let mut producer = Self::create(settings, deadline)?;
        producer.adaptive = Some(adaptive);
        Ok(producer)
    }

    /// Fetches the topic's metadata: brokers are connected and leaders known before the first
    /// record. Blocks up to `timeout` for each client. That the topic is there is not said: brokers
    /// learn of a new one one after the other.
    ///
    /// # Errors
    /// [`ConnectError::Metadata`]: nobody answered.
    pub fn warm(&self, topic: &str, timeout: Duration) -> Result<(), ConnectError> {
        self.described(topic, timeout).map(drop)
    }

    /// The topic's partitions, as [`Producer::warm`] finds them.
    ///
    /// # Errors
    /// [`ConnectError::Metadata`]: nobody answered, or the brokers say that the topic is not
    /// there or not ours.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<usize, ConnectError> {
        let described = self.described(topic, timeout)?;
        described.map_err(|error| ConnectError::Metadata {
            topic: topic.to_owned(),
            cause: KafkaError::MetadataFetch(error),
        })
    }

    /// What the brokers say of the topic: its partitions, or what is wrong with it.
    fn described(
        &self,
        topic: &str,
        timeout: Duration,
    ) -> Result<Result<usize, RDKafkaErrorCode>, ConnectError> {
        let mut found = Ok(0);
        for client in self.clients() {
            let metadata = client
                .producer()
                .client()
                .fetch_metadata(Some(topic), timeout);
            let metadata = metadata.map_err(|cause| ConnectError::Metadata {
                topic: topic.to_owned(),
                cause,
            })?;
            for described in metadata.topics() {
                found = match described.error() {
                    Some(error) => Err(error.into()),
                    None => found.map(|_| described.partitions().len()),
                };
            }
        }
        Ok(found)
    }

    fn clients(&self) -> impl Iterator<Item = &Client> {
        let more = self.adaptive.as_ref();
        let more = more.into_iter().flat_map(|more| [&more.short, &more.long]);
        std::iter::once(&self.at_once).chain(more)
    }

    fn client(&self, lane: Lane) -> &Client {
        match (lane, &self.adaptive) {
            (Lane::Short, Some(more)) => &more.short,
            (Lane::Long, Some(more)) => &more.long,
            (Lane::AtOnce, _) | (Lane::Short | Lane::Long, None) => &self.at_once,
        }
    }

    /// Whether a client is broken for good.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.fatal.load(Ordering::Relaxed) || self.clients().any(Client::is_broken)
    }

    /// What the brokers lately refused and will refuse again until somebody helps (a permission,
    /// a topic); none after a while, so that it is tried again.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lately()
    }

    /// Records handed over and not yet reported on.
    #[must_use]
    pub fn in_flight(&self) -> i32 {
        let counts = self
            .clients()
            .map(|client| client.producer().in_flight_count());
        counts.fold(0, i32::saturating_add)
    }

    /// How long a record waits for company now, at most.
    #[must_use]
    pub fn linger(&self) -> Duration {
        let lanes = self.adaptive.as_ref().map(|more| &more.lanes);
        Duration::from_millis(lanes.map_or(0, Lanes::linger_ms).into())
    }

    /// Waits until every record is reported on, up to `timeout` for each client. Blocks. Must come
    /// after every append has returned, and before the drop, which would purge the queue.
    ///
    /// # Errors
    /// [`AppendError`]: some were not.
    pub fn flush(&self, timeout: Duration) -> Result<(), AppendError> {
        for client in self.clients() {
            client
                .producer()
                .flush(Timeout::After(timeout))
                .map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// As [`EventLog::append`], for threads without a runtime; raw headers.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_raw_blocking(
        &self,
        topic: &str,
        key: &str,
        value: &[u8],
        headers: OwnedHeaders,
    ) -> Result<Ack, AppendError> {
        let record = NewRecord {
            topic: topic.to_owned(),
            key: key.to_owned(),
            value: value.to_vec(),
            headers,
            timestamp_ms: None,
            held: None,
        };
        self.wait(record)
    }

    fn wait(&self, record: NewRecord) -> Result<Ack, AppendError> {
        let sent = self.enqueue(&self.at_once, record)?;
        let deadline = Instant::now() + self.deadline;
        let mut sent = std::pin::pin!(sent);
        let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
        let mut context = std::task::Context::from_waker(&waker);
        loop {
            if let std::task::Poll::Ready(report) = sent.as_mut().poll(&mut context) {
                return self.reported(report);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(AppendError::Deadline(self.deadline));
            }
            std::thread::park_timeout(left);
        }
    }

    /// Hands the record over; the client copies its bytes.
    fn enqueue(
        &self,
        client: &Client,
        record: NewRecord,
    ) -> Result<oneshot::Receiver<Report>, AppendError> {
        let (tell, told) = oneshot::channel();
        let waiting = Box::new(Waiting {
            tell,
            held: record.held,
        });
        let mut message = BaseRecord::with_opaque_to(&record.topic, waiting)
            .key(record.key.as_str())
            .payload(record.value.as_slice())
            .headers(record.headers);
        message.timestamp = record.timestamp_ms;
        #[expect(clippy::disallowed_methods, reason = "the one place that appends")]
        client
            .producer()
            .send(message)
            .map_err(|(error, _)| self.failed(error))?;
        Ok(told)
    }

    fn reported<E>(&self, report: Result<Report, E>) -> Result<Ack, AppendError> {
        match report {
            Ok(Report::Stored(ack)) => {
                self.trouble.is_over();
                Ok(ack)
            }
            Ok(Report::Assumed) => Err(AppendError::Unproven),
            Ok(Report::Refused(error)) => Err(self.failed(error)),
            // The client was dropped under us: nothing is known.
            Err(_canceled) => Err(AppendError::Failed(KafkaError::Canceled)),
        }
    }

    fn failed(&self, error: KafkaError) -> AppendError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => AppendError::Overloaded,
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => AppendError::TooLarge,
            Some(RDKafkaErrorCode::Fatal) => {
                self.fatal.store(true, Ordering::Relaxed);
                AppendError::Fatal(error)
            }
            Some(_) | None => {
                if self.is_fatal() {
                    self.fatal.store(true, Ordering::Relaxed);
                    return AppendError::Fatal(error);
                }
                self.trouble.note(&error);
                AppendError::Failed(error)
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Each client's drop waits for its thread: so that they end together.
        self.clients().for_each(Client::stop);
    }
}

/// Wakes the thread that waits for a delivery report.
struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

impl EventLog for Producer {
    async fn append(&self, record: NewRecord) -> Result<Ack, AppendError> {
        let entered = self.adaptive.as_ref().map(|more| more.lanes.enter());
        let lane = entered.as_ref().map_or(Lane::AtOnce, |(lane, _)| *lane);
        let sent = self.enqueue(self.client(lane), record)?;
        let report = tokio::time::timeout(self.deadline, sent).await;
        if let Some((_, on_its_way)) = entered {
            // A lane that fails at once is not a quick one.
            on_its_way.reported(matches!(report, Ok(Ok(Report::Stored(_)))));
        }
        match report {
            Err(_elapsed) => Err(AppendError::Deadline(self.deadline)),
            Ok(report) => self.reported(report),
        }
    }
}
