//! A fact as a record of `booking.events`.
//!
//! Pure. Source: CloudEvents Kafka protocol binding 1.0, binary mode.

use chrono::SecondsFormat;
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::Value;
use shared::kafka::producer::NewRecord;

use crate::store::outbox::Waiting;

/// The record: key = booking id (or that of the record that caused it), value = the fact's JSON as written, `ce_id` = the fact's id,
/// by which a reader tells a second copy. It leaves with the `generation` of the database.
pub(super) fn record(topic: &str, fact: &Waiting, generation: i64) -> NewRecord {
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
        value: stamped(&fact.payload, generation).into_bytes(),
        headers,
        timestamp_ms: None,
        held: None,
    }
}

/// The fact with its generation. What is no object is left as it is: the apply path wrote it, and
/// one that could never leave would hold up its whole slot.
fn stamped(payload: &str, generation: i64) -> String {
    let parsed: Result<Value, serde_json::Error> = serde_json::from_str(payload);
    let Ok(Value::Object(mut fact)) = parsed else {
        return payload.to_owned();
    };
    fact.insert("generation".to_owned(), generation.into());
    Value::Object(fact).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_leaves_with_its_generation_and_is_otherwise_as_it_was_written() {
        let left = stamped(
            r#"{"id":"fact_1","version":9007199254740993}"#,
            1_790_000_000,
        );
        assert_eq!(
            left,
            r#"{"generation":1790000000,"id":"fact_1","version":9007199254740993}"#
        );
        assert_eq!(stamped("[1]", 2), "[1]");
    }
}
