//! How a fake is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::faults::Faults;

/// Everything that a fake is started with. `Default` is a quiet one: no target, no faults, a
/// free loopback port.
#[derive(Clone, Debug)]
pub struct FakeConfig {
    pub listen: SocketAddr,
    /// Where webhooks are posted; without one, deliveries are attempted nowhere and retried.
    pub target: Option<String>,
    /// The endpoint's first signing secret.
    pub secret: String,
    pub api_key: String,
    pub seed: u64,
    pub livemode: bool,
    pub faults: Faults,
    pub delivery: DeliveryPolicy,
    /// Append-only JSON lines.
    pub history: Option<PathBuf>,
}

impl Default for FakeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            target: None,
            secret: "whsec_fake_5WYLQUyrb3vtCcPWxPqGSwHn".to_owned(),
            api_key: "rk_test_fake_51KcMVUJDPojXS6LN".to_owned(),
            seed: 1,
            livemode: false,
            faults: Faults::default(),
            delivery: DeliveryPolicy::default(),
            history: None,
        }
    }
}

/// How webhooks are sent.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryPolicy {
    /// Of one request, from connecting to the end of the answer.
    pub timeout: Duration,
    /// The pause after the first failure; it doubles up to `retry_cap`, with seeded jitter.
    pub retry_base: Duration,
    pub retry_cap: Duration,
    /// By the fake's clock, from the first attempt; Stripe goes on for 3 days.
    pub retry_for: Duration,
    /// Requests at the same time.
    pub concurrency: usize,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            retry_base: Duration::from_millis(500),
            retry_cap: Duration::from_secs(8),
            retry_for: Duration::from_secs(3 * 86_400),
            concurrency: 32,
        }
    }
}
