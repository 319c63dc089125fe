//! From librdkafka's delivery report to whoever waits for it.
//!
//! Invariant: this is the only place that makes an [`Ack`], and only from a report of success.
//! Deliberately not the client library's own future: it copies each record's key, value and
//! headers back out of the report, which nobody here reads.

use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Ack;

/// What the broker said of a record.
pub(super) type Report = Result<Ack, KafkaError>;

/// Who waits for a report, and the memory that the record is charged to until then.
pub(super) struct Waiting {
    pub(super) tell: oneshot::Sender<Report>,
    pub(super) held: Option<Arc<OwnedSemaphorePermit>>,
}

/// Hands reports on.
pub(super) struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        let report = match result {
            Ok(message) => Ok(Ack {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((error, _message)) => Err(error.clone()),
        };
        let Waiting { tell, held } = *waiting;
        drop(held);
        // Who waited may have given up: then nothing is told, and it answered "unknown".
        drop(tell.send(report));
    }
}
