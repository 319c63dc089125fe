//! The record that goes to the dead-letter topic: exact bytes, key, original headers, and why.
//!
//! Pure. Invariant: it is acknowledged by the broker before the progress of the record it
//! stands for moves; so the topic may hold it more than once, with the same origin.
//!
//! Header names are those of Spring Kafka's dead letters, which tools know.

use chrono::{DateTime, Utc};
use rdkafka::message::{Header, OwnedHeaders};

use crate::item::Dead;

/// Version that gave up.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The dead letter's headers: the original ones, then where it came from and why. All UTF-8.
#[must_use]
pub fn headers(dead: &Dead, group: &str, failed_at: &str) -> OwnedHeaders {
    let record = &dead.record;
    let timestamp = record
        .timestamp_ms
        .map_or_else(|| "-1".to_owned(), |ms| ms.to_string());
    let first_failed_at = dead
        .first_failed_at
        .map_or_else(|| failed_at.to_owned(), moment);
    let text = |headers: OwnedHeaders, key: &str, value: &str| {
        headers.insert(Header {
            key,
            value: Some(value.as_bytes()),
        })
    };
    let mut all = record.raw_headers.clone();
    for (key, value) in [
        ("kafka_dlt-original-topic", record.topic.as_str()),
        (
            "kafka_dlt-original-partition",
            &record.partition.to_string(),
        ),
        ("kafka_dlt-original-offset", &record.offset.to_string()),
        ("kafka_dlt-original-timestamp", &timestamp),
        ("kafka_dlt-original-timestamp-type", "CreateTime"),
        ("kafka_dlt-original-consumer-group", group),
        ("kafka_dlt-exception-fqcn", dead.kind),
        ("kafka_dlt-exception-cause-fqcn", dead.class.as_str()),
        ("kafka_dlt-exception-message", &dead.error),
        ("kafka_dlt-exception-stacktrace", &dead.error),
        ("x-stage", dead.stage.as_str()),
        ("x-attempts", &dead.attempts.to_string()),
        ("x-first-failed-at", &first_failed_at),
        ("x-last-failed-at", failed_at),
        ("x-processor-version", VERSION),
    ] {
        all = text(all, key, value);
    }
    all
}

/// RFC 3339 to the microsecond.
#[must_use]
pub fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
    use rdkafka::message::Headers;
    use std::time::Instant;

    use super::*;
    use crate::consumer::Record;
    use crate::item::Stage;

    fn dead() -> Dead {
        let raw_headers = OwnedHeaders::new()
            .insert(Header {
                key: "ce_id",
                value: Some("evt_1"),
            })
            .insert(Header {
                key: "stripe-signature",
                value: Some("t=1,v1=00"),
            });
        Dead {
            record: Record {
                topic: "stripe.events".into(),
                partition: 7,
                offset: 4242,
                key: "b".into(),
                value: b"{".to_vec(),
                headers: shared::kafka::headers::RecordHeaders::from_kafka(&raw_headers),
                raw_headers,
                timestamp_ms: Some(1_700_000_000_123),
                arrived: Instant::now(),
            },
            id: None,
            created: 0,
            sha256: [0; 32],
            stage: Stage::Decode,
            class: shared::error::Class::Poison,
            kind: "not_json",
            error: "the body is not JSON: EOF".into(),
            event_type: None,
            booking: None,
            attempts: 3,
            first_failed_at: DateTime::from_timestamp(1_700_000_000, 0),
            admitted: false,
            buried: false,
        }
    }

    #[test]
    fn every_header_says_what_its_name_says() {
        let headers = headers(&dead(), "processor", "2026-01-01T00:00:00Z");
        let value = |key: &str| {
            headers
                .iter()
                .find(|header| header.key == key)
                .and_then(|header| header.value)
                .map(|value| String::from_utf8(value.to_vec()).unwrap())
                .unwrap_or_else(|| panic!("no header {key}"))
        };
        for (key, expected) in [
            ("ce_id", "evt_1"),
            ("stripe-signature", "t=1,v1=00"),
            ("kafka_dlt-original-topic", "stripe.events"),
            ("kafka_dlt-original-partition", "7"),
            ("kafka_dlt-original-offset", "4242"),
            ("kafka_dlt-original-timestamp", "1700000000123"),
            ("kafka_dlt-original-timestamp-type", "CreateTime"),
            ("kafka_dlt-original-consumer-group", "processor"),
            ("kafka_dlt-exception-fqcn", "not_json"),
            ("kafka_dlt-exception-cause-fqcn", "poison"),
            ("kafka_dlt-exception-message", "the body is not JSON: EOF"),
            (
                "kafka_dlt-exception-stacktrace",
                "the body is not JSON: EOF",
            ),
            ("x-stage", "decode"),
            ("x-attempts", "3"),
            ("x-first-failed-at", "2023-11-14T22:13:20.000000Z"),
            ("x-last-failed-at", "2026-01-01T00:00:00Z"),
            ("x-processor-version", VERSION),
        ] {
            assert_eq!(value(key), expected, "{key}");
        }
    }
}
