//! Appending a record and knowing that it is durable.
//!
//! Invariant: an [`Ack`] exists only because the broker reported the record as written with
//! `acks=all`. Every error means *unknown*: the record may be there all the same, and whoever
//! sends it again relies on dedupe.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;

use super::headers::RecordHeaders;
use super::options::{KafkaSettings, producer_options};

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

/// The process's one producer.
pub struct Producer {
    client: FutureProducer,
    deadline: Duration,
    fatal: AtomicBool,
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
    /// Creates the client. `deadline` bounds each append (we answer Stripe within 5 s).
    ///
    /// # Errors
    /// [`ConnectError::Create`].
    pub fn create(settings: &KafkaSettings, deadline: Duration) -> Result<Self, ConnectError> {
        let client: FutureProducer<DefaultClientContext> = producer_options(settings)
            .create()
            .map_err(ConnectError::Create)?;
        Ok(Self {
            client,
            deadline,
            fatal: AtomicBool::new(false),
        })
    }

    /// Fetches the topic's metadata: brokers are connected and leaders known before the first
    /// record. Blocks up to `timeout`.
    ///
    /// # Errors
    /// [`ConnectError::Metadata`].
    pub fn warm(&self, topic: &str, timeout: Duration) -> Result<(), ConnectError> {
        self.client
            .client()
            .fetch_metadata(Some(topic), timeout)
            .map(drop)
            .map_err(|cause| ConnectError::Metadata {
                topic: topic.to_owned(),
                cause,
            })
    }

    /// Whether the client is broken for good.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.fatal.load(Ordering::Relaxed) || self.client.client().fatal_error().is_some()
    }

    /// Records handed over and not yet reported on.
    #[must_use]
    pub fn in_flight(&self) -> i32 {
        self.client.in_flight_count()
    }

    /// Waits until every record is reported on, up to `timeout`. Blocks. Must come after every
    /// append has returned, and before the drop, which would purge the queue.
    ///
    /// # Errors
    /// [`AppendError`]: some were not.
    pub fn flush(&self, timeout: Duration) -> Result<(), AppendError> {
        self.client
            .flush(Timeout::After(timeout))
            .map_err(|error| self.failed(error))
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
        };
        self.wait(record)
    }

    fn wait(&self, record: NewRecord) -> Result<Ack, AppendError> {
        let sent = self.enqueue(&record)?;
        let deadline = std::time::Instant::now() + self.deadline;
        let mut sent = std::pin::pin!(sent);
        let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
        let mut context = std::task::Context::from_waker(&waker);
        loop {
            if let std::task::Poll::Ready(report) = sent.as_mut().poll(&mut context) {
                return self.reported(report);
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Err(AppendError::Deadline(self.deadline));
            }
            std::thread::park_timeout(left);
        }
    }

    fn enqueue(
        &self,
        record: &NewRecord,
    ) -> Result<rdkafka::producer::DeliveryFuture, AppendError> {
        let mut message = FutureRecord::to(&record.topic)
            .key(record.key.as_str())
            .payload(record.value.as_slice())
            .headers(record.headers.clone());
        message.timestamp = record.timestamp_ms;
        // Never `send` with a queue timeout: it sleeps in steps of 100 ms when the queue is full.
        #[expect(clippy::disallowed_methods, reason = "the one place that appends")]
        self.client
            .send_result(message)
            .map_err(|(error, _)| self.failed(error))
    }

    fn reported<E>(
        &self,
        report: Result<rdkafka::producer::future_producer::OwnedDeliveryResult, E>,
    ) -> Result<Ack, AppendError> {
        match report {
            Ok(Ok(delivery)) => Ok(Ack {
                partition: delivery.partition,
                offset: delivery.offset,
            }),
            Ok(Err((error, _message))) => Err(self.failed(error)),
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
                if self.client.client().fatal_error().is_some() {
                    self.fatal.store(true, Ordering::Relaxed);
                    return AppendError::Fatal(error);
                }
                AppendError::Failed(error)
            }
        }
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
        let sent = self.enqueue(&record)?;
        match tokio::time::timeout(self.deadline, sent).await {
            Err(_elapsed) => Err(AppendError::Deadline(self.deadline)),
            Ok(report) => self.reported(report),
        }
    }
}
