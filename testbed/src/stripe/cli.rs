//! `testbed stripe`: the fake alone, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Fake, FakeConfig, FakeError};

/// Runs a fake Stripe: its API paths, and a control API under `/_control/`.
#[derive(Clone, Debug, clap::Args)]
pub struct StripeArgs {
    /// Where the API and the control API listen.
    #[arg(long, default_value = "127.0.0.1:12111")]
    pub listen: SocketAddr,
    /// The webhook endpoint, for example http://127.0.0.1:8080/webhooks/stripe
    #[arg(long)]
    pub target: Option<String>,
    /// The endpoint's signing secret.
    #[arg(long)]
    pub secret: String,
    /// The API key that clients must give.
    #[arg(long, default_value = "rk_test_fake_51KcMVUJDPojXS6LN")]
    pub api_key: String,
    /// One seed, one run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Append-only JSON lines of every delivery and read.
    #[arg(long)]
    pub history: Option<PathBuf>,
}

impl StripeArgs {
    /// Runs until SIGINT or SIGTERM.
    ///
    /// # Errors
    /// When the fake can't start.
    pub async fn run(self) -> Result<(), FakeError> {
        let fake = Fake::start(FakeConfig {
            listen: self.listen,
            target: self.target,
            secret: self.secret,
            api_key: self.api_key,
            seed: self.seed,
            history: self.history,
            ..FakeConfig::default()
        })?;
        println!("fake stripe: {} (control: {0}/_control/)", fake.url());
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(FakeError::Thread)?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result.map_err(FakeError::Thread)?,
            _ = terminate.recv() => {}
        }
        Ok(())
    }
}
