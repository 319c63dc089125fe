//! Each status, and what it promises.

use std::io::Write;
use std::time::Duration;

use testbed::testing::{TestTopics, eventually};

use crate::client::{
    OTHER, SECRET, answer, connect, event, now, request, send, signature, signed, signed_by,
};
use crate::stand::{Log, MIB, Stand, kafka};
use crate::topic::records;
use testbed::stripe::signature_header;

fn refusing() -> Stand {
    Stand::start(Log::Failing, "nowhere")
}

#[test]
fn bodies_of_any_size_up_to_the_cap_are_stored_byte_for_byte() {
    let topics = TestTopics::create();
    let stand = Stand::start(kafka(&topics, true), &topics.events);
    let mut sent: Vec<Vec<u8>> = [400, 262_144, 262_145, MIB]
        .iter()
        .map(|size| event(&format!("evt_{size}"), *size))
        .collect();
    for body in &sent {
        assert_eq!(send(stand.address, &signed(body)).status, 200);
    }
    let mut found: Vec<Vec<u8>> = records(&topics).into_iter().map(|r| r.value).collect();
    sent.sort();
    found.sort();
    assert!(sent == found, "the topic holds other bytes");
}

#[test]
fn a_signed_body_that_cannot_be_read_is_stored_under_its_hash() {
    let topics = TestTopics::create();
    let stand = Stand::start(kafka(&topics, true), &topics.events);
    let body = b"\xff\x00not json";
    assert_eq!(send(stand.address, &signed(body)).status, 200);
    let found = records(&topics);
    assert_eq!(found.len(), 1);
    assert!(found[0].key.starts_with("sha256:"), "{}", found[0].key);
    assert_eq!(found[0].value, body);
}

#[test]
fn nobody_is_told_200_before_kafka_has_acknowledged() {
    let topics = TestTopics::create();
    let stand = Stand::start(kafka(&topics, false), &topics.events);
    let mut stream = connect(stand.address);
    let request = signed(&event("evt_held", 300));
    stream.write_all(&request).expect("sent");
    eventually(Duration::from_secs(10), "the append began", || {
        stand.appends() == 1
    });
    let short = Some(Duration::from_millis(500));
    stream.set_read_timeout(short).expect("timeout");
    let early = stream.peek(&mut [0; 1]);
    assert!(early.is_err(), "answered without an acknowledgement");
    stand.log.open_gate();
    let long = Some(Duration::from_secs(20));
    stream.set_read_timeout(long).expect("timeout");
    assert_eq!(answer(&mut stream).status, 200);
    assert_eq!(records(&topics).len(), 1);
}

#[test]
fn an_unsigned_or_wrongly_signed_body_is_refused_and_never_appended() {
    let stand = refusing();
    let body = event("evt_1", 300);
    let path = "/webhooks/stripe";
    let good = format!("Stripe-Signature: {}\r\n", signature(SECRET, &body));
    let at = |t: i64| signature_header(&[SECRET], t, &body, false);
    let (old, ahead) = (at(now() - 400), at(now() + 400));
    let requests = [
        request("POST", path, "", &body),
        request("POST", path, &format!("{good}{good}"), &body),
        request("POST", path, "Stripe-Signature: nonsense\r\n", &body),
        request("POST", path, &good, &event("evt_2", 300)),
        request("POST", path, &format!("Stripe-Signature: {old}\r\n"), &body),
        request(
            "POST",
            path,
            &format!("Stripe-Signature: {ahead}\r\n"),
            &body,
        ),
        signed_by(OTHER, &body),
        signed(b""),
    ];
    for request in requests {
        let answer = send(stand.address, &request);
        assert_eq!((answer.status, &*answer.body), (400, "refused\n"));
        assert!(!answer.head.contains("\r\nserver:"), "{}", answer.head);
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn other_paths_and_methods_are_not_served() {
    let stand = refusing();
    for (method, path, status) in [
        ("GET", "/webhooks/stripe", 405),
        ("PUT", "/webhooks/stripe", 405),
        ("POST", "/", 404),
        ("POST", "/webhooks/stripe/", 404),
        ("GET", "/metrics", 404),
        ("GET", "/readyz", 404),
    ] {
        let answer = send(stand.address, &request(method, path, "", b""));
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.head.contains("text/plain"), "{}", answer.head);
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn what_is_not_stored_is_to_be_sent_again() {
    let silent = Log::Silent(Duration::from_millis(200));
    for log in [silent, Log::Failing, Log::Overloaded] {
        let stand = Stand::start(log, "nowhere");
        let answer = send(stand.address, &signed(&event("evt_1", 300)));
        assert_eq!(answer.status, 503);
        assert!(answer.head.contains("retry-after: 5"), "{}", answer.head);
        assert_eq!(stand.appends(), 1);
    }
}
