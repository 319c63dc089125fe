//! `testbed demo`: a bad day on screen, and a verdict that can fail.
//!
//! Invariant: exit 0 only if every booking equals the fake Stripe's truth in its status and all
//! its amounts, every event that was answered 200 is in the ledger exactly once, *and* each fault
//! was really seen. The judgement reads Postgres and the fake, never the services' own words.

pub mod check;
pub mod stage;
mod story;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// Plays a bad day on a real Kafka and a real Postgres, and tells whether all came right.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct DemoArgs {
    /// The same seed plays the same day.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Bookings.
    #[arg(long, default_value_t = 500)]
    pub bookings: u64,
}

/// Set when the demo is to end early.
pub type Stop = Arc<AtomicBool>;

impl DemoArgs {
    /// Plays; returns the exit code: 0 all right, 1 not, 130 or 143 interrupted.
    ///
    /// # Errors
    /// When something could not be started.
    pub async fn run(self) -> anyhow::Result<u8> {
        let stop: Stop = Arc::default();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let playing = {
            let stop = Arc::clone(&stop);
            tokio::task::spawn_blocking(move || story::play(self, &stop))
        };
        tokio::pin!(playing);
        let code = tokio::select! {
            verdict = &mut playing => return Ok(u8::from(!verdict??)),
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        };
        // The thread notices, and takes everything it started down with it.
        stop.store(true, Ordering::Relaxed);
        if let Err(error) = playing.await? {
            eprintln!("demo: {error:#}");
        }
        Ok(code)
    }
}
