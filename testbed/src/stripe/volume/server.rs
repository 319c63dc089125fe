//! Serves a [`Volume`] over HTTP/1.1: one thread a connection, and nothing but what a reader of
//! lists needs.
//!
//! Invariant: a page is written in one piece, with the second at which it was rendered. It reads
//! no body and no method but GET, and deliberately checks no key.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::super::model::API_VERSION;
use super::Volume;
use super::event::Template;
use super::list::{Page, Query, Refused};

/// Longest head of a request, bytes.
const MAX_HEAD: u64 = 16 * 1024;
/// How soon a silent connection notices that the server stops.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct VolumeServer {
    address: SocketAddr,
    parts: Arc<Parts>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Parts {
    volume: Volume,
    template: Template,
    pages: Mutex<Vec<(Instant, u64)>>,
    served: AtomicU64,
    stopping: AtomicBool,
}

impl VolumeServer {
    /// Serves on a free port of loopback.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub fn start(volume: Volume) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let parts = Arc::new(Parts {
            volume,
            template: Template::new(),
            pages: Mutex::new(Vec::new()),
            served: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        });
        let serving = Arc::clone(&parts);
        let accepting = std::thread::Builder::new()
            .name("volume".to_owned())
            .spawn(move || accept(&listener, &serving))?;
        Ok(Self {
            address,
            parts,
            accepting: Some(accepting),
        })
    }

    /// `http://address`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many events were given out on pages so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.parts.served.load(Ordering::Relaxed)
    }

    /// When each page of events was asked for, and how many events were on it.
    #[must_use]
    pub fn pages(&self) -> Vec<(Instant, u64)> {
        let pages = self.parts.pages.lock();
        pages.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for VolumeServer {
    fn drop(&mut self) {
        self.parts.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

fn accept(listener: &TcpListener, parts: &Arc<Parts>) {
    for stream in listener.incoming() {
        if parts.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let parts = Arc::clone(parts);
        // A connection that breaks ends its thread, and nobody else.
        drop(std::thread::spawn(move || serve(&stream, &parts)));
    }
}

fn serve(stream: &TcpStream, parts: &Parts) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK_EVERY))?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    let mut answer = Vec::new();
    loop {
        let Some(asked) = read_head(&mut reader, parts)? else {
            return Ok(());
        };
        answer.clear();
        parts.answer(&asked, &mut answer);
        writer.write_all(&answer)?;
    }
}

/// A request.
struct Asked {
    target: String,
    /// It asks for events of another account, or for those that were not delivered: there are none.
    matches_none: bool,
}

/// The next request; none when the connection or the server has ended.
fn read_head(reader: &mut BufReader<&TcpStream>, parts: &Parts) -> io::Result<Option<Asked>> {
    let mut head = Vec::new();
    loop {
        let left = MAX_HEAD.saturating_sub(u64::try_from(head.len()).unwrap_or(MAX_HEAD));
        match reader.by_ref().take(left).read_until(b'\n', &mut head) {
            Ok(0) => return Ok(None),
            Ok(_) if head.ends_with(b"\r\n\r\n") => break,
            Ok(_) => {}
            Err(error) if is_pause(&error) && !parts.stopping.load(Ordering::SeqCst) => {}
            Err(error) if is_pause(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let is_get = words.next() == Some("GET");
    let target = words.next().filter(|_| is_get).map(ToOwned::to_owned);
    let is_account = |line: &str| line.to_ascii_lowercase().starts_with("stripe-account:");
    let is_connected = head.lines().any(is_account);
    Ok(target.map(|target| Asked {
        matches_none: is_connected || target.contains("delivery_success=false"),
        target,
    }))
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

impl Parts {
    fn answer(&self, asked: &Asked, into: &mut Vec<u8>) {
        let target = asked.target.as_str();
        let path = target.split('?').next().unwrap_or_default();
        let (status, body) = match path {
            "/v1/events" => match self.query(target) {
                Ok(_) if asked.matches_none => ("200 OK", self.page(Page::NONE)),
                Ok(query) => ("200 OK", self.page(query.page(self.volume))),
                Err(Refused(name)) => ("400 Bad Request", refusal(&name)),
            },
            "/v1/webhook_endpoints" => ("200 OK", endpoints()),
            _ => match path.strip_prefix("/v1/events/").map(|id| self.event(id)) {
                Some(Some(event)) => ("200 OK", event),
                Some(None) | None => ("404 Not Found", refusal("id")),
            },
        };
        let length = body.len();
        let date = chrono::DateTime::<chrono::Utc>::from(now()).format("%a, %d %b %Y %H:%M:%S GMT");
        let head = format!(
            "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: application/json\r\n\
             Request-Id: req_volume\r\nContent-Length: {length}\r\n\r\n"
        );
        into.extend_from_slice(head.as_bytes());
        into.extend_from_slice(&body);
    }

    fn query(&self, target: &str) -> Result<Query, Refused> {
        let url = reqwest::Url::parse(&format!("http://volume{target}"));
        let url = url.map_err(|_error| Refused("query".to_owned()))?;
        let pairs = url.query_pairs();
        Query::parse(
            self.volume,
            pairs.map(|(n, v)| (n.into_owned(), v.into_owned())),
        )
    }

    fn page(&self, page: Page) -> Vec<u8> {
        let count = page.end.saturating_sub(page.oldest);
        let asked = (Instant::now(), count);
        let pages = self.pages.lock();
        pages.unwrap_or_else(PoisonError::into_inner).push(asked);
        self.served.fetch_add(count, Ordering::Relaxed);
        let mut body = Vec::with_capacity(300_000);
        body.extend_from_slice(br#"{"object":"list","url":"/v1/events","has_more":"#);
        body.extend_from_slice(page.has_more.to_string().as_bytes());
        body.extend_from_slice(br#","data":["#);
        for number in (page.oldest..page.end).rev() {
            self.template.render(self.volume, number, &mut body);
            body.push(b',');
        }
        if count > 0 {
            body.pop();
        }
        body.extend_from_slice(b"]}");
        body
    }

    fn event(&self, id: &str) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        let number = self.volume.number(id)?;
        self.template.render(self.volume, number, &mut body);
        Some(body)
    }
}

fn refusal(name: &str) -> Vec<u8> {
    let error = serde_json::json!({"error": {
        "type": "invalid_request_error", "code": "resource_missing", "param": name,
        "message": format!("Invalid {name}"),
    }});
    error.to_string().into_bytes()
}

fn endpoints() -> Vec<u8> {
    let list = serde_json::json!({"object": "list", "url": "/v1/webhook_endpoints", "has_more": false,
    "data": [{
        "id": "we_vol", "object": "webhook_endpoint", "api_version": API_VERSION,
        "application": null, "created": 1_600_000_000, "description": null,
        "enabled_events": ["*"], "livemode": false, "metadata": {}, "status": "enabled",
        "url": "https://example.invalid/webhooks/stripe",
    }]});
    list.to_string().into_bytes()
}

#[expect(
    clippy::disallowed_methods,
    reason = "an answer is dated by the machine's clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
