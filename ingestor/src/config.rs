//! The ingestor's settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use shared::config::{CommonArgs, KafkaArgs, Problems, Refused, WebhookSecrets, duration};
use shared::kafka::{KafkaSettings, MAX_RECORD_BYTES};
use shared::signature::Secrets;
use shared::stats::LONGEST_INTERVAL_S;

use crate::body::BodyLimits;

/// Smallest body cap: Stripe's sizes are unpublished, so less is not safe.
const MIN_BODY_CAP: usize = 1024 * 1024;

/// Flags and environment variables of the same name.
#[derive(Clone, Args)]
pub struct IngestorArgs {
    /// What every service has.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Public listener.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:8080")]
    pub listen_addr: SocketAddr,
    /// One secret a line or comma-separated, optionally `name=whsec_…`.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS", hide_env_values = true)]
    pub stripe_webhook_secrets: Option<String>,
    /// A file of secrets, or a directory of such files; watched.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS_FILE")]
    pub stripe_webhook_secrets_file: Option<PathBuf>,
    /// Largest body, bytes; at least 1 MiB.
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = MIN_BODY_CAP)]
    pub max_body_bytes: usize,
    /// From a request's head to its body's last byte.
    #[arg(long, env = "BODY_DEADLINE", default_value = "10s", value_parser = duration)]
    pub body_deadline: Duration,
    /// From a connection's first byte to the end of its first head.
    #[arg(long, env = "HEAD_DEADLINE", default_value = "5s", value_parser = duration)]
    pub head_deadline: Duration,
    /// Waiting for the broker's acknowledgement; below 5 s, so that the answer is there within 5 s.
    #[arg(long, env = "APPEND_DEADLINE", default_value = "4500ms", value_parser = duration)]
    pub append_deadline: Duration,
    /// How long an idle connection is kept for a next request; `0s`: not at all. The framework
    /// times no later head, so keep it short unless a proxy in front bounds connections.
    #[arg(long, env = "KEEP_ALIVE", default_value = "5s", value_parser = duration)]
    pub keep_alive: Duration,
    /// Open connections.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: usize,
    /// Requests whose body may be in memory at once; more are answered 503.
    #[arg(long, env = "MAX_IN_FLIGHT", default_value_t = 1024)]
    pub max_in_flight: usize,
    /// How long requests in flight may take when stopping.
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "20s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// Pause between two records of counts.
    #[arg(long, env = "STATS_INTERVAL", default_value = "60s", value_parser = duration)]
    pub stats_interval: Duration,
}

/// Settings that hold together.
#[derive(Debug)]
pub struct Config {
    /// What every service has.
    pub common: CommonArgs,
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// Topics.
    pub topics: KafkaArgs,
    /// Public listener.
    pub listen_addr: SocketAddr,
    /// Where the secrets come from.
    pub source: WebhookSecrets,
    /// The secrets as they are now.
    pub secrets: Secrets,
    /// Bounds of a body.
    pub body: BodyLimits,
    /// Bound of a connection's first head.
    pub head_deadline: Duration,
    /// Bound of an append.
    pub append_deadline: Duration,
    /// Idle connections.
    pub keep_alive: Duration,
    /// Open connections.
    pub max_connections: usize,
    /// Requests at once.
    pub max_in_flight: usize,
    /// Bound of the drain.
    pub drain_timeout: Duration,
    /// Pause between two records of counts.
    pub stats_interval: Duration,
}

impl IngestorArgs {
    /// Checks everything.
    ///
    /// # Errors
    /// [`Refused`], with every problem.
    pub fn validate(self) -> Result<Config, Refused> {
        let mut problems = Problems::default();
        let kafka = self
            .kafka
            .settings("ingestor", self.common.deployment, &mut problems);
        let source = WebhookSecrets {
            value: self.stripe_webhook_secrets,
            file: self.stripe_webhook_secrets_file,
        };
        let secrets = problems.take(source.load());
        // Headers and framing need room beside the body.
        let max_cap = MAX_RECORD_BYTES / 2;
        if !(MIN_BODY_CAP..=max_cap).contains(&self.max_body_bytes) {
            problems.add(format!(
                "MAX_BODY_BYTES must lie between {MIN_BODY_CAP} and {max_cap}"
            ));
        }
        if self.append_deadline > Duration::from_secs(5) || self.append_deadline.is_zero() {
            problems
                .add("APPEND_DEADLINE must lie above 0 and not above 5s: Stripe wants its answer");
        }
        let longest = Duration::from_secs(LONGEST_INTERVAL_S.unsigned_abs());
        if !(Duration::from_secs(1)..=longest).contains(&self.stats_interval) {
            problems.add("STATS_INTERVAL must lie between 1s and 60s: its readers rely on it");
        }
        for (name, value) in [
            ("MAX_CONNECTIONS", self.max_connections),
            ("MAX_IN_FLIGHT", self.max_in_flight),
        ] {
            if value == 0 || value > 1_000_000 {
                problems.add(format!("{name} must lie between 1 and 1000000"));
            }
        }
        if self.listen_addr == self.common.ops_addr && self.listen_addr.port() != 0 {
            problems.add("LISTEN_ADDR and OPS_ADDR are the same: operations must not be public");
        }
        problems.into_result()?;
        let Some(secrets) = secrets else {
            return Err(Refused(vec!["no signing secret".to_owned()]));
        };
        Ok(Config {
            common: self.common,
            kafka,
            topics: self.kafka,
            listen_addr: self.listen_addr,
            source,
            secrets,
            body: BodyLimits {
                bytes: self.max_body_bytes,
                deadline: self.body_deadline,
            },
            head_deadline: self.head_deadline,
            append_deadline: self.append_deadline,
            keep_alive: self.keep_alive,
            max_connections: self.max_connections,
            max_in_flight: self.max_in_flight,
            drain_timeout: self.drain_timeout,
            stats_interval: self.stats_interval,
        })
    }
}
