//! A sender over a bare socket: what goes out is exactly what the test says.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use shared::clock::{Clock, SystemClock};
use testbed::stripe::signature_header;

pub(crate) const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";
pub(crate) const OTHER: &str = "whsec_fedcba9876543210fedcba9876543210";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn now() -> i64 {
    SystemClock.now().timestamp()
}

pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    signature_header(&[secret], now(), body, false)
}

/// A request as Stripe makes it, for `body`, signed with [`SECRET`].
pub(crate) fn signed(body: &[u8]) -> Vec<u8> {
    signed_by(SECRET, body)
}

pub(crate) fn signed_by(secret: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("Stripe-Signature: {}\r\n", signature(secret, body));
    request("POST", "/webhooks/stripe", &header, body)
}

pub(crate) fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn event(id: &str, bytes: usize) -> Vec<u8> {
    let start = format!(
        r#"{{"id":"{id}","object":"event","type":"payment_intent.created","created":1790000000,"livemode":false,"data":{{"object":{{"id":"pi_{id}","object":"payment_intent"}}}},"pad":""#
    );
    let pad = bytes.saturating_sub(start.len() + 2);
    format!("{start}{}\"}}", "x".repeat(pad)).into_bytes()
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("timeout");
    stream
}

/// Sends all of `bytes`; what is answered before the connection ends.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    stream.write_all(bytes).expect("sent");
    answer(&mut stream)
}

pub(crate) fn answer(stream: &mut TcpStream) -> Answer {
    try_answer(stream).expect("an answer")
}

/// None: the connection ended without an answer.
pub(crate) fn try_answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!(
            "no end of the answer: {error}; so far {}",
            String::from_utf8_lossy(&bytes)
        ),
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split_whitespace().nth(1)?.parse().ok()?,
        head: head.to_lowercase(),
        body: body.to_owned(),
    })
}
