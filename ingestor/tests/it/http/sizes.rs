//! Too much: announced, sent in chunks, or in the head.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use testbed::testing::TestTopics;

use super::{PATH, exchange, refusing, status};
use crate::client::{connect, event, signed};
use crate::faults::resident_kib;
use crate::process::{address, with_secret};
use crate::stand::MIB;

#[test]
fn ten_gigabytes_announced_are_refused_at_once_and_take_no_memory() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = with_secret(dir.path(), &topics);
    let before = resident_kib(service.pid());
    let began = Instant::now();
    let streams: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(address(&service));
            let head =
                format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n{{");
            stream.write_all(head.as_bytes()).expect("sent");
            // Not to its end: the connection is given two seconds to be closed from our side.
            let mut start = [0; 12];
            stream.read_exact(&mut start).expect("an answer");
            assert_eq!(&start, b"HTTP/1.1 413");
            stream
        })
        .collect();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let after = resident_kib(service.pid());
    assert!(after < before + 16_384, "{before} KiB grew to {after} KiB");
    drop(streams);
}

#[test]
fn a_length_that_no_number_holds_is_refused() {
    let stand = refusing();
    let huge = "9".repeat(40);
    let answer = exchange(
        stand.address,
        format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {huge}\r\n\r\n").as_bytes(),
    );
    assert!(matches!(status(&answer), Some(400 | 413)), "{answer}");
    assert_eq!(stand.appends(), 0);
}

#[test]
fn a_chunked_body_of_twice_the_cap_is_refused_before_its_end() {
    let stand = refusing();
    let mut stream = connect(stand.address);
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let chunk = [b"10000\r\n", &[b'x'; 65_536][..], b"\r\n"].concat();
    for _ in 0..2 * MIB / 65_536 {
        // The receiver may close before the last of them.
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    let mut start = [0; 12];
    stream.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 413");
    assert_eq!(stand.appends(), 0);
    assert_eq!(stand.counts().get("too_large"), Some(&1));
}

/// A genuine request with more headers in front of the others.
fn with_headers(more: &str) -> Vec<u8> {
    let text = String::from_utf8(signed(&event("evt_1", 300))).expect("text");
    text.replacen("\r\n", &format!("\r\n{more}"), 1)
        .into_bytes()
}

#[test]
fn ninety_seven_headers_are_refused_by_the_count() {
    let stand = refusing();
    // Host, Connection, Content-Length and the signature make 96.
    let many = |count: usize| "X-Pad: 1\r\n".repeat(count);
    assert_eq!(
        status(&exchange(stand.address, &with_headers(&many(92)))),
        Some(503)
    );
    assert_eq!(
        status(&exchange(stand.address, &with_headers(&many(93)))),
        Some(431)
    );
    assert_eq!(stand.appends(), 1);
}

#[test]
fn a_head_above_128_kib_is_refused_by_its_size() {
    let stand = refusing();
    let long = format!("X-Pad: {}\r\n", "y".repeat(140_000));
    assert_eq!(
        status(&exchange(stand.address, &with_headers(&long))),
        Some(431)
    );
    assert_eq!(stand.appends(), 0);
}
