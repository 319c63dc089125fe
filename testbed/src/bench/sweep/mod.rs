//! How fast thirty days are proved complete, in how much memory, and what it costs the live path.
//!
//! A million events lie at a made-up Stripe and in the ledger; `reconciler sweep` compares them
//! with its budget of calls off, then a few of them with the budget on. At last the live load of
//! the part `answer` runs alone and beside a sweep within its budget. All of it on this machine.

mod live;
pub(super) mod run;

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::Part;
use crate::services::ServiceBuilder;
use crate::stack::postgres::execute;
use crate::stack::url::with;
use crate::stack::{Kafka, Postgres, RunDir};
use crate::stripe::volume::{Volume, VolumeServer, fill};
use run::{Ground, Run};

/// Events compared a second, at least.
const RATE_FLOOR: f64 = 20_000.0;
/// Memory at the end: at most so many times that at a tenth of the way, and this much more.
const RSS_FACTOR: f64 = 1.2;
const RSS_MORE_KIB: f64 = 20.0 * 1_024.0;
/// Calls a second of the runs within the budget, and how many may come at once.
const BUDGET: u32 = 15;
const BURST: f64 = 4.0;
/// Calls that may meet on their way although they were sent apart.
const JITTER: f64 = 2.0;
/// Pages of the run that shows the budget.
const BUDGET_PAGES: u64 = 150;

/// The part's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    /// Events in thirty days.
    pub(super) events: u64,
    /// Live events a second.
    pub(super) rate: u64,
    /// Seconds of live load, each time.
    pub(super) seconds: u64,
}

/// A share of the verdict.
struct Verdict {
    passed: bool,
    result: Value,
}

impl Sweep {
    /// Runs.
    ///
    /// # Errors
    /// When something could not be started, or a sweep did not end well.
    pub(super) async fn run(self) -> anyhow::Result<Part> {
        let (deep, budget) = tokio::task::spawn_blocking(move || self.deep()).await??;
        let live = live::beside_a_sweep(self.rate, self.seconds).await?;
        Ok(Part {
            name: "sweep",
            passed: deep.passed && budget.passed && live.passed,
            result: json!({"deep": deep.result, "budget": budget.result, "live": live.result}),
        })
    }

    /// Blocks.
    fn deep(self) -> anyhow::Result<(Verdict, Verdict)> {
        let dir = RunDir::create("bench-sweep")?;
        let kafka = Kafka::start(dir.path(), 1)?;
        let postgres = Postgres::start(dir.path())?;
        execute(&postgres.url("postgres"), "CREATE DATABASE bookend")?;
        let owner = postgres.url("bookend");
        ServiceBuilder::new("processor")
            .env("KAFKA_BROKERS", kafka.brokers())
            .env("DATABASE_URL", &owner)
            .run_once("migrate")?;
        let volume = thirty_days(self.events);
        let began = Instant::now();
        fill(&owner, volume, "stripe.events", &[])?;
        println!(
            "{} events in 30 days, in the ledger after {:.0} s",
            self.events,
            began.elapsed().as_secs_f64()
        );
        let stripe = VolumeServer::start(volume)?;
        let ground = Ground {
            dir: dir.path(),
            brokers: kafka.brokers(),
            topic: "stripe.events",
            database: with(&owner, Some("bookend_reconciler"), "bookend"),
            postgres: postgres.pid(),
            stripe: &stripe,
        };
        let deep = report_deep(volume, ground.run(volume.from, volume.to, 0)?);
        let before = stripe.pages().len();
        let newest = volume.count.min(BUDGET_PAGES.saturating_mul(100));
        let from = volume.created(volume.count.saturating_sub(newest));
        ground.run(from, volume.to, BUDGET)?;
        let pages: Vec<Instant> = stripe.pages().iter().skip(before).map(|p| p.0).collect();
        Ok((deep, report_budget(&pages)))
    }
}

/// So many events, in the thirty days that a sweep may compare now.
fn thirty_days(count: u64) -> Volume {
    let now = chrono::DateTime::<chrono::Utc>::from(now()).timestamp();
    Volume {
        from: now.saturating_sub(30 * 86_400 - 1_800),
        to: now.saturating_sub(120),
        count,
    }
}

fn report_deep(volume: Volume, run: Run) -> Verdict {
    let (compared, listed) = (float(volume.count), float(run.listed));
    let rate = compared / run.seconds;
    let (tenth, end) = (float(run.rss_tenth_kib), float(run.rss_end_kib));
    let most = RSS_FACTOR * tenth + RSS_MORE_KIB;
    println!(
        "compared without a budget  {rate:>9.0} events/s in {:.1} s   floor {RATE_FLOOR}",
        run.seconds
    );
    println!("listed for each compared   {:>9.2}", listed / compared);
    println!(
        "peak memory                {:>9.1} MiB at 10 %, {:.1} MiB at the end   floor {:.1} MiB",
        tenth / 1_024.0,
        end / 1_024.0,
        most / 1_024.0
    );
    println!(
        "processor time             {:>9.1} s reconciler, {:.1} s Postgres, {:.1} s the list",
        run.cpu_reconciler, run.cpu_postgres, run.cpu_here
    );
    let passed = rate >= RATE_FLOOR && end <= most;
    Verdict {
        passed,
        result: json!({
            "events": volume.count, "seconds": run.seconds, "per_s": rate, "floor_per_s": RATE_FLOOR,
            "listed": run.listed, "passed": passed,
            "rss_kib": {"at_10_percent": run.rss_tenth_kib, "at_end": run.rss_end_kib, "floor": most},
            "cpu_s": {"reconciler": run.cpu_reconciler, "postgres": run.cpu_postgres, "list": run.cpu_here},
        }),
    }
}

fn report_budget(pages: &[Instant]) -> Verdict {
    let excess = most_above_budget(pages);
    let seconds = pages
        .first()
        .zip(pages.last())
        .map_or(Duration::ZERO, |(first, last)| last.duration_since(*first))
        .as_secs_f64();
    let rate = float(u64::try_from(pages.len()).unwrap_or(u64::MAX)) / seconds.max(1.0);
    println!(
        "pages within the budget    {rate:>9.1} pages/s, at most {excess:.1} beside {BUDGET}/s   floor {BURST} (+{JITTER})"
    );
    let passed = excess <= BURST + JITTER && pages.len() > 1;
    Verdict {
        passed,
        result: json!({
            "calls_per_s": BUDGET, "pages": pages.len(), "per_s": rate, "above_budget": excess,
            "floor_above_budget": BURST + JITTER, "passed": passed,
        }),
    }
}

/// How many calls more than the budget's rate allows there were in the worst stretch of time.
fn most_above_budget(calls: &[Instant]) -> f64 {
    // With `due` = calls so far minus what the rate allowed so far, a stretch's excess is a rise.
    let Some(first) = calls.first() else {
        return 0.0;
    };
    let (mut lowest, mut most) = (f64::INFINITY, 0.0_f64);
    for (number, call) in (0_u64..).zip(calls) {
        let allowed = call.duration_since(*first).as_secs_f64() * f64::from(BUDGET);
        let before = float(number) - allowed;
        lowest = lowest.min(before);
        most = most.max(before + 1.0 - lowest);
    }
    most
}

/// Counts here are far below what a float holds exactly.
#[expect(clippy::as_conversions, reason = "there is no lossless conversion")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::disallowed_methods, reason = "events must be of the last days")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(at_ms: &[u64]) -> f64 {
        let start = Instant::now();
        let at = at_ms.iter().map(|ms| start + Duration::from_millis(*ms));
        most_above_budget(&at.collect::<Vec<_>>())
    }

    #[test]
    fn calls_at_the_rate_are_one_above_it_and_a_burst_is_noticed_wherever_it_is() {
        let steady: Vec<u64> = (0..60).map(|number| number * 1_000 / 15 + 1).collect();
        assert!((calls(&steady) - 1.0).abs() < 0.1, "{}", calls(&steady));
        let mut late = steady;
        late.extend([6_000; 5]);
        assert!((calls(&late) - 5.0).abs() < 0.1, "{}", calls(&late));
        assert!(calls(&[]).abs() < f64::EPSILON);
    }
}
