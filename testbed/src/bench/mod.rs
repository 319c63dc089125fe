//! `testbed bench`: what we claim about speed, measured beside the floor it must keep.
//!
//! Invariant: a part passes or fails by its floor, never by being run; its figures are printed and
//! written to `.bookend/bench.json` either way.

mod answer;
mod busy;
mod drain;
mod growth;
mod hurt;
pub mod ingest;
mod parking;
mod proc;
mod sweep;

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::stack::leftovers::home;
use answer::Answer;
use busy::Busy;
use growth::Growth;
use hurt::Hurt;
use ingest::Ingest;
use parking::Parking;
use sweep::Sweep;

/// Runs the benchmarks and prints their figures beside their floors.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    /// Only this part: `answer`, `busy`, `growth`, `hurt`, `ingest`, `parking` or `sweep`.
    #[arg(long, value_parser = ["answer", "busy", "growth", "hurt", "ingest", "parking", "sweep"])]
    pub part: Option<String>,
    /// `answer`, `sweep`: live events a second.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub rate: u64,
    /// `answer`, `sweep`: seconds of live load.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// `parking`: events of each of the thousand bookings.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(3..=500))]
    pub events: u64,
    /// `busy`: payments that name one booking.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(5_000..=500_000))]
    pub payments: u64,
    /// `busy`, `ingest`, `parking`: runs of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=15))]
    pub runs: u64,
    /// `hurt`: seconds of overload.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(4..=240))]
    pub overload: u64,
    /// `ingest`: only with so many brokers; otherwise with one and with three.
    #[arg(long, value_parser = crate::exec::brokers)]
    pub brokers: Option<usize>,
    /// `ingest`: only this cell of the table, from 0.
    #[arg(long)]
    pub cell: Option<usize>,
    /// `sweep`: events in thirty days.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(20_000..=10_000_000))]
    pub listed: u64,
    /// `growth`: events in the ledger at each measurement, rising; the first is the measure of the others.
    #[arg(long, value_delimiter = ',', default_value = "1000000,5000000,20000000", value_parser = clap::value_parser!(u64).range(20_000..=50_000_000))]
    pub sizes: Vec<u64>,
    /// `growth`: events of one burst.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000))]
    pub burst: u64,
}

/// What one part found.
struct Part {
    name: &'static str,
    passed: bool,
    result: Value,
}

impl BenchArgs {
    /// Runs; `Ok(false)`: a floor was missed.
    ///
    /// # Errors
    /// When something could not be started, or not everything was applied.
    pub async fn run(self) -> anyhow::Result<bool> {
        let wanted = |name: &str| self.part.as_deref().is_none_or(|part| part == name);
        let mut parts = Vec::new();
        if wanted("answer") {
            let answer = Answer {
                rate: self.rate,
                seconds: self.seconds,
            };
            parts.push(answer.run().await?);
        }
        if wanted("ingest") {
            let ingest = Ingest {
                runs: self.runs,
                brokers: self.brokers,
                cell: self.cell,
            };
            parts.push(tokio::task::spawn_blocking(move || ingest.run()).await??);
        }
        if wanted("hurt") {
            let hurt = Hurt {
                seconds: self.overload,
            };
            parts.push(tokio::task::spawn_blocking(move || hurt.run()).await??);
        }
        if wanted("parking") {
            let parking = Parking {
                events: self.events,
                runs: self.runs,
            };
            parts.push(tokio::task::spawn_blocking(move || parking.run()).await??);
        }
        if wanted("busy") {
            let busy = Busy {
                payments: self.payments,
                runs: self.runs,
            };
            parts.push(tokio::task::spawn_blocking(move || busy.run()).await??);
        }
        if wanted("sweep") {
            let sweep = Sweep {
                events: self.listed,
                rate: self.rate,
                seconds: self.seconds,
            };
            parts.push(sweep.run().await?);
        }
        if wanted("growth") {
            let growth = Growth {
                sizes: self.sizes,
                burst: self.burst,
            };
            parts.push(tokio::task::spawn_blocking(move || growth.run()).await??);
        }
        let passed = parts.iter().all(|part| part.passed);
        let mut result = Map::new();
        result.insert("passed".to_owned(), json!(passed));
        for part in parts {
            result.insert(part.name.to_owned(), part.result);
        }
        let path = home().join("bench.json");
        std::fs::write(&path, format!("{:#}\n", Value::Object(result)))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let verdict = if passed {
            "every floor kept"
        } else {
            "A FLOOR WAS MISSED"
        };
        println!("{verdict} ({})", path.display());
        Ok(passed)
    }
}
