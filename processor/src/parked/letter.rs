//! A parked event as the record it was: to be read again, or to become a dead letter.
//!
//! Pure. Invariant: bytes, key, headers, coordinates and timestamp are those of the record that
//! was parked.

use std::time::Instant;

use sha2::{Digest, Sha256};
use shared::error::Class;
use shared::kafka::headers::{RecordHeaders, RecordKind};

use crate::consumer::Record;
use crate::decode::{Scope, decode};
use crate::item::{Dead, Item, Reason, Stage};
use crate::raw_headers;
use crate::store::parked::Waiting;

/// Read again, by today's code.
pub(super) fn item(waiting: &Waiting, scope: &Scope) -> Item {
    decode(record(waiting), scope)
}

/// The class, as its column has it.
pub(super) fn class(text: Option<&str>) -> Option<Class> {
    [Class::Business, Class::Unclassified]
        .into_iter()
        .find(|class| Some(class.as_str()) == text)
}

fn record(waiting: &Waiting) -> Record {
    let raw_headers = raw_headers::from_json(&waiting.headers);
    Record {
        topic: waiting.topic.clone(),
        partition: waiting.partition,
        offset: waiting.record_offset,
        key: waiting.key.clone(),
        value: waiting.payload.clone(),
        headers: RecordHeaders::from_kafka(&raw_headers),
        raw_headers,
        timestamp_ms: waiting.record_timestamp.map(|at| at.timestamp_millis()),
        arrived: Instant::now(),
    }
}

/// What it becomes when it is given up on. `booking` is the queue that stays held.
#[must_use]
pub fn dead_letter(waiting: &Waiting, booking: &str, reason: &Reason, attempts: u32) -> Dead {
    let record = record(waiting);
    let decoded = match record.headers.record {
        RecordKind::Event => shared::envelope::decode(&record.value).ok(),
        RecordKind::Observation | RecordKind::Command => None,
    };
    let (created, event_type) = decoded.map_or((0, None), |decoded| {
        let envelope = decoded.envelope;
        (envelope.created, Some(envelope.event_type))
    });
    Dead {
        id: Some(waiting.event_id.clone()),
        created,
        sha256: Sha256::digest(&record.value).into(),
        stage: Stage::Apply,
        class: reason.class,
        kind: reason.kind,
        error: reason.error.clone(),
        event_type,
        booking: Some(booking.to_owned()),
        attempts,
        first_failed_at: waiting.first_failed_at,
        admitted: true,
        buried: true,
        record,
    }
}
