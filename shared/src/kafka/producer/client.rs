//! One client of Kafka that appends, and the thread that hands its reports on.
//!
//! Deliberately not the client library's own thread: it looks whether it should stop ten times a
//! second, and polls without a pause for the last millisecond before each look, a hundredth of a
//! processor for each idle client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, Producer as _};

use super::delivery::Reports;
use super::lanes::Lane;
use crate::kafka::options::{KafkaSettings, producer_options};

/// How often the thread looks whether the client is still wanted.
const LOOK: Duration = Duration::from_millis(500);

/// A client. Its drop waits for its thread, up to [`LOOK`], and purges what is queued.
pub(super) struct Client {
    producer: Arc<BaseProducer<Reports>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Creates it, and its thread.
    pub(super) fn create(settings: &KafkaSettings, lane: Lane) -> KafkaResult<Self> {
        let options = producer_options(settings, lane.linger_ms());
        let producer: BaseProducer<Reports> =
            options.create_with_context(Reports::of(lane.client()))?;
        let (producer, stop) = (Arc::new(producer), Arc::new(AtomicBool::new(false)));
        let (polled, stopped) = (Arc::clone(&producer), Arc::clone(&stop));
        let thread = thread::Builder::new().name("kafka-reports".to_owned());
        let thread = thread.spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                polled.poll(LOOK);
            }
        });
        let thread = thread
            .map_err(|_no_thread| KafkaError::ClientCreation("there is no thread for it".into()))?;
        Ok(Self {
            producer,
            stop,
            thread: Some(thread),
        })
    }

    /// The client library's.
    pub(super) fn producer(&self) -> &BaseProducer<Reports> {
        &self.producer
    }

    /// Whether it will never report again: it says so, or its thread has ended.
    pub(super) fn is_broken(&self) -> bool {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        ended || self.producer.client().fatal_error().is_some()
    }

    /// Tells its thread to end, without waiting for it.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // It may have panicked: there is nothing left to be done about it.
            drop(thread.join());
        }
    }
}
