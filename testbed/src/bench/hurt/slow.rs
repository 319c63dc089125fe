//! Two thousand sockets that drip heads and bodies, on first and later requests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ingestor, metric};
use crate::bench::ingest::cells::Cell;
use crate::bench::ingest::load::{Load, Pace, count};
use crate::bench::ingest::report::Verdict;
use crate::bench::proc::peak_resident_kib;

/// Sockets that dawdle at once.
const SOCKETS: usize = 2_000;
/// For how long new ones come.
const LASTS: Duration = Duration::from_secs(25);
/// Honest requests a second meanwhile.
const HONEST: u32 = 500;
/// The longest that the deadlines of head (5 s) and body (10 s) let one live, with the time after
/// the last answer (2 s) and what 2,000 of them take on a busy machine.
const LONGEST: f64 = 16.0;

/// What a socket drips, after a whole good request or at once.
#[derive(Clone, Copy)]
struct Manner {
    number: usize,
    later: bool,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Head,
    Body,
    Chunks,
}

#[derive(Default)]
struct Counted {
    over: AtomicBool,
    /// Sockets of which one at least was cut.
    cut: AtomicUsize,
    longest_ms: AtomicUsize,
    /// When each that lives began.
    living: Mutex<Vec<Option<Instant>>>,
}

impl Counted {
    /// A socket begins to dawdle (`Some`), or was cut.
    fn note(&self, number: usize, began: Option<Instant>) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        if living.len() <= number {
            living.resize(number.saturating_add(1), None);
        }
        if let Some(place) = living.get_mut(number) {
            *place = began;
        }
    }

    /// The longest life, milliseconds, of those that were cut and of those that still live.
    fn longest_ms(&self) -> usize {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        let now = living.iter().flatten().map(|began| millis(*began)).max();
        self.longest_ms
            .load(Ordering::Relaxed)
            .max(now.unwrap_or(0))
    }
}

fn millis(began: Instant) -> usize {
    usize::try_from(began.elapsed().as_millis()).unwrap_or(usize::MAX)
}

pub(super) fn run(dir: &Path, brokers: &str) -> anyhow::Result<Vec<Verdict>> {
    let (service, address) = ingestor(dir, brokers)?;
    println!("\nslow clients: {SOCKETS} sockets drip heads and bodies; {HONEST} honest requests/s");
    let good = Cell::usual(1).bodies();
    let counted = Arc::new(Counted::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    for number in 0..SOCKETS {
        let manner = Manner {
            number,
            later: number % 2 == 1,
            what: match number % 6 {
                0 | 1 => What::Head,
                2 | 3 => What::Body,
                _ => What::Chunks,
            },
        };
        let first = good.get(number % good.len().max(1)).cloned();
        let counted = Arc::clone(&counted);
        runtime.spawn(dawdle(address, manner, first.unwrap_or_default(), counted));
    }
    let honest = Load {
        address,
        requests: Cell::usual(64).bodies(),
        connections: 64,
        keep_alive: true,
        pace: Pace::Steady(HONEST),
        lasts: LASTS,
    };
    let answers = honest.run()?;
    let open = metric(&service, "bookend_webhook_connections_open", "");
    let peak = peak_resident_kib(service.pid()).and_then(|kib| u32::try_from(kib).ok());
    counted.over.store(true, Ordering::Relaxed);
    let cut = counted.cut.load(Ordering::Relaxed);
    let longest = count(counted.longest_ms()) / 1_000.0;
    runtime.shutdown_background();
    println!(
        "{cut} were cut, {open} connections open at the end; honest ones {:?}",
        answers.by_status
    );
    Ok(vec![
        Verdict::below(
            "slow clients: p99 of the honest, ms",
            answers.per_mille(990),
            1_000.0,
        ),
        Verdict::below(
            "slow clients: honest not accepted",
            count(answers.others()),
            0.0,
        ),
        Verdict::at_least("slow clients: cut", count(cut), count(SOCKETS)),
        Verdict::below("slow clients: longest life of one, s", longest, LONGEST),
        Verdict::at_least("slow clients: connections open", open, count(SOCKETS / 2)),
        Verdict::below("slow clients: connections open", open, 4_096.0),
        Verdict::below(
            "slow clients: memory, MiB",
            peak.map_or(f64::NAN, |kib| f64::from(kib) / 1024.0),
            104.0,
        ),
    ])
}

/// Opens, drips until it is cut, and begins again.
async fn dawdle(address: SocketAddr, manner: Manner, first: Vec<u8>, counted: Arc<Counted>) {
    let mut was_cut = false;
    while !counted.over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if manner.later {
            let mut answer = [0_u8; 512];
            let sent = stream.write_all(&first).await;
            if sent.is_err() || stream.read(&mut answer).await.unwrap_or(0) == 0 {
                continue;
            }
        }
        let began = Instant::now();
        counted.note(manner.number, Some(began));
        drip(&mut stream, manner.what).await;
        counted.note(manner.number, None);
        counted
            .longest_ms
            .fetch_max(millis(began), Ordering::Relaxed);
        if !std::mem::replace(&mut was_cut, true) {
            counted.cut.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A byte each half second until the other side has had enough.
async fn drip(stream: &mut TcpStream, what: What) {
    const HEAD: &str = "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\n";
    const SIGNED: &str = "Stripe-Signature: t=1,v1=0\r\n";
    let start = match what {
        What::Head => HEAD.to_owned(),
        What::Body => format!("{HEAD}{SIGNED}Content-Length: 100000\r\n\r\n"),
        What::Chunks => format!("{HEAD}{SIGNED}Transfer-Encoding: chunked\r\n\r\nffff\r\n"),
    };
    if stream.write_all(start.as_bytes()).await.is_err() {
        return;
    }
    let mut answer = [0_u8; 512];
    let mut answered = false;
    loop {
        let wait = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut answer));
        match wait.await {
            // Its end: it was cut. An answer is none yet.
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => answered = true,
            Err(_nothing) if answered => {}
            Err(_nothing) => {
                if stream.write_all(b"x").await.is_err() {
                    return;
                }
            }
        }
    }
}
