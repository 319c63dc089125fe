//! Two thousand sockets that drip heads and bodies, on first and later requests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
/// The longest that the deadlines of head (5 s) and body (10 s) let one live, with the time that
/// 2,000 of them take on a busy machine.
const LONGEST: f64 = 14.0;

/// What a socket drips, after a whole good request or at once.
#[derive(Clone, Copy)]
struct Manner {
    later: bool,
    body: bool,
}

#[derive(Default)]
struct Counted {
    over: AtomicBool,
    cut: AtomicUsize,
    longest_ms: AtomicUsize,
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
            later: number % 2 == 1,
            body: number % 4 >= 2,
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
    let longest = count(counted.longest_ms.load(Ordering::Relaxed)) / 1_000.0;
    runtime.shutdown_background();
    println!("{cut} were cut, {open} connections open at the end");
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
        drip(&mut stream, manner.body).await;
        let lived = usize::try_from(began.elapsed().as_millis()).unwrap_or(usize::MAX);
        counted.cut.fetch_add(1, Ordering::Relaxed);
        counted.longest_ms.fetch_max(lived, Ordering::Relaxed);
    }
}

/// A byte each half second until the other side has had enough.
async fn drip(stream: &mut TcpStream, body: bool) {
    const HEAD: &[u8] = b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\n";
    let start = if body {
        [
            HEAD,
            b"Stripe-Signature: t=1,v1=0\r\nContent-Length: 100000\r\n\r\n",
        ]
        .concat()
    } else {
        HEAD.to_vec()
    };
    if stream.write_all(&start).await.is_err() {
        return;
    }
    let mut answer = [0_u8; 512];
    loop {
        let wait = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut answer));
        match wait.await {
            // An answer, or the end: it was cut.
            Ok(_) => return,
            Err(_nothing) => {
                if stream.write_all(b"x").await.is_err() {
                    return;
                }
            }
        }
    }
}
