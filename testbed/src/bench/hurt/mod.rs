//! The ingestor under what would hurt it: more load than its brokers can take, clients that
//! dawdle, a flood of forged requests. Honest senders go on meanwhile.

mod forged;
mod overload;
mod slow;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::Part;
use super::ingest::requests::SECRET;
use crate::services::{Service, ServiceBuilder};
use crate::stack::{Kafka, RunDir};

/// The part's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hurt {
    /// Seconds of overload.
    pub(super) seconds: u64,
}

impl Hurt {
    /// Runs all three.
    ///
    /// # Errors
    /// When something could not be started.
    pub(super) fn run(self) -> anyhow::Result<Part> {
        super::proc::raise_open_files();
        let dir = RunDir::create("hurt")?;
        let (kafka, proxies) = Kafka::start_behind_proxies(dir.path(), 1)?;
        let proxy = proxies.first().context("a proxy")?;
        let mut verdicts = slow::run(dir.path(), &kafka.brokers())?;
        verdicts.extend(forged::run(dir.path(), &kafka.brokers())?);
        verdicts.extend(overload::run(
            dir.path(),
            proxy,
            Duration::from_secs(self.seconds),
        )?);
        for verdict in &verdicts {
            println!("  {verdict}");
        }
        let passed = verdicts.iter().all(|verdict| verdict.kept);
        Ok(Part {
            name: "hurt",
            passed,
            result: json!({"passed": passed, "verdicts": verdicts}),
        })
    }
}

/// A real ingestor, and where it listens.
fn ingestor(dir: &Path, brokers: &str) -> anyhow::Result<(Service, SocketAddr)> {
    let mut service = ServiceBuilder::new("ingestor")
        .env("KAFKA_BROKERS", brokers)
        .env("STRIPE_WEBHOOK_SECRETS", format!("bench={SECRET}"))
        .spawn(dir)?;
    service.wait_ready(Duration::from_secs(60))?;
    let address = service.url().trim_start_matches("http://").parse();
    Ok((service, address.context("the ingestor's address")?))
}

/// The sum of a metric's series whose line holds `label`.
fn metric(service: &Service, name: &str, label: &str) -> f64 {
    let text = service
        .get("/metrics")
        .map(|(_, text)| text)
        .unwrap_or_default();
    let lines = text.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
    });
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
