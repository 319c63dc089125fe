//! One connection of the load generator: writes prepared requests, reads the answers' heads.
//!
//! Deliberately as little as HTTP/1.1 permits: what is measured is the server.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest head of an answer that is read, bytes.
const MAX_HEAD: usize = 8 * 1024;
/// Stands for the status of a 503 without `Retry-After`.
const NOT_TOLD_WHEN: u16 = 1;

/// A connection that is opened when it is needed, and again when the server has closed it.
pub(super) struct Client {
    address: SocketAddr,
    keep_alive: bool,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, keep_alive: bool) -> Self {
        Self {
            address,
            keep_alive,
            stream: None,
            buffer: Vec::with_capacity(MAX_HEAD),
        }
    }

    /// Sends one request and reads its answer; the status.
    ///
    /// # Errors
    /// The socket's, and an answer that is none. The connection is gone then.
    pub(super) async fn send(&mut self, request: &[u8]) -> io::Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        let (status, open) = self.answer(&mut stream).await?;
        if self.keep_alive && open {
            self.stream = Some(stream);
        }
        Ok(status)
    }

    /// Reads until head and body are there.
    async fn answer(&mut self, stream: &mut TcpStream) -> io::Result<(u16, bool)> {
        loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = parse(&self.buffer) {
                return answer;
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

/// Status, and whether the connection stays open; none: more bytes are needed.
fn parse(bytes: &[u8]) -> Option<io::Result<(u16, bool)>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at_checked(end)?;
    let Ok(head) = std::str::from_utf8(head) else {
        return Some(Err(io::ErrorKind::InvalidData.into()));
    };
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok());
    let mut length = 0_usize;
    let mut open = true;
    let mut comes_back = false;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
        comes_back |= name.eq_ignore_ascii_case("retry-after");
        if name.eq_ignore_ascii_case("connection") {
            open = !value.trim().eq_ignore_ascii_case("close");
        }
    }
    // The four bytes that end the head lie in `body`.
    if body.len() < length.saturating_add(4) {
        return None;
    }
    let status = status.map(|status| {
        if status == 503 && !comes_back {
            NOT_TOLD_WHEN
        } else {
            status
        }
    });
    Some(status.map_or_else(
        || Err(io::ErrorKind::InvalidData.into()),
        |status| Ok((status, open)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_head_and_body_are_there() {
        let whole = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\nRetry-After: 5\r\nConnection: close\r\n\r\nno\n";
        assert!(parse(&whole[..whole.len() - 1]).is_none());
        assert_eq!(parse(whole).unwrap().unwrap(), (503, false));
        let empty = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(parse(empty).unwrap().unwrap(), (200, true));
        let rude = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(parse(rude).unwrap().unwrap().0, NOT_TOLD_WHEN);
        assert!(parse(b"nonsense\r\n\r\n").unwrap().is_err());
    }
}
