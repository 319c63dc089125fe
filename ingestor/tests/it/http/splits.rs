//! Fuzzing of the whole way from the socket to the answer, as ordinary tests: the same bytes,
//! sent in pieces of any size, framed by their length or in chunks of any size, are answered the
//! same, and with a status that is one of ours.

use std::io::Write;
use std::net::SocketAddr;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testbed::stripe::signature_header;

use super::PATH;
use crate::client::{OTHER, SECRET, connect, event, now, try_answer};
use crate::stand::{Log, MIB, Stand};

const ROUNDS: u64 = 60;
const STATUSES: [u16; 6] = [200, 400, 405, 408, 413, 503];

/// Bodies with the header that goes with them: genuine, forged, old, odd.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let by = |secret: &str, t: i64, body: &[u8]| signature_header(&[secret], t, body, true);
    let small = event("evt_1", 300);
    let large = event("evt_2", 100_000);
    let odd = b"\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n\xff\x00".to_vec();
    vec![
        (by(SECRET, now(), &small), small.clone()),
        (by(OTHER, now(), &small), small.clone()),
        (by(SECRET, now() - 900, &small), small.clone()),
        (by(SECRET, now(), &large), large.clone()),
        (by(SECRET, now(), &small), large),
        (by(SECRET, now(), &odd), odd),
        (by(SECRET, now(), b""), Vec::new()),
        ("nonsense".to_owned(), small),
        (by(SECRET, now(), b"["), vec![b'['; MIB + 1]),
    ]
}

fn by_length(header: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nStripe-Signature: {header}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn in_chunks(header: &str, body: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nStripe-Signature: {header}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    let mut rest = body;
    while !rest.is_empty() {
        let (part, left) = rest.split_at(size(random, rest.len()));
        bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
        rest = left;
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Often tiny, but never so that a large body becomes ten thousand pieces.
fn size(random: &mut StdRng, left: usize) -> usize {
    let least = (left / 50).max(1);
    let most = if random.random() {
        (least + 8).min(left)
    } else {
        left
    };
    random.random_range(least..=most)
}

/// Sends the bytes in pieces, each a packet of its own; status and body of the answer.
fn told(to: SocketAddr, bytes: &[u8], random: &mut StdRng) -> (u16, String) {
    let mut stream = connect(to);
    stream.set_nodelay(true).expect("no delay");
    let mut rest = bytes;
    while !rest.is_empty() {
        let (part, left) = rest.split_at(size(random, rest.len()));
        // Whoever refuses early reads no further.
        if stream.write_all(part).is_err() {
            break;
        }
        std::thread::yield_now();
        rest = left;
    }
    let answer = try_answer(&mut stream);
    answer.map_or((0, String::new()), |answer| (answer.status, answer.body))
}

#[test]
fn the_same_bytes_are_answered_the_same_however_they_are_split() {
    let stand = Stand::start(Log::Failing, "nowhere");
    for (number, (header, body)) in corpus().into_iter().enumerate() {
        let mut random = StdRng::seed_from_u64(0);
        let whole = told(stand.address, &by_length(&header, &body), &mut random);
        assert!(STATUSES.contains(&whole.0), "{number}: {whole:?}");
        for round in 1..ROUNDS {
            let mut random = StdRng::seed_from_u64(round);
            let bytes = if random.random() {
                in_chunks(&header, &body, &mut random)
            } else {
                by_length(&header, &body)
            };
            let split = told(stand.address, &bytes, &mut random);
            // What is still on its way when we are refused may cost us the answer.
            let cut_off = whole.0 == 413 && split.0 == 0;
            assert!(
                cut_off || split == whole,
                "case {number}, round {round}: {split:?}, {whole:?}"
            );
        }
    }
    let counts = stand.counts();
    for label in [
        "publish_failed",
        "hmac_mismatch",
        "ts_too_old",
        "too_large",
        "empty_body",
    ] {
        assert!(
            counts.get(label).is_some_and(|count| *count > 0),
            "{counts:?}"
        );
    }
}
