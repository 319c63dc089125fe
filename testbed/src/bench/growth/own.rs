//! The statements that services send by themselves: each with its time, and a bound for it.
//!
//! A processor and a leading reconciler run beside a trickle of events, each through a recorder,
//! until no statement comes that was not seen before. A statement's time is the median of its runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::burst::Bursts;
use super::figures::ms;
use super::swept::Days;
use super::{middle, shown};
use crate::bench::drain::Drain;
use crate::services::ServiceBuilder;
use crate::stack::postgres::execute;
use crate::stripe::FakeConfig;
use crate::testing::{Recorder, Timings};

/// Most time of a statement, in milliseconds.
const MAX_MS: f64 = 100.0;
/// A statement that takes longer is shown with its profile.
const PROFILED_MS: f64 = 25.0;
/// Services run at least so long, and until no new statement came for so long.
const AT_LEAST: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(10);
const AT_MOST: Duration = Duration::from_secs(150);

/// The result of all statements.
pub(super) struct Found {
    pub(super) passed: bool,
    pub(super) result: Value,
}

/// Measures them. `size`: the number of the size, which keeps ids apart.
///
/// # Errors
/// A service does not start, or the trickle is not applied.
pub(super) fn measure(bursts: &Bursts<'_>, days: &Days, size: usize) -> anyhow::Result<Found> {
    let (bed, drain) = (bursts.bed, bursts.drain);
    set_cursors(drain, days)?;
    let of_processor = Recorder::to(&drain.url);
    let url = of_processor.url(&drain.url_as("bookend_processor"));
    let mut processor = drain.start_at(bed, url)?;
    let of_reconciler = Recorder::to(&drain.url);
    let url = of_reconciler.url(&drain.url_as("bookend_reconciler"));
    let mut reconciler = ServiceBuilder::new("reconciler")
        .env("KAFKA_BROKERS", &drain.brokers)
        .env("EVENTS_TOPIC", &drain.events)
        .env("DATABASE_URL", url)
        .env("STRIPE_API_BASE", days.stripe.url())
        .env("STRIPE_API_KEY", FakeConfig::default().api_key)
        .env("STRIPE_ACCOUNTS", "auto")
        .env("SAMPLE_SIZE", "1000000")
        .env("SENDER_INTERVAL", "1s")
        .env("SWEEP_INTERVAL", "2s")
        .env("PAYLOAD_RETENTION", "365d")
        .env("RETENTION_INTERVAL", "1s")
        // Sweeps see no burst: the made-up Stripe lists none.
        .env("SWEEP_LAG", "1h")
        .env("SWEEP_OVERLAP", "5s")
        .env("RUST_LOG", "error")
        .spawn(bed.dir())?;
    bursts.trickle(&format!("{size}trickle"))?;
    until_quiet(&[&of_processor, &of_reconciler]);
    reconciler.terminate()?;
    processor.terminate()?;
    let processor = Table::of("processor", &of_processor);
    let reconciler = Table::of("reconciler", &of_reconciler);
    println!("statements of running services, floor: the median at most {MAX_MS} ms");
    let passed = [
        processor.print(&of_processor),
        reconciler.print(&of_reconciler),
    ];
    Ok(Found {
        passed: passed == [true, true],
        result: json!({"floor_ms": MAX_MS, "processor": processor.json(), "reconciler": reconciler.json()}),
    })
}

/// Sweeps have been made until an hour ago, and a deep one is about to compare the two days that
/// Stripe lists.
fn set_cursors(drain: &Drain, days: &Days) -> anyhow::Result<()> {
    let (from, to) = (days.volume.from, days.volume.to);
    execute(
        &drain.url,
        &format!(
            "INSERT INTO cursors (account, sweep, position, target) \
             SELECT a.account, s.sweep, s.position, s.target \
             FROM (VALUES (''), ('acct_growth1'), ('acct_growth2')) AS a (account) \
               CROSS JOIN LATERAL (VALUES \
                 ('tail', date_trunc('second', now()) - interval '61 minutes', NULL), \
                 ('deep', to_timestamp(CASE a.account WHEN '' THEN {from} ELSE {to} END), \
                   to_timestamp({to}))) AS s (sweep, position, target) \
             ON CONFLICT (account, sweep) \
               DO UPDATE SET position = excluded.position, target = excluded.target"
        ),
    )?;
    Ok(())
}

fn until_quiet(recorders: &[&Recorder]) {
    let began = Instant::now();
    let (mut seen, mut last) = (0_usize, began);
    while began.elapsed() < AT_MOST {
        let now: usize = recorders.iter().map(|it| it.seen()).sum();
        if now > seen {
            (seen, last) = (now, Instant::now());
        }
        if began.elapsed() > AT_LEAST && last.elapsed() > QUIET {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// One statement.
struct Line {
    sql: String,
    runs: usize,
    median_ms: f64,
    max_ms: f64,
}

impl Line {
    fn is_kept(&self) -> bool {
        self.median_ms <= MAX_MS
    }
}

/// The statements of a service, the slowest first.
struct Table {
    service: &'static str,
    lines: Vec<Line>,
}

impl Table {
    fn of(service: &'static str, recorder: &Recorder) -> Self {
        let Timings { statements, .. } = recorder.take_timings();
        let asked = statements.into_iter().filter(|(sql, _)| is_asked(sql));
        let mut lines: Vec<Line> = asked
            .map(|(sql, took)| Line {
                sql,
                runs: took.len(),
                median_ms: ms(middle(&took)),
                max_ms: ms(took.iter().max().copied().unwrap_or_default()),
            })
            .collect();
        lines.sort_by(|a, b| b.median_ms.total_cmp(&a.median_ms));
        Self { service, lines }
    }

    /// Prints a line for each statement, and the profile of each that takes long; whether all keep
    /// their bound.
    fn print(&self, recorder: &Recorder) -> bool {
        let (service, count) = (self.service, self.lines.len());
        println!("  {service}: {count} statements; median ms, most ms, runs");
        for line in &self.lines {
            println!(
                "  {:>9.2} {:>9.2} {:>6}  {}",
                line.median_ms,
                line.max_ms,
                line.runs,
                shown(&line.sql)
            );
        }
        let long = |line: &&Line| line.median_ms > PROFILED_MS;
        for line in self.lines.iter().filter(long) {
            let profile = recorder.profile(&line.sql).unwrap_or_else(|error| error);
            let verdict = if line.is_kept() { "kept" } else { "MISSED" };
            println!(
                "  {verdict}, {:.0} ms: {}\n{profile}",
                line.median_ms, line.sql
            );
        }
        self.lines.iter().all(Line::is_kept)
    }

    fn json(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            json!({"sql": line.sql, "runs": line.runs, "median_ms": line.median_ms, "max_ms": line.max_ms})
        });
        lines.collect::<Vec<_>>().into()
    }
}

/// Neither the frame of a transaction nor a setting.
fn is_asked(sql: &str) -> bool {
    let frame = ["BEGIN", "COMMIT", "ROLLBACK", "SET", "LISTEN", "/*"];
    !frame.iter().any(|word| sql.trim_start().starts_with(word))
}
