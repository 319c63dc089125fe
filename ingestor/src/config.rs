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
use crate::budget::PER_REQUEST;
use crate::line::{Origins, Rates, STRIPE_WEBHOOK_IPS, parse_ips};

/// Smallest body cap: Stripe's sizes are unpublished, so less is not safe.
const MIN_BODY_CAP: usize = 1024 * 1024;

/// Largest budget for events on their way.
const MAX_INFLIGHT_BYTES: usize = 4 * 1024 * 1024 * 1024;

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
    /// From a head's first byte to its end.
    #[arg(long, env = "HEAD_DEADLINE", default_value = "5s", value_parser = duration)]
    pub head_deadline: Duration,
    /// Waiting for the broker's acknowledgement; below 5 s, so that the answer is there within 5 s.
    #[arg(long, env = "APPEND_DEADLINE", default_value = "4500ms", value_parser = duration)]
    pub append_deadline: Duration,
    /// How long an idle connection is kept for a next request; `0s`: not at all. Longer than the
    /// proxy in front keeps it, or the two close and use it at the same moment (nginx: 60 s).
    #[arg(long, env = "KEEP_ALIVE", default_value = "75s", value_parser = duration)]
    pub keep_alive: Duration,
    /// Open connections.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: usize,
    /// Bytes of bodies that are read and of records that the producer holds; more are answered 503.
    #[arg(long, env = "INFLIGHT_BYTES", default_value_t = 64 * 1024 * 1024)]
    pub inflight_bytes: usize,
    /// Most verified events that may wait for Kafka at once; fewer while acknowledgements are
    /// late. More are answered 503.
    #[arg(long, env = "MAX_IN_FLIGHT", default_value_t = 1024)]
    pub max_in_flight: usize,
    /// How long requests in flight may take when stopping.
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "20s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// A line is written of one in so many accepted requests; 0: of none.
    #[arg(long, env = "LINE_ONE_IN", default_value_t = 100)]
    pub line_one_in: u64,
    /// … and of so many others a second, at most.
    #[arg(long, env = "LINES_A_SECOND", default_value_t = 50)]
    pub lines_a_second: u32,
    /// Header in which a trusted proxy names the client's address, for instance
    /// `x-forwarded-for` (its last item counts); not given: the connection's other end.
    #[arg(long, env = "CLIENT_ADDRESS_HEADER")]
    pub client_address_header: Option<String>,
    /// Where Stripe sends webhooks from, comma-separated (docs.stripe.com/ips). Told, not refused.
    #[arg(long, env = "STRIPE_WEBHOOK_IPS", default_value = STRIPE_WEBHOOK_IPS)]
    pub stripe_webhook_ips: String,
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
    /// Bound of a head.
    pub head_deadline: Duration,
    /// Bound of an append.
    pub append_deadline: Duration,
    /// Idle connections.
    pub keep_alive: Duration,
    /// Open connections.
    pub max_connections: usize,
    /// Bytes held at once.
    pub inflight_bytes: usize,
    /// Events that wait at once.
    pub max_in_flight: usize,
    /// Bound of the drain.
    pub drain_timeout: Duration,
    /// How many requests get a line.
    pub rates: Rates,
    /// Whose request it is.
    pub origins: Origins,
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
        // One body of the largest size must always find room.
        let least = self.max_body_bytes.saturating_add(PER_REQUEST);
        if !(least..=MAX_INFLIGHT_BYTES).contains(&self.inflight_bytes) {
            problems.add(format!(
                "INFLIGHT_BYTES must lie between {least} (MAX_BODY_BYTES and a little) and {MAX_INFLIGHT_BYTES}"
            ));
        }
        if self.listen_addr == self.common.ops_addr && self.listen_addr.port() != 0 {
            problems.add("LISTEN_ADDR and OPS_ADDR are the same: operations must not be public");
        }
        let origins = origins(
            self.client_address_header.as_deref(),
            &self.stripe_webhook_ips,
            &mut problems,
        );
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
            inflight_bytes: self.inflight_bytes,
            max_in_flight: self.max_in_flight,
            drain_timeout: self.drain_timeout,
            rates: Rates {
                good_one_in: self.line_one_in,
                bad_a_second: self.lines_a_second,
            },
            origins,
            stats_interval: self.stats_interval,
        })
    }
}

fn origins(header: Option<&str>, ips: &str, problems: &mut Problems) -> Origins {
    let header = header.and_then(|name| {
        let parsed = name.parse().ok();
        if parsed.is_none() {
            problems.add("CLIENT_ADDRESS_HEADER is not a header's name");
        }
        parsed
    });
    let stripe = parse_ips(ips).unwrap_or_else(|item| {
        problems.add(format!("STRIPE_WEBHOOK_IPS: `{item}` is not an address"));
        Vec::new()
    });
    Origins { header, stripe }
}
