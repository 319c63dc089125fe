//! From librdkafka's delivery report to whoever waits for it.
//!
//! Invariant: this is the only place that makes an [`Ack`], and only from a report that says where
//! in the partition the record is. Deliberately not the client library's own future: it copies each
//! record's key, value and headers back out of the report, which nobody here reads.

use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;
use tokio::sync::oneshot;

use super::{Ack, Held};
use crate::kafka::ClientMetrics;

/// What became of a record.
#[derive(Debug)]
pub(super) enum Report {
    /// The broker said where it is.
    Stored(Ack),
    /// The client takes it for stored; no broker said so.
    Assumed,
    /// It was refused, or given up.
    Refused(KafkaError),
}

/// A report without an error: proof only if it names the record's offset.
///
/// An idempotent client calls a record delivered, too, when a later one of its partition was
/// stored, or when the broker calls its sequence number a duplicate. The first is wrong where a
/// broker knows nothing of the producer yet, because it then takes any sequence number: the first
/// record refused while leaders change, the second stored, and the first is never sent again. Such a
/// report names no offset. (Of a batch of duplicates the first has none and the others have small
/// ones; today's brokers do not call a batch that, but answer with its own offset.)
///
/// Source: librdkafka's `rd_kafka_dr_implicit_ack`; confluent-kafka-go, issue 921.
const fn judge(partition: i32, offset: i64) -> Report {
    if offset < 0 {
        return Report::Assumed;
    }
    Report::Stored(Ack { partition, offset })
}

/// Who waits for a report, and the memory that the record is charged to until then.
pub(super) struct Waiting {
    pub(super) tell: oneshot::Sender<Report>,
    pub(super) held: Option<Held>,
}

/// Hands reports on.
pub(super) struct Reports {
    metrics: ClientMetrics,
}

impl Reports {
    /// Those of the client with this name.
    pub(super) fn of(client: &'static str) -> Self {
        Self {
            metrics: ClientMetrics::new(client),
        }
    }
}

impl ClientContext for Reports {
    fn stats(&self, statistics: Statistics) {
        self.metrics.record(&statistics);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        let report = match result {
            Ok(message) => judge(message.partition(), message.offset()),
            Err((error, _message)) => Report::Refused(error.clone()),
        };
        let Waiting { tell, held } = *waiting;
        drop(held);
        // Who waited may have given up: then nothing is told, and it answered "unknown".
        drop(tell.send(report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_an_offset_is_no_proof() {
        for offset in [-1, -1001, i64::MIN] {
            assert!(matches!(judge(3, offset), Report::Assumed), "{offset}");
        }
        let Report::Stored(ack) = judge(3, 0) else {
            panic!("the first record of a partition is stored");
        };
        assert_eq!((ack.partition(), ack.offset()), (3, 0));
    }
}
