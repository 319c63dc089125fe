//! The record that the ingestor promises, made the shortest way: what the promise costs whoever
//! keeps it.
//!
//! The key is the booking id, so the body is read; the headers are those of `shared/src/kafka/headers.rs`.
//! Deliberately not the ingestor's code, and deliberately without its care: a body that is not the
//! usual one is refused.

use rand::RngExt as _;
use rdkafka::message::{Header, OwnedHeaders};
use serde::Deserialize;

#[derive(Deserialize)]
struct Event<'e> {
    id: &'e str,
    r#type: &'e str,
    created: i64,
    #[serde(borrow)]
    data: Data<'e>,
}

#[derive(Deserialize)]
struct Data<'e> {
    #[serde(borrow)]
    object: Object<'e>,
}

#[derive(Deserialize)]
struct Object<'e> {
    #[serde(borrow)]
    metadata: Metadata<'e>,
}

#[derive(Deserialize)]
struct Metadata<'e> {
    booking_id: &'e str,
}

/// Key and headers of the record of a signed body; none: it is not the usual one.
pub(super) fn of(signature: &str, body: &[u8]) -> Option<(String, OwnedHeaders)> {
    let event: Event<'_> = serde_json::from_slice(body).ok()?;
    let created = chrono::DateTime::from_timestamp(event.created, 0)?;
    let time = |at: chrono::DateTime<chrono::Utc>, unit| at.to_rfc3339_opts(unit, true);
    let booking = event.data.object.metadata.booking_id;
    let mut random = rand::rng();
    let trace = format!(
        "00-{:032x}-{:016x}-01",
        random.random::<u128>(),
        random.random::<u64>()
    );
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", event.id),
        ("ce_type", &["com.stripe.", event.r#type].concat()),
        ("ce_source", "https://api.stripe.com/"),
        ("ce_time", &time(created, chrono::SecondsFormat::Secs)),
        ("ce_subject", booking),
        ("content-type", "application/json; charset=utf-8"),
        ("traceparent", &trace),
        ("stripe-signature", signature),
        ("x-verified-by", "bench"),
        ("x-received-at", &time(now(), chrono::SecondsFormat::Micros)),
        ("x-record", "event"),
        ("x-source", "webhook"),
    ];
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    let all = headers.into_iter().fold(empty, |all, (key, value)| {
        all.insert(Header {
            key,
            value: Some(value),
        })
    });
    Some((booking.to_owned(), all))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the wall clock"
)]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers as _;

    use super::super::requests::{Size, requests};
    use super::*;

    #[test]
    fn the_usual_bodies_make_the_whole_record_and_others_are_refused() {
        let names = "ce_specversion ce_id ce_type ce_source ce_time ce_subject content-type traceparent \
                     stripe-signature x-verified-by x-received-at x-record x-source";
        for size in [Size::Usual, Size::Large] {
            let request = requests(size, 1, true, 1_790_000_000).remove(0);
            let head = request.windows(4).position(|four| four == b"\r\n\r\n");
            let (key, headers) = of("t=1,v1=00", &request[head.unwrap() + 4..]).unwrap();
            let written: Vec<&str> = headers.iter().map(|header| header.key).collect();
            assert_eq!(
                (key.as_str(), written.join(" ")),
                ("bench-0", names.to_owned())
            );
            assert!(
                headers
                    .iter()
                    .all(|header| !header.value.unwrap().is_empty())
            );
        }
        assert!(of("t=1,v1=00", b"{}").is_none());
    }
}
