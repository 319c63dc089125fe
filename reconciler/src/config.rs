//! The reconciler's settings: flags and environment variables of the same name, judged as a whole.
//!
//! Invariant: what would make a sweep wrong (too short a lag or overlap, a key of the other mode)
//! is refused at start, with every problem named.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::ExposeSecret;
use shared::config::{
    CommonArgs, DatabaseArgs, KafkaArgs, Problems, Refused, Secret, duration, judge_api_key,
    read_secret,
};
use shared::ids::AccountId;
use shared::kafka::KafkaSettings;

use crate::budget::Rate;
use crate::retention::RetentionArgs;
use crate::sampling::SampleArgs;
use crate::stripe;
use crate::sweep::Limits;

/// Shortest lag outside of development: an event may be listed seconds after its `created`.
const MIN_LAG: Duration = Duration::from_secs(60);
/// Shortest overlap outside of development.
const MIN_OVERLAP: Duration = Duration::from_secs(15 * 60);
/// Most calls a second: with the burst of a quarter that is Stripe's limit for reads of one endpoint,
/// 25. Source: <https://docs.stripe.com/rate-limits>.
const MAX_CALLS_PER_SECOND: u32 = 20;

/// Every setting of the reconciler. Not printable: it holds secrets as they were given.
#[derive(Clone, Args)]
pub struct Settings {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub kafka: KafkaArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub stripe: StripeArgs,
    #[command(flatten)]
    pub sweep: SweepArgs,
    #[command(flatten)]
    pub samples: SampleArgs,
    #[command(flatten)]
    pub retention: RetentionArgs,
}

/// How to reach Stripe. Not printable, as above.
#[derive(Clone, Args)]
pub struct StripeArgs {
    /// Restricted key, read only.
    #[arg(long, env = "STRIPE_API_KEY", hide_env_values = true)]
    pub stripe_api_key: Option<String>,
    /// File that holds the key.
    #[arg(long, env = "STRIPE_API_KEY_FILE")]
    pub stripe_api_key_file: Option<PathBuf>,
    /// Addresses, comma-separated, tried in turn on 503 and connection errors.
    #[arg(
        long,
        env = "STRIPE_API_BASE",
        default_value = "https://api.stripe.com"
    )]
    pub stripe_api_base: String,
    /// The mode whose events count.
    #[arg(long, env = "STRIPE_LIVEMODE", action = clap::ArgAction::Set)]
    pub stripe_livemode: bool,
    /// Connected accounts to sweep beside our own, comma-separated; `auto`: those seen.
    #[arg(long, env = "STRIPE_ACCOUNTS", default_value = "")]
    pub stripe_accounts: String,
    /// Calls a second, all processes together; 0: no limit (only in development).
    #[arg(long, env = "STRIPE_CALLS_PER_SECOND", default_value_t = 15)]
    pub stripe_calls_per_second: u32,
    /// One attempt of one call.
    #[arg(long, env = "STRIPE_TIMEOUT", value_parser = duration, default_value = "15s")]
    pub stripe_timeout: Duration,
    /// Attempts for one call, the first included.
    #[arg(long, env = "STRIPE_ATTEMPTS", default_value_t = 5)]
    pub stripe_attempts: u32,
    /// Our webhook address as Stripe knows it: its endpoint is watched from its first sight.
    #[arg(long, env = "STRIPE_ENDPOINT_URL")]
    pub stripe_endpoint_url: Option<String>,
}

/// When to sweep, and how far.
#[derive(Debug, Clone, Args)]
pub struct SweepArgs {
    /// Pause between two tail sweeps, and between two looks at waiting bookings.
    #[arg(long, env = "SWEEP_INTERVAL", value_parser = duration, default_value = "60s")]
    pub sweep_interval: Duration,
    /// How far in the past a window ends.
    #[arg(long, env = "SWEEP_LAG", value_parser = duration, default_value = "60s")]
    pub sweep_lag: Duration,
    /// How far before the cursor a window begins.
    #[arg(long, env = "SWEEP_OVERLAP", value_parser = duration, default_value = "15m")]
    pub sweep_overlap: Duration,
    /// Longest stretch that one sweep moves the cursor by.
    #[arg(long, env = "SWEEP_SPAN", value_parser = duration, default_value = "1d")]
    pub sweep_span: Duration,
    /// Events that one sweep may list; a window that holds more is cut in halves.
    #[arg(long, env = "SWEEP_MAX_EVENTS", default_value_t = 20_000)]
    pub sweep_max_events: usize,
    /// How long to wait for the processor to pass the log's ends; then the window stays open.
    #[arg(long, env = "BARRIER_TIMEOUT", value_parser = duration, default_value = "30s")]
    pub barrier_timeout: Duration,
    /// Events published a second by repairs.
    #[arg(long, env = "REPAIR_RATE", default_value_t = 200)]
    pub repair_rate: u32,
    /// Events that one pass may publish; above it nothing is published and a person decides.
    #[arg(long, env = "REPAIR_CAP", default_value_t = 10_000)]
    pub repair_cap: usize,
    /// From the end of one deep sweep's span to the end of the next one's.
    #[arg(long, env = "DEEP_INTERVAL", value_parser = duration, default_value = "1d")]
    pub deep_interval: Duration,
    /// Pause between two looks at the webhook endpoints.
    #[arg(long, env = "SENDER_INTERVAL", value_parser = duration, default_value = "5m")]
    pub sender_interval: Duration,
    /// How old events must be of which none came by webhook, until that is a silence.
    #[arg(long, env = "SILENCE_AFTER", value_parser = duration, default_value = "3m")]
    pub silence_after: Duration,
    /// How long a booking may wait for its money before its payment is looked at.
    #[arg(long, env = "PENDING_AFTER", value_parser = duration, default_value = "10m")]
    pub pending_after: Duration,
    /// How long a booking may wait without a change before Stripe is asked about it no more.
    #[arg(long, env = "ABANDON_AFTER", value_parser = duration, default_value = "30d")]
    pub abandon_after: Duration,
    /// Objects that one look at waiting bookings retrieves.
    #[arg(long, env = "PENDING_BATCH", default_value_t = 100)]
    pub pending_batch: u32,
    /// How long an event may stay parked before it is drift.
    #[arg(long, env = "PARKED_LIMIT", value_parser = duration, default_value = "1h")]
    pub parked_limit: Duration,
    /// Pause between the second that a doubt is about and its refetch.
    #[arg(long, env = "REFETCH_PAUSE", value_parser = duration, default_value = "2s")]
    pub refetch_pause: Duration,
    /// Pause between two looks for refetches.
    #[arg(long, env = "REFETCH_INTERVAL", value_parser = duration, default_value = "1s")]
    pub refetch_interval: Duration,
}

/// The accounts to sweep beside our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    Listed(Vec<AccountId>),
    /// Those that the ledger has seen.
    Seen,
}

/// Settings that were found good.
#[derive(Debug, Clone)]
pub struct Config {
    pub common: CommonArgs,
    pub kafka: KafkaSettings,
    pub topic: String,
    pub stats_topic: String,
    pub partitions: usize,
    pub database: Secret,
    pub stripe: stripe::Settings,
    /// `None`: without a limit.
    pub call_rate: Option<Rate>,
    /// Our webhook address as Stripe knows it.
    pub endpoint_url: Option<String>,
    pub accounts: Accounts,
    pub limits: Limits,
    pub barrier_timeout: Duration,
    pub repair_rate: u32,
    pub sweep_interval: Duration,
    pub refetch_interval: Duration,
    pub deep_interval: Duration,
    pub sender_interval: Duration,
    pub silence_after: Duration,
    pub samples: SampleArgs,
    pub retention: RetentionArgs,
}

impl Settings {
    /// Judges all settings.
    ///
    /// # Errors
    /// [`Refused`] with every problem.
    pub fn check(&self) -> Result<Config, Refused> {
        let mut problems = Problems::default();
        let kafka = self
            .kafka
            .settings("reconciler", self.common.deployment, &mut problems);
        let database = self.database.url(self.common.deployment, &mut problems);
        let stripe = self.stripe.check(&self.common, &mut problems);
        let accounts = self.stripe.accounts(&mut problems);
        let limits = self
            .sweep
            .check(&self.common, self.stripe.stripe_livemode, &mut problems);
        let samples = self.samples.check(&mut problems);
        let retention = self.retention.check(&mut problems);
        problems.into_result()?;
        Ok(Config {
            common: self.common.clone(),
            kafka,
            topic: self.kafka.events_topic.clone(),
            stats_topic: self.kafka.stats_topic.clone(),
            partitions: self.kafka.events_partitions,
            database,
            stripe,
            call_rate: match self.stripe.stripe_calls_per_second {
                0 => None,
                per_second => Some(Rate::per_second(per_second)),
            },
            endpoint_url: self.stripe.stripe_endpoint_url.clone(),
            accounts,
            limits,
            barrier_timeout: self.sweep.barrier_timeout,
            repair_rate: self.sweep.repair_rate,
            sweep_interval: self.sweep.sweep_interval,
            refetch_interval: self.sweep.refetch_interval,
            deep_interval: self.sweep.deep_interval,
            sender_interval: self.sweep.sender_interval,
            silence_after: self.sweep.silence_after,
            samples,
            retention,
        })
    }
}

impl StripeArgs {
    fn check(&self, common: &CommonArgs, problems: &mut Problems) -> stripe::Settings {
        let key = problems
            .take(read_secret(
                "STRIPE_API_KEY",
                self.stripe_api_key.as_deref(),
                self.stripe_api_key_file.as_deref(),
            ))
            .unwrap_or_else(|| Secret::from(""));
        let judged = judge_api_key(key.expose_secret(), self.stripe_livemode, common.deployment);
        judged.into_iter().for_each(|problem| problems.add(problem));
        let bases: Vec<String> = self
            .stripe_api_base
            .split(',')
            .map(|base| base.trim().trim_end_matches('/').to_owned())
            .filter(|base| !base.is_empty())
            .collect();
        if bases.is_empty() {
            problems.add("STRIPE_API_BASE names no address");
        }
        for base in &bases {
            let plain = common.is_development() && base.starts_with("http://");
            if !plain && !base.starts_with("https://") {
                problems.add(format!(
                    "STRIPE_API_BASE: `{base}` is no https address (DEPLOYMENT=development permits http)"
                ));
            }
        }
        let least = u32::from(!common.is_development());
        if !(least..=MAX_CALLS_PER_SECOND).contains(&self.stripe_calls_per_second) {
            problems.add(format!(
                "STRIPE_CALLS_PER_SECOND must lie between {least} and {MAX_CALLS_PER_SECOND}"
            ));
        }
        if self.stripe_attempts == 0 || self.stripe_timeout.is_zero() {
            problems.add("STRIPE_ATTEMPTS and STRIPE_TIMEOUT must be above zero");
        }
        stripe::Settings {
            bases,
            key,
            timeout: self.stripe_timeout,
            attempts: self.stripe_attempts,
            body_limit: stripe::client::BODY_LIMIT,
        }
    }

    fn accounts(&self, problems: &mut Problems) -> Accounts {
        if self.stripe_accounts.trim() == "auto" {
            return Accounts::Seen;
        }
        let named = self.stripe_accounts.split(',').map(str::trim);
        let parsed = named.filter(|name| !name.is_empty()).map(AccountId::parse);
        Accounts::Listed(
            parsed
                .filter_map(|account| problems.take(account))
                .collect(),
        )
    }
}

impl SweepArgs {
    fn check(&self, common: &CommonArgs, livemode: bool, problems: &mut Problems) -> Limits {
        if !common.is_development() {
            if self.sweep_lag < MIN_LAG {
                problems.add("SWEEP_LAG below 60s loses events that Stripe lists late (DEPLOYMENT=development permits less)");
            }
            if self.sweep_overlap < MIN_OVERLAP {
                problems.add("SWEEP_OVERLAP below 15m loses events that Stripe lists late (DEPLOYMENT=development permits less)");
            }
        }
        let above_zero = [
            ("SWEEP_INTERVAL", self.sweep_interval),
            ("SWEEP_SPAN", self.sweep_span),
            ("BARRIER_TIMEOUT", self.barrier_timeout),
            ("PENDING_AFTER", self.pending_after),
            ("REFETCH_INTERVAL", self.refetch_interval),
            ("DEEP_INTERVAL", self.deep_interval),
            ("SENDER_INTERVAL", self.sender_interval),
            ("SILENCE_AFTER", self.silence_after),
        ];
        for (name, value) in above_zero {
            if value < Duration::from_millis(100) {
                problems.add(format!("{name} must be at least 100ms"));
            }
        }
        if self.abandon_after < self.pending_after {
            problems.add("ABANDON_AFTER must not be shorter than PENDING_AFTER");
        }
        if self.sweep_max_events < stripe::listing::PAGE_SIZE || self.repair_rate == 0 {
            problems.add("SWEEP_MAX_EVENTS must be at least 100, REPAIR_RATE at least 1");
        }
        Limits {
            livemode,
            lag_s: seconds(self.sweep_lag),
            overlap_s: seconds(self.sweep_overlap),
            span_s: seconds(self.sweep_span).max(1),
            max_events: self.sweep_max_events,
            repair_cap: self.repair_cap,
            parked_limit: self.parked_limit,
            // As long as another may publish what it is allowed to.
            lock_patience: self.barrier_timeout.saturating_mul(10),
            pending_after: self.pending_after,
            abandon_after: self.abandon_after,
            pending_batch: i64::from(self.pending_batch),
            refetch_pause: self.refetch_pause,
        }
    }
}

/// Whole seconds, rounded up: windows are cut in Stripe's unit.
fn seconds(span: Duration) -> i64 {
    let rounded = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    const GOOD: &[&str] = &[
        "--kafka-brokers=h:1",
        "--database-url=postgresql://h/db?sslmode=verify-full",
        "--stripe-api-key=rk_test_1",
        "--stripe-livemode=false",
        "--deployment=development",
    ];

    fn problems(more: &[&str]) -> Vec<String> {
        // A later flag of the same name is an error to clap: what is said again replaces.
        let said = |flag: &str| {
            more.iter()
                .any(|other| other.split('=').next() == flag.split('=').next())
        };
        let line = ["reconciler"]
            .into_iter()
            .chain(GOOD.iter().copied().filter(|flag| !said(flag)))
            .chain(more.iter().copied());
        match Line::parse_from(line).settings.check() {
            Ok(_) => Vec::new(),
            Err(Refused(problems)) => problems,
        }
    }

    #[test]
    fn development_permits_short_sweeps_and_production_does_not() {
        let short = ["--sweep-lag=1s", "--sweep-overlap=10s"];
        assert_eq!(problems(&short), Vec::<String>::new());
        let found = problems(&[
            "--sweep-lag=59s",
            "--sweep-overlap=14m",
            "--deployment=production",
        ]);
        assert!(found.iter().any(|problem| problem.contains("SWEEP_LAG")));
        assert!(
            found
                .iter()
                .any(|problem| problem.contains("SWEEP_OVERLAP"))
        );
    }

    #[test]
    fn key_of_the_other_mode_is_refused() {
        assert_eq!(problems(&["--stripe-livemode=true"]).len(), 1);
        assert!(!problems(&["--stripe-api-key=sk_live_1"]).is_empty());
        assert_eq!(problems(&["--stripe-api-key=pk_test_1"]).len(), 1);
    }

    #[test]
    fn live_key_is_refused_in_development_even_in_its_own_mode() {
        let found = problems(&["--stripe-api-key=rk_live_1", "--stripe-livemode=true"]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn no_problem_hides_another() {
        let found = problems(&[
            "--stripe-api-base=ftp://x",
            "--stripe-calls-per-second=25",
            "--stripe-attempts=0",
            "--sweep-interval=0s",
            "--sweep-max-events=1",
            "--abandon-after=1s",
        ]);
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn accounts_are_a_list_or_those_seen() {
        let accounts = |said: &str| {
            let line = ["reconciler"]
                .into_iter()
                .chain(GOOD.iter().copied())
                .chain([said]);
            Line::parse_from(line).settings.check().unwrap().accounts
        };
        assert_eq!(accounts("--stripe-accounts=auto"), Accounts::Seen);
        assert_eq!(accounts("--stripe-accounts="), Accounts::Listed(Vec::new()));
        let two = Accounts::Listed(vec![
            AccountId::parse("acct_1").unwrap(),
            AccountId::parse("acct_2").unwrap(),
        ]);
        assert_eq!(accounts("--stripe-accounts=acct_1, acct_2"), two);
    }

    #[test]
    fn parts_of_a_second_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(60)), 60);
    }

    #[test]
    fn key_shows_in_no_debug_output() {
        let line = ["reconciler"].into_iter().chain(GOOD.iter().copied());
        let config = Line::parse_from(line).settings.check().unwrap();
        assert!(!format!("{config:?}").contains("rk_test_1"));
    }
}
