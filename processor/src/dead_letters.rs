//! Publishes dead letters and waits for the broker's acknowledgement.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::kafka::producer::{Ack, AppendError, Producer};

use crate::dead_letter::{headers, moment};
use crate::item::Dead;

/// The dead-letter topic.
pub struct DeadLetters {
    producer: Arc<Producer>,
    topic: String,
    group: String,
}

impl DeadLetters {
    /// `group` is the consumer group that gave up.
    #[must_use]
    pub const fn new(producer: Arc<Producer>, topic: String, group: String) -> Self {
        Self {
            producer,
            topic,
            group,
        }
    }

    /// Appends one dead letter; blocks until the broker acknowledged it or the producer's
    /// deadline passed.
    ///
    /// # Errors
    /// [`AppendError`]: unknown whether it is there; publishing it again is harmless.
    pub fn publish(&self, dead: &Dead, failed_at: DateTime<Utc>) -> Result<Ack, AppendError> {
        let failed_at = moment(failed_at);
        let ack = self.producer.append_raw_blocking(
            &self.topic,
            &dead.record.key,
            &dead.record.value,
            headers(dead, &self.group, &failed_at),
        )?;
        tracing::error!(
            "event.id" = dead.id,
            "kafka.partition" = dead.record.partition,
            "kafka.offset" = dead.record.offset,
            kind = dead.kind,
            class = dead.class.as_str(),
            error = dead.error,
            trace_id = dead.record.headers.traceparent,
            "record given up on: it is in the dead letters"
        );
        Ok(ack)
    }
}
