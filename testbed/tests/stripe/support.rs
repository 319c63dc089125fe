//! A sink for webhooks, an API client, and patience.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::stripe::{Booking, DeliveryPolicy, Fake, FakeConfig, FakeHandle, Order, Story, When};

/// One webhook as it came over the wire.
#[derive(Clone, Debug)]
pub struct Received {
    pub signature: String,
    pub body: Vec<u8>,
    pub at: Instant,
    pub path: String,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn event_id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// The header's `t` and its `v1`s.
    pub fn parts(&self) -> (i64, Vec<String>) {
        let mut t = 0;
        let mut v1 = Vec::new();
        for item in self.signature.split(',') {
            match item.split_once('=') {
                Some(("t", value)) => t = value.parse().unwrap(),
                Some(("v1", value)) => v1.push(value.to_owned()),
                _ => {}
            }
        }
        (t, v1)
    }
}

/// What the sink does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    Status(u16),
    RedirectTo(u16),
    /// The connection is closed without an answer.
    Hangup,
    /// Never answers while the test runs.
    Silence,
}

/// A webhook endpoint that keeps everything it was sent.
pub struct Sink {
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Sink {
    /// `reply(n, request)` decides the answer to the n-th request (from 0).
    pub fn start(reply: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (all, reply) = (Arc::clone(&received), Arc::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, reply) = (Arc::clone(&all), Arc::clone(&reply));
                std::thread::spawn(move || serve(stream, &all, &*reply));
            }
        });
        Self { port, received }
    }

    pub fn ok() -> Self {
        Self::start(|_, _| Reply::Status(200))
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks/stripe", self.port)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn ids(&self) -> Vec<String> {
        self.received().iter().map(Received::event_id).collect()
    }
}

fn serve(
    stream: TcpStream,
    all: &Mutex<Vec<Received>>,
    reply: &(dyn Fn(usize, &Received) -> Reply + Send + Sync),
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(received) = read(&mut reader) {
        let reply = {
            let mut all = all.lock().unwrap();
            all.push(received.clone());
            reply(all.len() - 1, &received)
        };
        let head = match reply {
            Reply::Status(status) => format!("HTTP/1.1 {status} X\r\n"),
            Reply::RedirectTo(port) => {
                format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{port}/elsewhere\r\n")
            }
            Reply::Hangup => return,
            Reply::Silence => return std::thread::park(),
        };
        let answer = format!("{head}content-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut signature) = (0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "stripe-signature" => signature = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        signature,
        body,
        at: Instant::now(),
        path,
    })
}

/// A fake with quick retries.
pub fn config() -> FakeConfig {
    FakeConfig {
        delivery: DeliveryPolicy {
            timeout: Duration::from_secs(20),
            retry_base: Duration::from_millis(30),
            retry_cap: Duration::from_millis(200),
            ..DeliveryPolicy::default()
        },
        ..FakeConfig::default()
    }
}

pub fn start(config: FakeConfig) -> FakeHandle {
    Fake::start(config).unwrap()
}

/// A fake that delivers to the sink, from this seed.
pub fn delivering(sink: &Sink, seed: u64) -> FakeHandle {
    start(FakeConfig {
        target: Some(sink.url()),
        seed,
        ..config()
    })
}

pub fn lot(count: u64, when: When) -> Order {
    Order {
        count,
        when,
        ..Order::default()
    }
}

pub fn one(story: Story) -> Order {
    Order {
        story: Some(story),
        ..lot(1, When::JustNow)
    }
}

/// A fake in which one booking has gone through the story, and the booking.
pub fn played(story: Story) -> (FakeHandle, Booking) {
    let fake = start(config());
    let booking = fake.create_bookings(&one(story)).remove(0);
    assert_eq!(fake.stats().illegal_steps, 0, "{story:?}");
    (fake, booking)
}

/// The types of all events, oldest first.
pub fn types(fake: &FakeHandle) -> Vec<String> {
    let events = fake.events();
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types.map(str::to_owned).collect()
}

/// The objects of the events of one type, oldest first.
pub fn told(fake: &FakeHandle, kind: &str) -> Vec<Value> {
    let events = fake.events();
    let events = events.iter().filter(|event| event["type"] == kind);
    events
        .map(|event| event["data"]["object"].clone())
        .collect()
}

/// The present objects of one kind.
pub fn objects(fake: &FakeHandle, kind: &str) -> Vec<Value> {
    let objects = fake.truth().objects;
    let objects = objects.into_values();
    objects.filter(|object| object["object"] == kind).collect()
}

/// Waits until the probe says yes; fails with `what` after thirty seconds.
pub async fn eventually(what: &str, mut probe: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !probe() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An answer of the API.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn ids(&self) -> Vec<String> {
        let data = self.body["data"].as_array().expect("a list");
        data.iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn more(&self) -> bool {
        self.body["has_more"].as_bool().unwrap()
    }

    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap()
    }
}

pub async fn get(fake: &FakeHandle, path: &str) -> Answer {
    get_with(fake, path, &[]).await
}

pub async fn get_with(fake: &FakeHandle, path: &str, headers: &[(&str, &str)]) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client
        .get(format!("{}{path}", fake.url()))
        .bearer_auth(fake.api_key());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(),
    }
}
