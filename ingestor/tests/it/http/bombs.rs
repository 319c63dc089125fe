//! Bodies that are signed and made to hurt whoever parses them. They are Stripe's word all the
//! same: stored byte for byte, as a dead letter if they cannot be read.

use std::time::{Duration, Instant};

use testbed::testing::TestTopics;

use crate::client::{send, signed};
use crate::stand::{MIB, Stand, kafka};
use crate::topic::{Record, records};

/// Sends a signed body; the record that it became.
fn stored(body: &[u8]) -> Record {
    let topics = TestTopics::create();
    let stand = Stand::start(kafka(&topics, true), &topics.events);
    let began = Instant::now();
    assert_eq!(send(stand.address, &signed(body)).status, 200);
    // Not a measure: a parser that goes back and forth would need minutes.
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let mut found = records(&topics);
    assert_eq!(found.len(), 1);
    let record = found.remove(0);
    assert!(record.value == body, "the topic holds other bytes");
    record
}

#[test]
fn a_mebibyte_of_open_brackets_is_stored_and_overflows_no_stack() {
    let record = stored(&vec![b'['; MIB]);
    assert!(record.key.starts_with("sha256:"), "{}", record.key);
}

#[test]
fn objects_in_objects_down_to_the_cap_are_stored() {
    let open = br#"{"a":"#;
    let record = stored(&open.repeat(MIB / open.len()));
    assert!(record.key.starts_with("sha256:"), "{}", record.key);
}

#[test]
fn a_deep_field_that_nobody_reads_makes_the_event_unreadable_and_is_stored() {
    let start = r#"{"id":"evt_deep","object":"event","type":"charge.updated","created":1790000000,"livemode":false,"data":{"object":{"id":"ch_1","object":"charge"}},"ignored":"#;
    let deep = 500_000;
    let body = format!("{start}{}{}}}", "[".repeat(deep), "]".repeat(deep));
    let record = stored(body.as_bytes());
    assert!(record.key.starts_with("sha256:"), "{}", record.key);
}

#[test]
fn an_event_with_two_ids_is_neither_of_them() {
    let body = r#"{"id":"evt_a","id":"evt_b","object":"event","type":"charge.updated","created":1790000000,"livemode":false,"data":{"object":{"id":"ch_1","object":"charge"}}}"#;
    let record = stored(body.as_bytes());
    let id = record.headers.get("ce_id").expect("an id");
    assert!(id.starts_with("sha256:"), "{id}");
    assert!(record.key.starts_with("sha256:"), "{}", record.key);
}

#[test]
fn numbers_texts_and_keys_without_measure_are_stored() {
    let digits = "9".repeat(MIB / 2);
    let escapes = "\\u0000".repeat(1_000);
    let keys: String = (0..20_000).map(|n| format!("\"k{n}\":{n},")).collect();
    for body in [
        format!(r#"{{"id":"evt_1","n":{digits}}}"#),
        format!(r#"{{"id":"evt_1","n":1e{digits}}}"#),
        format!(r#"{{"id":"{escapes}"}}"#),
        format!(r#"{{{keys}"id":"evt_1"}}"#),
        "\u{feff}{}".to_owned(),
    ] {
        stored(body.as_bytes());
    }
}
