//! A fact as a record of `booking.events`.
//!
//! Pure. Source: CloudEvents Kafka protocol binding 1.0, binary mode.

use chrono::SecondsFormat;
use rdkafka::message::{Header, OwnedHeaders};
use shared::kafka::producer::NewRecord;

use crate::store::outbox::Waiting;

/// The record: key = booking id (or that of the record that caused it), value = the fact's JSON as written, `ce_id` = the fact's id,
/// by which a reader tells a second copy.
pub(super) fn record(topic: &str, fact: &Waiting) -> NewRecord {
    let time = fact.created_at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let kind = format!("bookend.{}", fact.kind);
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", &fact.id),
        ("ce_type", &kind),
        ("ce_source", "bookend"),
        ("ce_time", &time),
        ("ce_subject", &fact.key),
        ("content-type", "application/json; charset=utf-8"),
    ]
    .into_iter()
    .fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    });
    NewRecord {
        topic: topic.to_owned(),
        key: fact.key.clone(),
        value: fact.payload.clone().into_bytes(),
        headers,
        timestamp_ms: None,
        held: None,
    }
}
