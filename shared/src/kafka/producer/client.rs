//! One client of Kafka that appends, and the thread that hands its reports on.
//!
//! Deliberately not the client library's own thread: it looks whether it should stop ten times a
//! second, and polls without a pause for the last millisecond before each look, a hundredth of a
//! processor for each idle client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::BaseProducer;

use super::delivery::Reports;
use super::lanes::Lane;
use crate::kafka::options::{KafkaSettings, producer_options};

/// How often the thread looks whether the client is still wanted.
const LOOK: Duration = Duration::from_secs(2);

/// A client. Once dropped, it is gone within [`LOOK`].
pub(super) struct Client {
    producer: Arc<BaseProducer<Reports>>,
    stop: Arc<AtomicBool>,
}

impl Client {
    /// Creates it, and its thread.
    pub(super) fn create(settings: &KafkaSettings, lane: Lane) -> KafkaResult<Self> {
        let options = producer_options(settings, lane.linger_ms());
        let producer: BaseProducer<Reports> = options.create_with_context(Reports)?;
        let (producer, stop) = (Arc::new(producer), Arc::new(AtomicBool::new(false)));
        let (polled, stopped) = (Arc::clone(&producer), Arc::clone(&stop));
        let thread = thread::Builder::new().name("kafka-reports".to_owned());
        thread
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    polled.poll(LOOK);
                }
            })
            .map_err(|_no_thread| KafkaError::ClientCreation("no thread".to_owned()))?;
        Ok(Self { producer, stop })
    }

    /// The client library's.
    pub(super) fn producer(&self) -> &BaseProducer<Reports> {
        &self.producer
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
