//! Groups of settings that several services share, for `#[command(flatten)]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use secrecy::ExposeSecret;

use super::{Problems, Secret, read_secret};
use crate::kafka::{KafkaSettings, parse_extra};

/// Parses `60s`, `15m`, `2h`.
///
/// # Errors
/// The reason, for clap.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// Where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deployment {
    /// All checks apply.
    Production,
    /// One broker, no TLS and short sweeps are permitted; live keys are refused.
    Development,
}

impl Deployment {
    /// Whether development's exceptions apply.
    #[must_use]
    pub fn is_development(self) -> bool {
        self == Self::Development
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What every service has.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// `development` permits one broker, no TLS and short sweeps, and refuses live keys.
    #[arg(long, env = "DEPLOYMENT", value_enum, default_value = "production")]
    pub deployment: Deployment,
    /// Listener of `/livez`, `/readyz` and `/metrics`.
    #[arg(long, env = "OPS_ADDR", default_value = "0.0.0.0:9464")]
    pub ops_addr: SocketAddr,
    /// Log filter, for instance `info` or `processor=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub rust_log: String,
    /// Log format; default: JSON off a terminal.
    #[arg(long, env = "LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

impl CommonArgs {
    /// Whether development's exceptions apply.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.deployment.is_development()
    }
}

/// How to reach Kafka, and its topics.
#[derive(Debug, Clone, Args)]
pub struct KafkaArgs {
    /// `host:port[,host:port]`.
    #[arg(
        long,
        env = "KAFKA_BROKERS",
        default_value = "",
        hide_default_value = true
    )]
    pub kafka_brokers: String,
    /// Extra librdkafka settings (`key=value` lines) for TLS and SASL.
    #[arg(long, env = "KAFKA_CONFIG_FILE")]
    pub kafka_config_file: Option<PathBuf>,
    /// Topic of the events.
    #[arg(long, env = "EVENTS_TOPIC", default_value = "stripe.events")]
    pub events_topic: String,
    /// Topic of the dead letters.
    #[arg(long, env = "DEAD_TOPIC", default_value = "stripe.events.dead")]
    pub dead_topic: String,
    /// Topic of the facts for other services.
    #[arg(long, env = "BOOKINGS_TOPIC", default_value = "booking.events")]
    pub bookings_topic: String,
    /// Topic of the ingestors' counts.
    #[arg(long, env = "STATS_TOPIC", default_value = "ingestor.stats")]
    pub stats_topic: String,
    /// Partitions of the events topic, chosen once.
    #[arg(long, env = "EVENTS_PARTITIONS", default_value_t = 12)]
    pub events_partitions: usize,
}

impl KafkaArgs {
    /// Client settings; `service` names this process at the broker.
    pub fn settings(
        &self,
        service: &str,
        deployment: Deployment,
        problems: &mut Problems,
    ) -> KafkaSettings {
        if self.kafka_brokers.trim().is_empty() {
            problems.add("KAFKA_BROKERS must be set");
        }
        let mut extra = Vec::new();
        if let Some(path) = &self.kafka_config_file {
            match std::fs::read_to_string(path) {
                Ok(text) => match parse_extra(&text) {
                    Ok(settings) => extra = settings,
                    Err(errors) => errors
                        .iter()
                        .for_each(|error| problems.add(error.to_string())),
                },
                Err(error) => problems.add(format!("cannot read KAFKA_CONFIG_FILE: {error}")),
            }
        }
        let encrypted = extra
            .iter()
            .any(|(key, value)| key == "security.protocol" && value.to_lowercase().contains("ssl"));
        if !encrypted && !deployment.is_development() {
            problems.add(
                "Kafka without TLS: set security.protocol=SSL or SASL_SSL in KAFKA_CONFIG_FILE \
                 (DEPLOYMENT=development permits none)",
            );
        }
        KafkaSettings {
            brokers: self.kafka_brokers.clone(),
            extra,
            client_id: format!("{service}-{}", std::process::id()),
        }
    }
}

/// How to reach Postgres.
#[derive(Clone, Args)]
pub struct DatabaseArgs {
    /// libpq URL.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// File that holds the URL.
    #[arg(long, env = "DATABASE_URL_FILE")]
    pub database_url_file: Option<PathBuf>,
}

impl std::fmt::Debug for DatabaseArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("DatabaseArgs")
            .field("database_url", &self.database_url.as_ref().map(|_| "***"))
            .field("database_url_file", &self.database_url_file)
            .finish()
    }
}

impl DatabaseArgs {
    /// The URL, checked.
    pub fn url(&self, deployment: Deployment, problems: &mut Problems) -> Secret {
        let url = problems
            .take(read_secret(
                "DATABASE_URL",
                self.database_url.as_deref(),
                self.database_url_file.as_deref(),
            ))
            .unwrap_or_else(|| Secret::from(""));
        let text = url.expose_secret();
        let verified = text.contains("sslmode=verify-full") || text.contains("host=/");
        if !text.is_empty() && !verified && !deployment.is_development() {
            problems.add(
                "DATABASE_URL must say sslmode=verify-full (DEPLOYMENT=development permits less)",
            );
        }
        url
    }
}
