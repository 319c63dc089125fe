//! The load generator: closed loop (each connection sends when it was answered) or open loop
//! (each request has its moment, and its latency counts from that moment, sent late or not, so
//! that a server that stalls is not spared the requests it held up).

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::client::Client;

/// How long the generator sleeps at least: waking for each request would cost what is measured.
/// What is sent late by it counts as late.
const TICK: Duration = Duration::from_micros(500);

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) enum Pace {
    /// As soon as the one before was answered.
    Saturate,
    /// So many a second, whatever the answers.
    Steady(u32),
}

/// One load.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Load {
    /// Who is asked.
    pub(in crate::bench) address: SocketAddr,
    /// Whole requests, each signed on its own; sent in turn, and again from the first.
    pub(in crate::bench) requests: Arc<Vec<Vec<u8>>>,
    /// Connections at once.
    pub(in crate::bench) connections: usize,
    /// Whether a connection is used again.
    pub(in crate::bench) keep_alive: bool,
    /// When requests are sent.
    pub(in crate::bench) pace: Pace,
    /// For how long.
    pub(in crate::bench) lasts: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(in crate::bench) struct Answers {
    /// Latencies of the accepted (200), microseconds, sorted.
    pub(in crate::bench) accepted_us: Vec<u32>,
    /// Answers by status; 0: none.
    pub(in crate::bench) by_status: BTreeMap<u16, usize>,
    /// Seconds from the first request to the last answer.
    pub(in crate::bench) seconds: f64,
}

impl Answers {
    /// Accepted a second.
    pub(in crate::bench) fn rate(&self) -> f64 {
        count(self.accepted_us.len()) / self.seconds.max(f64::EPSILON)
    }

    /// The latency that so many of a thousand do not exceed, milliseconds.
    pub(in crate::bench) fn per_mille(&self, per_mille: usize) -> f64 {
        let index = self.accepted_us.len().saturating_mul(per_mille) / 1000;
        let last = self.accepted_us.len().saturating_sub(1);
        self.accepted_us
            .get(index.min(last))
            .map_or(f64::NAN, |us| f64::from(*us) / 1_000.0)
    }

    /// Answers that were not 200, none at all included.
    pub(in crate::bench) fn others(&self) -> usize {
        let others = self.by_status.iter().filter(|(status, _)| **status != 200);
        others.map(|(_, number)| number).sum()
    }

    fn take(&mut self, other: Self) {
        self.accepted_us.extend(other.accepted_us);
        for (status, number) in other.by_status {
            let sum = self.by_status.entry(status).or_default();
            *sum = sum.saturating_add(number);
        }
    }
}

/// A count as a figure to calculate with.
pub(in crate::bench) fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

/// The moments of an open loop, dealt to whichever connection is free.
struct Due {
    ready: Semaphore,
    moments: Mutex<VecDeque<Instant>>,
}

/// What the connections of one load share.
struct Shared {
    load: Load,
    next: AtomicUsize,
    over: AtomicBool,
    due: Due,
}

impl Load {
    /// Runs it on a thread and a runtime of its own; blocks.
    ///
    /// # Errors
    /// When the runtime cannot be had, or a connection's task ended badly.
    pub(in crate::bench) fn run(self) -> io::Result<Answers> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            load: self,
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            due: Due {
                ready: Semaphore::new(0),
                moments: Mutex::default(),
            },
        });
        let pacer = Arc::clone(&shared);
        let pacer = std::thread::spawn(move || pacer.pace());
        let started = Instant::now();
        let mut all = runtime.block_on(async {
            let mut tasks = Vec::new();
            for _ in 0..shared.load.connections {
                tasks.push(tokio::spawn(connection(Arc::clone(&shared))));
            }
            let mut all = Answers::default();
            for task in tasks {
                all.take(task.await.map_err(io::Error::other)?);
            }
            io::Result::Ok(all)
        })?;
        all.seconds = started.elapsed().as_secs_f64();
        all.accepted_us.sort_unstable();
        // It has ended: the connections end after it.
        drop(pacer.join());
        Ok(all)
    }
}

impl Shared {
    /// Deals out moments, or waits for the end; then says that it is over.
    fn pace(&self) {
        let started = Instant::now();
        match self.load.pace {
            Pace::Saturate => std::thread::sleep(self.load.lasts),
            Pace::Steady(rate) => {
                let pause = Duration::from_secs(1)
                    .checked_div(rate.max(1))
                    .unwrap_or(Duration::from_secs(1));
                let mut due = started;
                while due.duration_since(started) < self.load.lasts {
                    let early = due.saturating_duration_since(Instant::now());
                    if !early.is_zero() {
                        std::thread::sleep(early.max(TICK));
                    }
                    self.moments().push_back(due);
                    self.due.ready.add_permits(1);
                    due += pause;
                }
            }
        }
        self.over.store(true, Ordering::Relaxed);
        self.due.ready.close();
    }

    /// The moment of the next request; none: no more.
    async fn moment(&self) -> Option<Instant> {
        if let Pace::Saturate = self.load.pace {
            return (!self.over.load(Ordering::Relaxed)).then(Instant::now);
        }
        // After the end, what is due is still sent.
        if let Ok(permit) = self.due.ready.acquire().await {
            permit.forget();
        }
        self.moments().pop_front()
    }

    fn moments(&self) -> std::sync::MutexGuard<'_, VecDeque<Instant>> {
        let moments = self.due.moments.lock();
        moments.unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connection(shared: Arc<Shared>) -> Answers {
    let mut client = Client::new(shared.load.address, shared.load.keep_alive);
    let mut answers = Answers::default();
    while let Some(due) = shared.moment().await {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let number = number.checked_rem(shared.load.requests.len()).unwrap_or(0);
        let Some(request) = shared.load.requests.get(number) else {
            break;
        };
        let status = client.send(request).await.unwrap_or(0);
        let sum = answers.by_status.entry(status).or_default();
        *sum = sum.saturating_add(1);
        if status == 200 {
            let us = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
            answers.accepted_us.push(us);
        }
    }
    answers
}
