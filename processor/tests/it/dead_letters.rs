//! Poison becomes a dead letter with its bytes, and the partition goes on.

use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, paid};

type Letter = (Vec<u8>, Vec<(String, String)>);

fn dead_letters(harness: &Harness) -> Vec<Letter> {
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &harness.topics.brokers)
        .set("group.id", format!("{}-reader", harness.topics.group))
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[&harness.topics.dead]).unwrap();
    let mut found = Vec::new();
    let mut seen = false;
    eventually(PATIENCE, "the dead letters are read", || {
        match consumer.poll(Duration::from_millis(1_000)) {
            Some(Ok(message)) => {
                let headers = message.headers().unwrap().iter().map(|header| {
                    (
                        header.key.to_owned(),
                        String::from_utf8(header.value.unwrap_or_default().to_vec()).unwrap(),
                    )
                });
                found.push((message.payload().unwrap().to_vec(), headers.collect()));
                seen = true;
                false
            }
            _ => seen,
        }
    });
    found
}

#[test]
fn poison_goes_to_the_dead_letters_with_its_bytes_and_reason_and_the_partition_goes_on() {
    let harness = Harness::new();
    let _processor = harness.start();
    let poison: [(&[u8], &str); 5] = [
        (b"not json", "not_json"),
        (
            b"{\"object\":\"event\",\"type\":\"x\",\"data\":{}}",
            "missing_id",
        ),
        (
            b"{\"object\":\"charge\",\"id\":\"evt_odd\"}",
            "unknown_shape",
        ),
        (b"\xff\xfe", "not_utf8"),
        (&[b'['; 100_000], "too_deep"),
    ];
    for (bytes, _) in &poison {
        harness.publish_under("same-partition", bytes);
    }
    harness.publish_under("same-partition", &paid("evt_after", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    assert_eq!(
        harness
            .number("SELECT count(*) FROM dead_letters WHERE stage = 'decode' AND status = 'open'"),
        5
    );
    assert_eq!(
        harness.number("SELECT count(*) FROM events WHERE disposition = 'dead' AND id = 'evt_odd'"),
        1
    );
    let letters = dead_letters(&harness);
    for (bytes, kind) in &poison {
        let (_, headers) = letters
            .iter()
            .find(|(value, _)| value == bytes)
            .unwrap_or_else(|| panic!("{kind} not there"));
        let header = |key: &str| {
            headers
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, v)| v.as_str())
        };
        assert_eq!(header("kafka_dlt-exception-fqcn"), Some(*kind));
        assert_eq!(header("stripe-signature"), Some("t=1,v1=00"));
    }
}

#[test]
fn a_dead_row_comes_back_to_life_with_bytes_that_can_be_read() {
    let harness = Harness::new();
    let _processor = harness.start();
    let broken = b"{\"object\":\"event\",\"id\":\"evt_1\",\"type\":\"\",\"data\":{}}";
    harness.publish(broken);
    harness.eventually_number(
        1,
        "SELECT count(*) FROM events WHERE id = 'evt_1' AND disposition = 'dead'",
    );
    harness.publish(broken);
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    assert_eq!(
        harness
            .number("SELECT count(*) FROM events WHERE id = 'evt_1' AND disposition = 'applied'"),
        1
    );
    assert_eq!(
        harness.number("SELECT count(*) FROM dead_letters WHERE status = 'replayed'"),
        1
    );
}

#[test]
fn a_record_that_breaks_a_rule_is_found_among_its_neighbours_and_only_it_is_parked() {
    let harness = Harness::new();
    // A rule of the schema that exactly one of the records breaks.
    harness.execute("ALTER TABLE bookings ADD CONSTRAINT no_thirteen CHECK (id <> 'b-13')");
    for n in 0..40 {
        harness.publish_under(
            "same",
            &paid(
                &format!("evt_{n}"),
                &format!("pi_{n}"),
                &format!("b-{n}"),
                500,
            ),
        );
    }
    let _processor = harness.start();
    harness.eventually_number(
        39,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    harness.eventually_number(
        1,
        "SELECT count(*) FROM parked_events WHERE error_kind = 'constraint' AND event_id = 'evt_13'",
    );
    assert_eq!(harness.number("SELECT count(*) FROM parked_events"), 1);
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
}
