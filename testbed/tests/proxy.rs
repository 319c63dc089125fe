//! The fault proxy does what it says, or the outages proved with it prove nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use testbed::faults::{Direction, Fault, Proxy};
use testbed::testing::eventually;

const PATIENCE: Duration = Duration::from_secs(10);

/// Answers every byte with itself.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    stream
}

fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8(answer).unwrap())
}

fn timed_out(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[test]
fn bytes_pass_whole_or_one_by_one() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, "hello").unwrap(), "hello");
    proxy.set(Fault::Slice);
    assert_eq!(ask(&mut stream, "sliced").unwrap(), "sliced");
}

#[test]
fn a_blackhole_swallows_and_the_connection_lives_on() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    for way in [Direction::Both, Direction::ToServer, Direction::ToClient] {
        proxy.set(Fault::Blackhole(way));
        assert!(timed_out(&ask(&mut stream, "lost").unwrap_err()), "{way:?}");
        proxy.set(Fault::None);
        assert_eq!(ask(&mut stream, "found").unwrap(), "found");
    }
}

#[test]
fn a_refusing_proxy_refuses_and_comes_back_on_its_port() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut before = connect(&proxy);
    assert_eq!(ask(&mut before, "hello").unwrap(), "hello");
    proxy.set(Fault::Refuse);
    eventually(PATIENCE, "refused", || {
        TcpStream::connect(proxy.address()).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
    });
    assert!(!timed_out(&ask(&mut before, "gone").unwrap_err()));
    proxy.set(Fault::None);
    eventually(PATIENCE, "back", || {
        TcpStream::connect(proxy.address()).is_ok()
    });
    assert_eq!(ask(&mut connect(&proxy), "again").unwrap(), "again");
}

#[test]
fn a_reset_reaches_old_and_new_connections() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut old = connect(&proxy);
    assert_eq!(ask(&mut old, "hello").unwrap(), "hello");
    proxy.set(Fault::Reset);
    eventually(PATIENCE, "the old one is reset", || {
        ask(&mut old, "x").is_err_and(|error| !timed_out(&error))
    });
    let new = TcpStream::connect(proxy.address());
    assert!(new.is_err() || ask(&mut new.unwrap(), "x").is_err());
}

#[test]
fn a_reset_that_is_healed_at_once_still_reaches_every_connection() {
    let proxy = Proxy::start(echo()).unwrap();
    for round in 0..50 {
        let mut streams: Vec<TcpStream> = (0..8).map(|_| connect(&proxy)).collect();
        for stream in &mut streams {
            assert_eq!(ask(stream, "hello").unwrap(), "hello");
        }
        proxy.set(Fault::Blackhole(Direction::Both));
        proxy.set(Fault::Reset);
        proxy.set(Fault::None);
        for (number, stream) in streams.iter_mut().enumerate() {
            let gone = stream
                .read(&mut [0; 1])
                .map_or_else(|error| !timed_out(&error), |n| n == 0);
            assert!(gone, "round {round}, connection {number} lives on");
        }
        assert_eq!(ask(&mut connect(&proxy), "again").unwrap(), "again");
    }
}

#[test]
fn a_silent_proxy_accepts_and_never_answers() {
    let proxy = Proxy::start(echo()).unwrap();
    proxy.set(Fault::Silent);
    assert!(timed_out(&ask(&mut connect(&proxy), "anyone").unwrap_err()));
}

#[test]
fn a_delay_is_waited_for() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    let began = Instant::now();
    assert_eq!(ask(&mut stream, "late").unwrap(), "late");
    assert!(began.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_held_reply_is_counted_and_only_that_connection_waits() {
    let proxy = Proxy::start(echo()).unwrap();
    let (mut held, mut free) = (connect(&proxy), connect(&proxy));
    proxy.set(Fault::HoldReplyAfter(b"COMMIT"));
    assert_eq!(ask(&mut held, "BEGIN COM").unwrap(), "BEGIN COM");
    assert!(timed_out(&ask(&mut held, "MIT;").unwrap_err()));
    assert_eq!(ask(&mut free, "SELECT 1").unwrap(), "SELECT 1");
    assert_eq!(proxy.held(), 1);
}
