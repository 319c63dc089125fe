//! The polling thread: feeds the queues, answers the group, writes the commit hints.
//!
//! Invariant: it never waits for a batch (but for the bounded grace of a revocation), so
//! `max.poll.interval.ms` is only missed by a frozen process, which Postgres then fences.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use shared::kafka::headers::RecordHeaders;

use super::assignment::Assignment;
use super::queues::{Queues, Record};
use crate::control::LastAnswer;

/// What the polling thread needs.
pub struct PollingSettings {
    /// Client settings, complete.
    pub client: ClientConfig,
    /// Topic to read.
    pub topic: String,
    /// Where progress is kept.
    pub database_url: String,
    /// How long a revocation waits for a running batch.
    pub revoke_grace: Duration,
    /// When the database last answered this process.
    pub last_answer: Arc<LastAnswer>,
}

/// Why the polling thread ended by itself. The process ends with it: whoever restarts it gets
/// a fresh client.
#[derive(Debug, thiserror::Error)]
pub enum PollingError {
    /// The client could not be made.
    #[error("cannot create the Kafka consumer")]
    Create(#[source] KafkaError),
    /// The topic could not be subscribed to.
    #[error("cannot subscribe")]
    Subscribe(#[source] KafkaError),
    /// librdkafka gave up for good.
    #[error("the Kafka client failed for good")]
    Fatal(#[source] KafkaError),
}

/// How the loop reports that it lives.
pub trait Heartbeat {
    /// Called after each poll. `claimed` and `waiting` count partitions.
    fn polled(&self, claimed: usize, waiting: usize);
    /// Asked before each poll.
    fn stopping(&self) -> bool;
}

const POLL: Duration = Duration::from_millis(50);
const HINT_EVERY: Duration = Duration::from_secs(1);
const CLAIM_EVERY: Duration = Duration::from_millis(500);
/// How soon Kafka must answer to be called well.
const KAFKA_IS_WELL: Duration = Duration::from_secs(2);

/// Polls until told to stop. Blocks its thread.
///
/// # Errors
/// [`PollingError`]; the queues are closed, what was dealt out may still be running.
pub fn run(
    settings: &PollingSettings,
    queues: &Arc<Queues>,
    heartbeat: &dyn Heartbeat,
) -> Result<(), PollingError> {
    let context = Assignment::new(
        settings.topic.clone(),
        settings.database_url.clone(),
        Arc::clone(queues),
        settings.revoke_grace,
    );
    let consumer: BaseConsumer<Assignment> = settings
        .client
        .create_with_context(context)
        .map_err(PollingError::Create)?;
    consumer
        .subscribe(&[&settings.topic])
        .map_err(PollingError::Subscribe)?;
    let outcome = poll_until_stopped(&consumer, settings, queues, heartbeat);
    queues.stop();
    let open: Vec<i32> = queues.positions().iter().map(|(p, _)| *p).collect();
    let finished = queues.close(&open, settings.revoke_grace);
    consumer
        .context()
        .commit_hint(&consumer, &finished, CommitMode::Sync);
    close_apart(consumer);
    outcome
}

fn poll_until_stopped(
    consumer: &BaseConsumer<Assignment>,
    settings: &PollingSettings,
    queues: &Queues,
    heartbeat: &dyn Heartbeat,
) -> Result<(), PollingError> {
    let (mut hinted, mut tried) = (Instant::now(), Instant::now());
    let mut member = true;
    while !heartbeat.stopping() {
        match consumer.poll(POLL) {
            None => {}
            Some(Ok(message)) => queues.push(copied(&message)),
            Some(Err(error)) => react(consumer, error)?,
        }
        if queues.take_seek() {
            consumer.context().read_open_partitions(consumer);
        }
        apply_pressure(consumer, queues);
        if tried.elapsed() >= CLAIM_EVERY {
            tried = Instant::now();
            member = stay_or_leave(consumer, settings, member)?;
            consumer.context().claim_waiting(consumer);
            heartbeat.polled(queues.positions().len(), consumer.context().waiting());
        }
        if hinted.elapsed() >= HINT_EVERY {
            hinted = Instant::now();
            consumer
                .context()
                .commit_hint(consumer, &queues.take_finished(), CommitMode::Async);
        }
    }
    Ok(())
}

/// Whoever cannot reach the database while Kafka is well leaves the group, so that others take
/// its partitions, and joins again when it can. If the database is away for all, so do all, and
/// nothing is lost by that.
fn stay_or_leave(
    consumer: &BaseConsumer<Assignment>,
    settings: &PollingSettings,
    member: bool,
) -> Result<bool, PollingError> {
    let cut_off = settings.last_answer.is_cut_off();
    if member && cut_off {
        if consumer
            .fetch_metadata(Some(&settings.topic), KAFKA_IS_WELL)
            .is_err()
        {
            return Ok(true);
        }
        tracing::error!("cut off from the database: giving this process's partitions up");
        consumer.unsubscribe();
        return Ok(false);
    }
    if !member && !cut_off {
        tracing::warn!("the database answers again: joining the group");
        consumer
            .subscribe(&[&settings.topic])
            .map_err(PollingError::Subscribe)?;
        return Ok(true);
    }
    Ok(member)
}

/// A lost broker is an empty poll and heals alone; what is listed here does not.
fn react(consumer: &BaseConsumer<Assignment>, error: KafkaError) -> Result<(), PollingError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            // The error names no partition: compare them all again.
            tracing::error!(%error, "the log no longer holds what is due; claiming anew");
            consumer.context().claim_again(consumer);
            Ok(())
        }
        Some(RDKafkaErrorCode::Fatal) => Err(PollingError::Fatal(error)),
        Some(RDKafkaErrorCode::PollExceeded) => {
            tracing::warn!(%error, "polled too late; the client joins the group again");
            Ok(())
        }
        Some(_) | None => {
            if consumer.client().fatal_error().is_some() {
                return Err(PollingError::Fatal(error));
            }
            tracing::warn!(%error, "poll failed; the client goes on by itself");
            Ok(())
        }
    }
}

fn apply_pressure(consumer: &BaseConsumer<Assignment>, queues: &Queues) {
    let (pause, resume) = queues.pressure();
    for (partitions, stop) in [(pause, true), (resume, false)] {
        if partitions.is_empty() {
            continue;
        }
        let mut list = rdkafka::topic_partition_list::TopicPartitionList::new();
        for partition in partitions {
            let _element = list.add_partition(consumer.context().topic(), partition);
        }
        let done = if stop {
            consumer.pause(&list)
        } else {
            consumer.resume(&list)
        };
        if let Err(error) = done {
            tracing::warn!(%error, stop, "pause or resume failed");
        }
    }
}

/// Copied before it leaves this thread: a borrowed message keeps the client alive.
fn copied(message: &BorrowedMessage<'_>) -> Record {
    let raw_headers = message
        .headers()
        .map_or_else(rdkafka::message::OwnedHeaders::new, |headers| {
            headers.detach()
        });
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message
            .key()
            .map_or_else(String::new, |key| String::from_utf8_lossy(key).into_owned()),
        value: message.payload().map_or_else(Vec::new, <[u8]>::to_vec),
        headers: RecordHeaders::from_kafka(&raw_headers),
        raw_headers,
        timestamp_ms: message.timestamp().to_millis(),
        arrived: Instant::now(),
    }
}

/// Dropping a consumer polls until the group has let it go, which hangs while the brokers are
/// away (rust-rdkafka #611): it gets its own thread and a bounded wait.
fn close_apart(consumer: BaseConsumer<Assignment>) {
    let closing = std::thread::spawn(move || drop(consumer));
    let deadline = Instant::now() + Duration::from_secs(5);
    while !closing.is_finished() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    if !closing.is_finished() {
        tracing::warn!("the consumer is still closing; leaving it behind");
    }
}
