//! What is measured: a cell is one way to load every candidate in turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use super::candidates::{Candidate, Who};
use super::load::{Answers, Load, Pace, count};
use super::requests::{Size, requests};
use crate::bench::proc::{cpu_seconds, peak_resident_kib, reset_peak};

/// Distinct events of a load.
const DISTINCT: usize = 8_000;
/// Bytes that they may take together.
const DISTINCT_BYTES: usize = 64 * 1024 * 1024;
/// Load before the clock counts: the ingestor has found its lane by then (a process that is asked
/// little begins anew, so it searches in every run).
const WARM_UP: Duration = Duration::from_secs(5);

/// One way to load.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Cell {
    pub(in crate::bench) connections: usize,
    pub(in crate::bench) size: Size,
    pub(in crate::bench) keep_alive: bool,
}

/// The cells of each cluster.
pub(in crate::bench) const CELLS: [Cell; 5] = [
    Cell::usual(8),
    Cell::usual(64),
    Cell::usual(256),
    Cell {
        keep_alive: false,
        ..Cell::usual(64)
    },
    Cell {
        size: Size::Large,
        ..Cell::usual(64)
    },
];

impl Cell {
    pub(in crate::bench) const fn usual(connections: usize) -> Self {
        Self {
            connections,
            size: Size::Usual,
            keep_alive: true,
        }
    }

    pub(in crate::bench) fn label(self) -> String {
        let kind = if self.keep_alive {
            "kept"
        } else {
            "new each time"
        };
        format!(
            "{} connections ({kind}), {}",
            self.connections,
            self.size.label()
        )
    }

    /// As a load upon `candidate`.
    pub(in crate::bench) fn load(
        self,
        candidate: &Candidate,
        bodies: &Arc<Vec<Vec<u8>>>,
        pace: Pace,
        lasts: Duration,
    ) -> Load {
        Load {
            address: candidate.address,
            requests: Arc::clone(bodies),
            connections: self.connections,
            keep_alive: self.keep_alive,
            pace,
            lasts,
        }
    }

    /// Fresh requests: signatures are good for five minutes.
    pub(in crate::bench) fn bodies(self) -> Arc<Vec<Vec<u8>>> {
        let one = requests(self.size, 1, self.keep_alive, now());
        let bytes = one.first().map_or(1, Vec::len);
        let number = DISTINCT.min(DISTINCT_BYTES.checked_div(bytes).unwrap_or(1));
        Arc::new(requests(self.size, number, self.keep_alive, now()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the wall clock"
)]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

/// What one run of one candidate showed.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(in crate::bench) struct Figures {
    /// Accepted a second.
    pub(in crate::bench) rate: f64,
    pub(in crate::bench) p50_ms: f64,
    pub(in crate::bench) p99_ms: f64,
    pub(in crate::bench) p999_ms: f64,
    /// Processor time of the server, seconds for 1,000 requests.
    pub(in crate::bench) cpu_s_per_1000: f64,
    /// Most memory, MiB.
    pub(in crate::bench) peak_mib: f64,
}

/// Loads `candidate` once: warms it up, then measures.
///
/// # Errors
/// When the load could not be made, or a request was not accepted.
pub(in crate::bench) fn measure(
    cell: Cell,
    candidate: &Candidate,
    bodies: &Arc<Vec<Vec<u8>>>,
    pace: Pace,
    lasts: Duration,
) -> anyhow::Result<Figures> {
    cell.load(candidate, bodies, pace, WARM_UP).run()?;
    reset_peak(candidate.pid());
    let before = cpu_seconds(candidate.pid()).unwrap_or(0.0);
    let answers = cell.load(candidate, bodies, pace, lasts).run()?;
    let used = cpu_seconds(candidate.pid()).unwrap_or(0.0) - before;
    ensure!(
        answers.others() == 0,
        "{}: not every request was accepted: {:?}",
        candidate.who.label(),
        answers.by_status
    );
    Ok(figures(&answers, used, peak_resident_kib(candidate.pid())))
}

fn figures(answers: &Answers, cpu: f64, peak_kib: Option<u64>) -> Figures {
    let kib = peak_kib.and_then(|kib| u32::try_from(kib).ok());
    Figures {
        rate: answers.rate(),
        p50_ms: answers.per_mille(500),
        p99_ms: answers.per_mille(990),
        p999_ms: answers.per_mille(999),
        cpu_s_per_1000: cpu * 1_000.0 / count(answers.accepted_us.len().max(1)),
        peak_mib: kib.map_or(f64::NAN, |kib| f64::from(kib) / 1024.0),
    }
}

/// Every candidate's runs.
pub(in crate::bench) type Runs = BTreeMap<Who, Vec<Figures>>;

/// Measures the candidates in turn, `runs` times; each run begins with another of them, and each
/// candidate with all that the one before it made brokers write on the disk: who comes last would
/// else pay for those before.
///
/// # Errors
/// As [`measure`].
pub(in crate::bench) fn interleave(
    cell: Cell,
    candidates: &[Candidate],
    pace: Pace,
    lasts: Duration,
    runs: u64,
) -> anyhow::Result<Runs> {
    let mut all = Runs::new();
    for run in 0..runs {
        let bodies = cell.bodies();
        let first = usize::try_from(run)?.checked_rem(candidates.len());
        let (later, sooner) = candidates.split_at(first.unwrap_or(0));
        for candidate in sooner.iter().chain(later) {
            nix::unistd::sync();
            let figures = measure(cell, candidate, &bodies, pace, lasts)?;
            all.entry(candidate.who).or_default().push(figures);
        }
    }
    Ok(all)
}

/// The median of one figure, and how far its runs lie apart, as a share of it.
pub(in crate::bench) fn median(runs: &[Figures], figure: impl Fn(&Figures) -> f64) -> (f64, f64) {
    let mut values: Vec<f64> = runs.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let (first, last) = (values.first(), values.last());
    let spread = first.zip(last).map_or(0.0, |(a, b)| (b - a) / middle);
    (middle, spread)
}
