//! A server that answers with whatever bytes a test wants, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with one request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Send these bytes and close.
    Bytes(Vec<u8>),
    /// Close at once.
    Cut,
    /// Say nothing, keep the connection.
    Silence,
}

impl Act {
    pub(crate) fn json(status: &str, headers: &str, body: &str) -> Self {
        Self::Bytes(
            format!(
                "HTTP/1.1 {status}\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\
                 Content-Length: {}\r\n{headers}\r\n{body}",
                body.len()
            )
            .into_bytes(),
        )
    }

    pub(crate) fn ok(body: &str) -> Self {
        Self::json("200 OK", "", body)
    }
}

pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the n-th request with the n-th act, every later one with the last.
    pub(crate) async fn new(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acts, heard) = (acts.clone(), Arc::clone(&heard));
                tokio::spawn(answer(stream, acts, heard));
            }
        });
        Self { url, asked }
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, acts: Vec<Act>, heard: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let act = {
        let mut heard = heard.lock().unwrap();
        heard.push(String::from_utf8(head).unwrap());
        acts[(heard.len() - 1).min(acts.len() - 1)].clone()
    };
    match act {
        Act::Bytes(bytes) => drop(stream.write_all(&bytes).await),
        Act::Cut => {}
        Act::Silence => std::future::pending().await,
    }
}
