//! Twenty times as much as the brokers take, for a minute.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::ingestor;
use crate::bench::ingest::cells::Cell;
use crate::bench::ingest::load::{Answers, Load, Pace, count};
use crate::bench::ingest::report::{Verdict, whole};
use crate::bench::proc::{peak_resident_kib, reset_peak};
use crate::faults::{Fault, Proxy};

/// The line to the broker carries 16 KiB in this time: its capacity, not the processor's, is what
/// is exceeded, so that the senders have processor time to send with.
const LINE: Duration = Duration::from_millis(10);
/// How much more than capacity is sent.
const TIMES: f64 = 20.0;
/// Connections of the senders.
const CONNECTIONS: usize = 1_500;

pub(super) fn run(dir: &Path, proxy: &Proxy, lasts: Duration) -> anyhow::Result<Vec<Verdict>> {
    let (service, address) = ingestor(dir, &proxy.address().to_string())?;
    proxy.set(Fault::Delay(LINE));
    let capacity = load(address, 64, Pace::Saturate, Duration::from_secs(5))?.rate();
    let half = whole(capacity / 2.0).context("a rate")?;
    let before = load(address, 64, Pace::Steady(half), Duration::from_secs(5))?;
    let much = whole(capacity * TIMES).context("a rate")?;
    println!(
        "\noverload: the brokers take {capacity:.0} events/s; {much}/s are sent for {} s",
        lasts.as_secs()
    );
    let (peaks, answers) = overloaded(&service, address, much, lasts)?;
    let back = back_to_normal(address, half, &before)?;
    proxy.set(Fault::None);
    println!(
        "answers by status {:?} (1: 503 without Retry-After), accepted {:.0}/s, p99 {:.0} ms",
        answers.by_status,
        answers.rate(),
        answers.per_mille(990)
    );
    let told = |statuses: &[u16]| {
        let all = answers.by_status.iter();
        let them = all.filter(|(status, _)| statuses.contains(status));
        them.map(|(_, number)| *number).sum::<usize>()
    };
    let others = answers.others().saturating_sub(told(&[503]));
    Ok(vec![
        Verdict::below(
            "overload: p99 of the accepted, ms",
            answers.per_mille(990),
            1_000.0,
        ),
        Verdict::at_least(
            "overload: accepted a second, of what the brokers take",
            answers.rate() / capacity,
            0.5,
        ),
        Verdict::below(
            "overload: neither accepted nor told to come back",
            count(others),
            0.0,
        ),
        Verdict::below(
            "overload: memory of the second half over the first's, MiB",
            peaks.1 - peaks.0,
            8.0,
        ),
        Verdict::below("overload: memory, MiB", peaks.1, 104.0),
        Verdict::below(
            "overload: back to normal after, s",
            back.as_secs_f64(),
            10.0,
        ),
    ])
}

/// Peaks of memory in both halves, MiB, and all answers.
fn overloaded(
    service: &crate::services::Service,
    address: SocketAddr,
    rate: u32,
    lasts: Duration,
) -> anyhow::Result<((f64, f64), Answers)> {
    let peak = || {
        let kib = peak_resident_kib(service.pid()).and_then(|kib| u32::try_from(kib).ok());
        kib.map_or(f64::NAN, |kib| f64::from(kib) / 1024.0)
    };
    reset_peak(service.pid());
    let half = lasts / 2;
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| load(address, CONNECTIONS, Pace::Steady(rate), lasts));
        std::thread::sleep(half);
        let first = peak();
        reset_peak(service.pid());
        let answers = loading.join();
        let answers = answers.map_err(|_panicked| anyhow::anyhow!("the load ended badly"))??;
        Ok(((first, peak()), answers))
    })
}

/// How long until a second of half the capacity is accepted wholly and about as quickly as before.
fn back_to_normal(address: SocketAddr, rate: u32, before: &Answers) -> anyhow::Result<Duration> {
    let normal = before.per_mille(990) * 2.0 + 50.0;
    let began = Instant::now();
    loop {
        let so_far = began.elapsed();
        let second = load(address, 64, Pace::Steady(rate), Duration::from_secs(1))?;
        if second.others() == 0 && second.per_mille(990) <= normal {
            return Ok(so_far);
        }
        ensure!(
            so_far < Duration::from_secs(60),
            "not back to normal within a minute"
        );
    }
}

fn load(
    address: SocketAddr,
    connections: usize,
    pace: Pace,
    lasts: Duration,
) -> anyhow::Result<Answers> {
    let load = Load {
        address,
        requests: Cell::usual(connections).bodies(),
        connections,
        keep_alive: true,
        pace,
        lasts,
    };
    Ok(load.run()?)
}
