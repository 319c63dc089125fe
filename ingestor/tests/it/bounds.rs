//! Too large, too slow, too many: each is cut off and costs nobody else anything.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use testbed::testing::eventually;

use crate::client::{answer, connect, event, request, send, signed, try_answer};
use crate::stand::{Log, MIB, Stand};

fn refusing() -> Stand {
    Stand::start(Log::Failing, "nowhere")
}

#[test]
fn a_body_announced_as_too_large_is_refused_unread() {
    let stand = refusing();
    let mut stream = connect(stand.address);
    let full = request("POST", "/webhooks/stripe", "", &vec![b'x'; MIB + 1]);
    let head = full.len() - (MIB + 1);
    stream.write_all(&full[..head]).expect("sent");
    let answer = answer(&mut stream);
    assert_eq!((answer.status, &*answer.body), (413, "too large\n"));
}

#[test]
fn a_chunked_body_is_refused_at_the_first_byte_beyond_the_cap() {
    let stand = refusing();
    let mut stream = connect(stand.address);
    let size = MIB + 1;
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&vec![b'x'; size]).expect("sent");
    // Only the first line: of a half-sent chunked body the framework leaves the connection open.
    let mut start = [0; 12];
    stream.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 413");
    assert_eq!(stand.appends(), 0);
}

#[test]
fn a_body_that_stalls_is_given_up_within_its_deadline() {
    let stand = refusing();
    let mut stream = connect(stand.address);
    let full = signed(&event("evt_slow", 300));
    stream.write_all(&full[..full.len() - 1]).expect("sent");
    let started = Instant::now();
    assert_eq!(answer(&mut stream).status, 408);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(stand.appends(), 0);
}

#[test]
fn a_head_that_stalls_is_given_up_within_its_deadline() {
    let stand = refusing();
    let mut stream = connect(stand.address);
    stream.write_all(b"POST /webhooks/st").expect("sent");
    let started = Instant::now();
    let status = try_answer(&mut stream).map(|answer| answer.status);
    assert!(matches!(status, None | Some(408)), "{status:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn more_requests_than_may_be_in_flight_are_told_to_come_back() {
    let stand = Stand::with(Log::Silent(Duration::from_secs(5)), "nowhere", 1);
    let mut first = connect(stand.address);
    let held = signed(&event("evt_1", 300));
    first.write_all(&held).expect("sent");
    eventually(Duration::from_secs(10), "the first is appended", || {
        stand.appends() == 1
    });
    let second = send(stand.address, &signed(&event("evt_2", 300)));
    assert_eq!(second.status, 503);
    assert!(second.head.contains("retry-after"), "{}", second.head);
    assert_eq!(stand.appends(), 1);
}
