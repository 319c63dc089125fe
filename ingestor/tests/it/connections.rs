//! A connection lives no longer than it is of use, on its first request and on later ones.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testbed::testing::{TestTopics, eventually};

use crate::client::{connect, event, request, signature, signed};
use crate::stand::{Log, MIB, Stand, kafka};

/// Far more than the deadlines of the stand (0.7 s), far less than for ever.
const SOON: Duration = Duration::from_secs(15);

fn keeping() -> Stand {
    Stand::keeping_for(Log::Failing, "nowhere", Duration::from_millis(700))
}

/// As Stripe sends it, on a connection that is to be kept.
fn kept(id: &str) -> Vec<u8> {
    let body = event(id, 400);
    let header = format!(
        "Stripe-Signature: {}\r\n",
        signature(crate::client::SECRET, &body)
    );
    let text = request("POST", "/webhooks/stripe", &header, &body);
    let text = String::from_utf8(text).expect("text");
    text.replace("Connection: close\r\n", "").into_bytes()
}

/// Sends and reads one whole answer; its status.
fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> u16 {
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    let mut byte = [0; 1];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        answer.extend(byte);
    }
    let head = String::from_utf8(answer).expect("text").to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.expect("a length").trim().parse().expect("a number");
    stream.read_exact(&mut vec![0; length]).expect("a body");
    head.split(' ')
        .nth(1)
        .expect("status")
        .parse()
        .expect("a number")
}

/// Writes a byte now and then until the other side ends the connection.
fn drip(stream: &mut TcpStream) -> Duration {
    let began = Instant::now();
    let pause = Some(Duration::from_millis(100));
    stream.set_read_timeout(pause).expect("timeout");
    let mut ended = false;
    eventually(SOON, "the connection ends", || {
        ended |= stream.write_all(b"x").is_err();
        match stream.read(&mut [0; 512]) {
            Ok(0) => ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => ended = true,
        }
        ended
    });
    began.elapsed()
}

#[test]
fn a_later_head_that_drips_is_cut() {
    let stand = keeping();
    let mut stream = connect(stand.address);
    assert_eq!(exchange(&mut stream, &kept("evt_1")), 503);
    assert_eq!(exchange(&mut stream, &kept("evt_2")), 503);
    stream
        .write_all(b"POST /webhooks/stripe HTTP/1.1\r\nX: ")
        .expect("sent");
    let lived = drip(&mut stream);
    assert!(lived < Duration::from_secs(10), "{lived:?}");
    assert_eq!(stand.appends(), 2);
}

#[test]
fn a_later_body_that_drips_is_cut() {
    let stand = keeping();
    let mut stream = connect(stand.address);
    assert_eq!(exchange(&mut stream, &kept("evt_1")), 503);
    let head = "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    let lived = drip(&mut stream);
    assert!(lived < Duration::from_secs(10), "{lived:?}");
    assert_eq!(stand.appends(), 1);
}

#[test]
fn a_connection_without_a_byte_is_cut_before_and_after_a_request() {
    let stand = keeping();
    for first in [true, false] {
        let mut stream = connect(stand.address);
        if !first {
            assert_eq!(exchange(&mut stream, &kept("evt_1")), 503);
        }
        let began = Instant::now();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("its end");
        assert!(began.elapsed() < Duration::from_secs(10), "first: {first}");
    }
}

#[test]
fn a_slow_answer_of_kafka_cuts_no_connection() {
    let topics = TestTopics::create();
    let log = kafka(&topics, false);
    let stand = Stand::keeping_for(log, &topics.events, Duration::from_millis(300));
    let mut stream = connect(stand.address);
    stream.write_all(&kept("evt_slow")).expect("sent");
    let began = Instant::now();
    let gate = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Longer than every time between two requests.
            eventually(SOON, "2 s are over", || {
                began.elapsed() > Duration::from_secs(2)
            });
            stand.log.open_gate();
        });
        let mut start = [0; 12];
        stream.read_exact(&mut start).map(|()| start)
    });
    assert_eq!(&gate.expect("an answer"), b"HTTP/1.1 200");
}

#[test]
fn who_signs_keeps_the_connection_and_who_is_refused_loses_it() {
    let stand = keeping();
    let mut stream = connect(stand.address);
    for number in 0..3 {
        assert_eq!(exchange(&mut stream, &kept(&format!("evt_{number}"))), 503);
    }
    let mut stream = connect(stand.address);
    let forged = request(
        "POST",
        "/webhooks/stripe",
        "Stripe-Signature: t=1,v1=00\r\n",
        b"{}",
    );
    let forged = String::from_utf8(forged).expect("text");
    let forged = forged.replace("Connection: close\r\n", "");
    assert_eq!(exchange(&mut stream, forged.as_bytes()), 400);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("its end");
    assert!(rest.is_empty());
}

#[test]
fn large_bodies_that_stall_are_told_to_come_back_and_leave_room_for_others() {
    let stand = Stand::start(Log::Failing, "nowhere");
    let whole = signed(&event("evt_large", MIB));
    let nearly = &whole[..whole.len() - 1];
    // The budget of the stand is 8 MiB, half of it for large bodies; each is given up after 0.7 s.
    let mut before = 0;
    eventually(SOON, "a large one finds no room, a usual one does", || {
        let mut holding: Vec<TcpStream> = (0..8).map(|_| connect(stand.address)).collect();
        for stream in &mut holding {
            // One that finds no room is cut while it sends.
            drop(stream.write_all(nearly));
        }
        let usual = crate::client::send(stand.address, &signed(&event("evt_usual", 3_000)));
        assert_eq!(usual.status, 503, "its log fails");
        before += 1;
        assert_eq!(stand.appends(), before, "but it was asked");
        stand
            .counts()
            .get("overloaded")
            .is_some_and(|told| *told > 0)
    });
    eventually(SOON, "there is room again", || {
        drop(crate::client::send(stand.address, &whole));
        stand.appends() > before
    });
}
