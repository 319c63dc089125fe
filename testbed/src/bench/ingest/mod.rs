//! The ingestor beside its floors: rate, latency, processor time, memory.
//!
//! Every candidate is a process of its own and is measured in turn with the others, so that what
//! the machine does meanwhile falls on all of them.

mod candidates;
pub(super) mod cells;
mod client;
mod evidence;
pub mod floor;
pub(super) mod load;
pub(super) mod report;
pub(super) mod requests;
mod wrk;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Part;
use crate::stack::{Kafka, RunDir};
use candidates::{ALL, Candidate, Who};
use cells::{CELLS, Cell, Runs, interleave, measure, median};
use load::Pace;
use report::{Verdict, judge, print};

/// Seconds of each measurement.
const LASTS: Duration = Duration::from_secs(3);
/// The steady load that the answer's floors are for.
const STEADY: u32 = 2_000;

/// The part's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ingest {
    /// Runs of each candidate in each cell.
    pub(super) runs: u64,
    /// Only with so many brokers.
    pub(super) brokers: Option<usize>,
    /// Only this cell.
    pub(super) cell: Option<usize>,
}

impl Ingest {
    /// Measures with one broker and with three.
    ///
    /// # Errors
    /// When something could not be started, or a request was not accepted.
    pub(super) fn run(self) -> anyhow::Result<Part> {
        let mut passed = true;
        let mut clusters = Vec::new();
        for brokers in [1, 3] {
            if self.brokers.is_none_or(|only| only == brokers) {
                let (kept, result) = self.cluster(brokers)?;
                passed &= kept;
                clusters.push(result);
            }
        }
        Ok(Part {
            name: "ingest",
            passed,
            result: json!({"passed": passed, "runs": self.runs, "clusters": clusters}),
        })
    }

    fn cluster(self, nodes: usize) -> anyhow::Result<(bool, Value)> {
        let dir = RunDir::create(&format!("ingest-{nodes}"))?;
        let kafka = Kafka::start(dir.path(), nodes)?;
        let brokers = kafka.brokers();
        println!(
            "\n{nodes} broker(s); partitions led: {}",
            leaders(&brokers)?
        );
        let candidates = ALL
            .iter()
            .map(|who| Candidate::start(*who, &brokers, dir.path()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut verdicts = Vec::new();
        let mut results = Vec::new();
        let wanted = |number| self.cell.is_none_or(|only| only == number);
        let cells = CELLS.into_iter().enumerate();
        for (_, cell) in cells.filter(|(number, _)| wanted(*number)) {
            let runs = interleave(cell, &candidates, Pace::Saturate, LASTS, self.runs)?;
            let half = self.half(cell, &candidates, &runs)?;
            let of_cell = judge(cell, &runs, half.as_ref());
            print(nodes, cell, &runs, half.as_ref(), &of_cell);
            results.push(json!({"cell": cell.label(), "runs": report::json(&runs),
                "half": half.as_ref().map(report::json), "verdicts": of_cell}));
            verdicts.extend(of_cell);
        }
        if nodes == 1 {
            verdicts.extend(outside_check(&candidates, dir.path())?);
        }
        let steady = self.steady(nodes, &candidates)?;
        verdicts.extend(steady.clone());
        drop(candidates);
        verdicts.push(start_to_ready(&brokers, dir.path())?);
        let passed = verdicts.iter().all(|verdict| verdict.kept);
        for verdict in verdicts.iter().filter(|verdict| !verdict.kept) {
            println!("MISSED with {nodes} broker(s): {verdict}");
        }
        let result = json!({"brokers": nodes, "cells": results, "verdicts": verdicts});
        Ok((passed, result))
    }

    /// The latencies at half of the better floor's rate, in the cell that stands for all.
    fn half(
        self,
        cell: Cell,
        candidates: &[Candidate],
        runs: &Runs,
    ) -> anyhow::Result<Option<Runs>> {
        if cell.connections != 256 {
            return Ok(None);
        }
        let best = [Who::Append0, Who::Append5]
            .iter()
            .filter_map(|who| Some(median(runs.get(who)?, |figures| figures.rate).0))
            .fold(0.0, f64::max);
        let Some(rate) = report::whole(best / 2.0) else {
            return Ok(None);
        };
        interleave(cell, candidates, Pace::Steady(rate), LASTS, self.runs).map(Some)
    }

    /// The answer at 2,000 requests a second.
    fn steady(self, nodes: usize, candidates: &[Candidate]) -> anyhow::Result<Vec<Verdict>> {
        let real = candidates.iter().find(|one| one.who == Who::Real);
        let Some(real) = real.filter(|_| nodes == 1) else {
            return Ok(Vec::new());
        };
        let cell = Cell::usual(64);
        let mut runs = Vec::new();
        for _ in 0..self.runs {
            let bodies = cell.bodies();
            runs.push(measure(cell, real, &bodies, Pace::Steady(STEADY), LASTS)?);
        }
        let verdicts = vec![
            Verdict::below("p50 at 2,000/s, ms", median(&runs, |f| f.p50_ms).0, 3.0),
            Verdict::below("p99 at 2,000/s, ms", median(&runs, |f| f.p99_ms).0, 20.0),
        ];
        for verdict in &verdicts {
            println!("{verdict}");
        }
        Ok(verdicts)
    }
}

/// `wrk` and our own generator upon the same handler: of the same order of magnitude.
fn outside_check(candidates: &[Candidate], dir: &std::path::Path) -> anyhow::Result<Vec<Verdict>> {
    let Some(answer) = candidates.iter().find(|one| one.who == Who::Answer) else {
        return Ok(Vec::new());
    };
    let cell = Cell::usual(64);
    let bodies = cell.bodies();
    let ours = measure(cell, answer, &bodies, Pace::Saturate, LASTS)?.rate;
    let theirs = wrk::rate(answer.address, cell.connections, &bodies, dir)?;
    println!("\nthe same handler, loaded by us {ours:.0}/s, by wrk {theirs:.0}/s");
    let verdicts = vec![
        Verdict::at_least("our generator over wrk", ours / theirs, 0.3),
        Verdict::below("our generator over wrk", ours / theirs, 3.0),
    ];
    for verdict in &verdicts {
        println!("{verdict}");
    }
    Ok(verdicts)
}

/// From the process's start until `/readyz` answers 200.
fn start_to_ready(brokers: &str, dir: &std::path::Path) -> anyhow::Result<Verdict> {
    let started = Instant::now();
    let candidate = Candidate::start(Who::Real, brokers, dir)?;
    let after = started.elapsed().as_secs_f64();
    drop(candidate);
    let verdict = Verdict::below("start to ready, s", after, 1.0);
    println!("{verdict}");
    Ok(verdict)
}

/// How many partitions of the events' topic each broker leads: all on one would double the
/// figures of three brokers.
fn leaders(brokers: &str) -> anyhow::Result<String> {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let client: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()?;
    let metadata = client.fetch_metadata(Some("stripe.events"), Duration::from_secs(10))?;
    let mut led = std::collections::BTreeMap::<i32, usize>::new();
    for partition in metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
    {
        let number = led.entry(partition.leader()).or_default();
        *number = number.saturating_add(1);
    }
    Ok(led
        .iter()
        .map(|(broker, number)| format!("broker {broker}: {number}"))
        .collect::<Vec<_>>()
        .join(", "))
}
