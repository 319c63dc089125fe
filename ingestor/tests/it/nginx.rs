//! The listener behind a real nginx with the recommended configuration (`deploy/nginx`), with
//! connections between the two that are kept for the next request.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testbed::testing::{Nginx, TestTopics};

use crate::client::{OTHER, SECRET, connect, event, request, send, signed, signed_by, try_answer};
use crate::http::vectors::vectors;
use crate::http::{PATH, exchange, kept_open, status};
use crate::stand::{Log, MIB, Stand, kafka};
use crate::topic::records;

#[test]
fn a_genuine_delivery_passes_nginx_unchanged_and_its_signature_holds() {
    let topics = TestTopics::create();
    let stand = Stand::keeping(kafka(&topics, true), &topics.events);
    let nginx = Nginx::before(stand.address);
    let mut odd = event("evt_bytes", 300);
    odd.extend_from_slice(b"\r\n\r\n\xff\x00\xfe  \n");
    let mut sent = vec![event("evt_small", 300), event("evt_cap", MIB), odd];
    for body in &sent {
        let answer = send(nginx.address(), &signed(body));
        assert_eq!(answer.status, 200, "{}{}", answer.head, nginx.log());
    }
    let mut chunked = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Stripe-Signature: {}\r\n\r\n",
        crate::client::signature(SECRET, &sent[0])
    )
    .into_bytes();
    for part in sent[0].chunks(7) {
        chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunked.extend_from_slice(part);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(
        send(nginx.address(), &chunked).status,
        200,
        "{}",
        nginx.log()
    );
    sent.push(sent[0].clone());
    let mut found: Vec<Vec<u8>> = records(&topics).into_iter().map(|r| r.value).collect();
    sent.sort();
    found.sort();
    assert!(sent == found, "other bytes arrived");
    assert_eq!(
        send(nginx.address(), &signed_by(OTHER, &sent[0])).status,
        400
    );
}

#[test]
fn no_request_of_two_readings_brings_another_through_nginx() {
    let stand = Stand::keeping(Log::Failing, "nowhere");
    let nginx = Nginx::before(stand.address);
    let marker = kept_open(SECRET, &event("evt_marker", 300));
    let ended = [
        &marker[..],
        b"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ]
    .concat();
    assert_eq!(
        status(&exchange(nginx.address(), &ended)),
        Some(503),
        "{}",
        nginx.log()
    );
    assert_eq!(stand.appends(), 1);
    for some in vectors(&marker).chunks(24) {
        std::thread::scope(|scope| {
            for vector in some {
                let (to, nginx) = (nginx.address(), &nginx);
                scope.spawn(move || {
                    let answer = answered(to, &vector.bytes);
                    let handled = answer.contains(" 503 ") || answer.contains(" 200 ");
                    assert!(!handled, "{}: {answer:?}\n{}", vector.name, nginx.log());
                });
            }
        });
    }
    // Whoever gets nginx's kept connection next gets the answer to his own request.
    for _ in 0..20 {
        let next = send(nginx.address(), &request("POST", PATH, "", b"{}"));
        assert_eq!((next.status, &*next.body), (400, "refused\n"));
    }
    assert_eq!(stand.appends(), 1);
    assert_eq!(stand.counts().get("publish_failed"), Some(&1));
}

/// What is answered within the time that nginx waits for more of a request.
fn answered(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(to);
    let patience = Some(Duration::from_secs(7));
    stream.set_read_timeout(patience).expect("timeout");
    let _cut_off = stream.write_all(bytes);
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    // A connection that stays open ends by the timeout.
    while let Ok(many) = stream.read(&mut part) {
        if many == 0 {
            break;
        }
        answer.extend_from_slice(&part[..many]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_body_above_the_cap_ends_at_nginx() {
    let stand = Stand::keeping(Log::Failing, "nowhere");
    let nginx = Nginx::before(stand.address);
    let mut stream = connect(nginx.address());
    let full = signed(&event("evt_large", MIB + 1));
    stream
        .write_all(&full[..full.len() - MIB - 1])
        .expect("sent");
    assert_eq!(
        try_answer(&mut stream).map(|answer| answer.status),
        Some(413)
    );
    assert!(
        stand.counts().values().all(|count| *count == 0),
        "{:?}",
        stand.counts()
    );
}

#[test]
fn other_paths_and_methods_end_at_nginx() {
    let stand = Stand::keeping(Log::Failing, "nowhere");
    let nginx = Nginx::before(stand.address);
    for (method, path, expected) in [
        ("GET", PATH, 405),
        ("TRACE", PATH, 405),
        ("POST", "/", 404),
        ("GET", "/metrics", 404),
        ("POST", "/webhooks/stripe/", 404),
    ] {
        let answer = send(nginx.address(), &request(method, path, "", b""));
        assert_eq!(answer.status, expected, "{method} {path}");
    }
    assert!(
        stand.counts().values().all(|count| *count == 0),
        "{:?}",
        stand.counts()
    );
}

#[test]
fn one_address_that_floods_is_told_to_wait_and_the_ingestor_is_spared() {
    let stand = Stand::keeping(Log::Failing, "nowhere");
    let nginx = Nginx::before(stand.address);
    let (to, told, passed) = (nginx.address(), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..250 {
                    match send(to, &request("POST", PATH, "", b"{}")).status {
                        429 => told.fetch_add(1, Ordering::SeqCst),
                        400 => passed.fetch_add(1, Ordering::SeqCst),
                        other => panic!("{other}"),
                    };
                }
            });
        }
    });
    let (told, passed) = (told.into_inner(), passed.into_inner());
    assert!(
        told > 0 && passed >= 500,
        "{told} were told to wait, {passed} passed"
    );
    assert_eq!(
        stand.counts().get("no_header"),
        Some(&u64::try_from(passed).expect("small"))
    );
}
