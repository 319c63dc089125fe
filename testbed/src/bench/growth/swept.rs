//! A sweep's time for a page of a hundred events, and the part of it that compares with the ledger.

use super::figures::{Figure, ms};
use super::now_s;
use crate::bench::drain::{Bed, Drain, median};
use crate::bench::sweep::run::Ground;
use crate::stripe::volume::{Volume, VolumeServer, fill};
use crate::testing::Recorder;

/// Events that a sweep compares.
const EVENTS: u64 = 100_000;
/// Events of a page.
const PAGE: f64 = 100.0;
/// Runs whose median counts.
const RUNS: usize = 3;
/// The name of the transaction that reads a window of the ledger.
const COMPARE: &str = "compare_window";

/// Two days of events at a made-up Stripe and in the ledger. No generated event is of these days.
pub(super) struct Days {
    pub(super) stripe: VolumeServer,
    pub(super) volume: Volume,
}

impl Days {
    /// Fills the ledger, and serves the list.
    ///
    /// # Errors
    /// The database's, or when no port is free.
    pub(super) fn start(drain: &Drain) -> anyhow::Result<Self> {
        let now = now_s();
        let volume = Volume {
            from: now.saturating_sub(2 * 86_400),
            to: now.saturating_sub(3_600),
            count: EVENTS,
        };
        fill(&drain.url, volume, "generated.events", &[])?;
        let stripe = VolumeServer::start(volume)?;
        Ok(Self { stripe, volume })
    }

    /// Sweeps the two days some times.
    ///
    /// # Errors
    /// A sweep does not end well.
    pub(super) fn measure(&self, bed: &Bed, drain: &Drain) -> anyhow::Result<Vec<Figure>> {
        let recorder = Recorder::to(&drain.url);
        let ground = Ground {
            dir: bed.dir(),
            brokers: drain.brokers.clone(),
            topic: &drain.events,
            database: recorder.url(&drain.url_as("bookend_reconciler")),
            postgres: bed.postgres_pid(),
            stripe: &self.stripe,
        };
        let (mut pages, mut compared) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let run = ground.run(self.volume.from, self.volume.to, 0)?;
            let timings = recorder.take_timings();
            let windows = timings.transactions.get(COMPARE);
            let reading: f64 = windows.into_iter().flatten().map(|it| ms(*it)).sum();
            let count = f64::from(u32::try_from(EVENTS)?) / PAGE;
            pages.push(run.seconds * 1_000.0 / count);
            compared.push(reading / count);
        }
        Ok(vec![
            Figure::time("sweep, a page of 100 events", median(&mut pages)),
            Figure::time("sweep, of that in the ledger", median(&mut compared)),
        ])
    }
}
