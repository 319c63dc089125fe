//! One run of `reconciler sweep`, watched from outside.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, SecondsFormat, Utc};

use crate::bench::proc::{cpu_seconds, cpu_seconds_of_family, resident_kib};
use crate::services::{Service, ServiceBuilder};
use crate::stripe::FakeConfig;
use crate::stripe::volume::VolumeServer;

/// Longest run.
const PATIENCE: Duration = Duration::from_secs(400);
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// Where a sweep runs.
pub(in crate::bench) struct Ground<'a> {
    pub(in crate::bench) dir: &'a Path,
    pub(in crate::bench) brokers: String,
    /// Topic of events.
    pub(in crate::bench) topic: &'a str,
    /// As the reconciler's role.
    pub(in crate::bench) database: String,
    /// The server's process.
    pub(in crate::bench) postgres: i32,
    pub(in crate::bench) stripe: &'a VolumeServer,
}

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) struct Run {
    pub(in crate::bench) seconds: f64,
    /// Events that the list gave out, those listed twice included.
    pub(in crate::bench) listed: u64,
    pub(in crate::bench) rss_tenth_kib: u64,
    pub(in crate::bench) rss_end_kib: u64,
    pub(in crate::bench) cpu_reconciler: f64,
    pub(in crate::bench) cpu_postgres: f64,
    pub(in crate::bench) cpu_here: f64,
}

/// One look at the process.
struct Sample {
    listed: u64,
    rss_kib: u64,
}

impl Ground<'_> {
    /// Starts a sweep of `[from, to)` with a budget of calls a second; 0: none.
    pub(in crate::bench) fn start(
        &self,
        from: i64,
        to: i64,
        calls: u32,
    ) -> anyhow::Result<Service> {
        let service = ServiceBuilder::new("reconciler")
            .arg("sweep")
            .arg("--from")
            .arg(rfc3339(from)?)
            .arg("--to")
            .arg(rfc3339(to)?)
            .env("KAFKA_BROKERS", &self.brokers)
            .env("EVENTS_TOPIC", self.topic)
            .env("DATABASE_URL", &self.database)
            .env("STRIPE_API_BASE", self.stripe.url())
            .env("STRIPE_API_KEY", FakeConfig::default().api_key)
            .env("STRIPE_CALLS_PER_SECOND", calls.to_string())
            .env("RUST_LOG", "warn");
        Ok(service.spawn(self.dir)?)
    }

    /// Runs a sweep to its end; it must find nothing missing.
    pub(in crate::bench) fn run(&self, from: i64, to: i64, calls: u32) -> anyhow::Result<Run> {
        let here = i32::try_from(std::process::id())?;
        let (listed, postgres) = (self.stripe.served(), cpu_seconds_of_family(self.postgres));
        let cpu_here = cpu_seconds(here).context("own time")?;
        let began = Instant::now();
        let mut service = self.start(from, to, calls)?;
        let (mut samples, mut cpu_reconciler) = (Vec::new(), 0.0_f64);
        while service.is_running() {
            ensure!(began.elapsed() < PATIENCE, "no end within {PATIENCE:?}");
            if let Some(rss_kib) = resident_kib(service.pid()) {
                let listed = self.stripe.served().saturating_sub(listed);
                samples.push(Sample { listed, rss_kib });
            }
            cpu_reconciler = cpu_seconds(service.pid())
                .unwrap_or(0.0)
                .max(cpu_reconciler);
            std::thread::sleep(SAMPLE_EVERY);
        }
        let seconds = began.elapsed().as_secs_f64();
        let said = std::fs::read_to_string(service.log()).unwrap_or_default();
        let last = said.lines().last().unwrap_or_default();
        if service.terminate()? != Some(0) || !last.contains("missing 0 ") {
            let lines: Vec<&str> = said.lines().rev().take(8).collect();
            bail!("the sweep did not end well: {lines:#?}");
        }
        let listed = self.stripe.served().saturating_sub(listed);
        let tenth = listed / 10;
        let peak = |until: u64| {
            let seen = samples.iter().filter(|sample| sample.listed <= until);
            seen.map(|sample| sample.rss_kib).max().unwrap_or(0)
        };
        Ok(Run {
            seconds,
            listed,
            rss_tenth_kib: peak(tenth),
            rss_end_kib: peak(listed),
            cpu_reconciler,
            cpu_postgres: cpu_seconds_of_family(self.postgres) - postgres,
            cpu_here: cpu_seconds(here).context("own time")? - cpu_here,
        })
    }
}

fn rfc3339(second: i64) -> anyhow::Result<String> {
    let at: DateTime<Utc> = DateTime::from_timestamp(second, 0).context("a second")?;
    Ok(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}
