//! Strangers choose types, ids and paths; the number of metric series does not depend on them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use testbed::services::Service;
use testbed::testing::{TestTopics, eventually};

use super::{PATIENCE, exchange, status, stored};
use crate::client::{OTHER, connect, event, request, send, signed, signed_by};
use crate::process::{address, with_secret};

/// Names of all series with their labels.
fn series(service: &Service) -> BTreeSet<String> {
    let metrics = service.get("/metrics").expect("metrics").1;
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.rsplit_once(' ').map(|(name, _)| name.to_owned()));
    names.collect()
}

/// Series of the three producers' Kafka statistics: 7 a client. A client reports every few
/// seconds, and its round trips once it has asked a broker something.
const KAFKA_SERIES: usize = 3 * 7;

/// Sends events of types that nobody else has, over one connection; all are stored.
fn of_own_types(to: SocketAddr, sender: usize, many: usize) {
    let mut stream = connect(to);
    for number in 0..many {
        let kind = format!("made.up_{sender}_{number}");
        let body = event(&format!("evt_{sender}_{number}"), 300);
        let body = String::from_utf8(body).expect("text");
        let body = body.replace("payment_intent.created", &kind);
        stored(&mut stream, body.as_bytes());
    }
}

#[test]
fn a_hundred_thousand_made_up_types_and_a_flood_of_paths_add_no_series() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = with_secret(dir.path(), &topics);
    let to = address(&service);
    // Each way to end that the flood has is there before it.
    assert_eq!(send(to, &signed(&event("evt_first", 300))).status, 200);
    assert_eq!(
        send(to, &signed_by(OTHER, &event("evt_first", 300))).status,
        400
    );
    // This one comes with the first look at the producer.
    eventually(PATIENCE, "the producer was looked at", || {
        series(&service).contains("bookend_producer_records_in_flight")
    });
    let before = series(&service);
    for part in ["outcome=\"ok\"", "bookend_producer_linger"] {
        let told = before.iter().any(|name| name.contains(part));
        assert!(told, "{part}: {before:?}");
    }

    std::thread::scope(|scope| {
        for sender in 0..16 {
            scope.spawn(move || of_own_types(to, sender, 6_250));
        }
    });
    for number in 0..1_000 {
        let path = format!("/made/up/{number}?q={number}");
        let headers = format!("User-Agent: {number}\r\nX-{number}: 1\r\n");
        let told = exchange(to, &request("GET", &path, &headers, b""));
        assert_eq!(status(&told), Some(404));
        let forged = signed_by(OTHER, &event(&format!("evt_{number}"), 300));
        assert_eq!(send(to, &forged).status, 400);
    }
    let after = series(&service);
    let is_kafka = |name: &&String| name.starts_with("bookend_kafka_");
    let new = after.difference(&before).filter(|name| !is_kafka(name));
    let new: Vec<_> = new.collect();
    assert!(new.is_empty(), "{new:?}");
    let kafka: Vec<_> = after.iter().filter(is_kafka).collect();
    assert!(kafka.len() <= KAFKA_SERIES, "{kafka:?}");
}
