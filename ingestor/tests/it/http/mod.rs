//! The public listener under attack, over bare sockets: what is refused, what it costs, and what
//! is told to whom.

mod bombs;
mod boot;
mod logs;
mod process;
mod series;
mod signatures;
mod sizes;
mod smuggling;
mod splits;
mod surface;
pub(crate) mod vectors;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::client::{SECRET, connect, request, signature};
use crate::stand::{Log, Stand};

pub(crate) const PATH: &str = "/webhooks/stripe";

/// A stand whose log says no: 503 means that the signature held and the log was asked.
fn refusing() -> Stand {
    Stand::start(Log::Failing, "nowhere")
}

/// Sends all that is taken; everything that is answered until the connection ends.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // Whoever refuses early reads no further: only the answer counts.
    let _cut_off = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(many) => answer.extend_from_slice(&part[..many]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!(
                "no end: {error}; so far {}",
                String::from_utf8_lossy(&answer)
            ),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status of the first answer; none: closed without one.
pub(crate) fn status(answer: &str) -> Option<u16> {
    answer.split_whitespace().nth(1)?.parse().ok()
}

/// A POST of `body` under this `Stripe-Signature`.
fn posted(header: &str, body: &[u8]) -> Vec<u8> {
    request(
        "POST",
        PATH,
        &format!("Stripe-Signature: {header}\r\n"),
        body,
    )
}

/// A genuine request that leaves the connection open.
pub(crate) fn kept_open(secret: &str, body: &[u8]) -> Vec<u8> {
    let (header, length) = (signature(secret, body), body.len());
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: {header}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Sends a genuine request and leaves the connection open; it must be stored.
fn stored(stream: &mut TcpStream, body: &[u8]) {
    stream.write_all(&kept_open(SECRET, body)).expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

/// How long a process may take for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
