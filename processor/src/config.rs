//! The processor's settings.

use std::time::Duration;

use clap::Args;
use shared::backoff::Policy;
use shared::config::{
    CommonArgs, DatabaseArgs, ExposeSecret, KafkaArgs, Problems, Refused, Secret, duration,
};
use shared::folding::money;
use shared::kafka::KafkaSettings;

use crate::apply::Rules;
use crate::brake::BrakeLimits;
use crate::consumer::QueueLimits;
use crate::decode::Scope;
use crate::failure::HeadPolicy;

/// Bytes of values that wait in one partition's queue before it is paused.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;

/// Flags and environment variables of the same name.
#[derive(Debug, Clone, Args)]
pub struct ProcessorArgs {
    /// What every service has.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Postgres.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// `true` or `false`: events of the other mode are stored as ignored.
    #[arg(long, env = "STRIPE_LIVEMODE")]
    pub stripe_livemode: Option<String>,
    /// `*`, or the connected accounts that are folded, comma-separated.
    #[arg(long, env = "STRIPE_ALLOWED_ACCOUNTS", default_value = "*")]
    pub stripe_allowed_accounts: String,
    /// Consumer group.
    #[arg(long, env = "CONSUMER_GROUP", default_value = "processor")]
    pub consumer_group: String,
    /// `true`: an unregistered booking is never confirmed.
    #[arg(long, env = "REQUIRE_REGISTRATION", default_value_t = false, action = clap::ArgAction::Set)]
    pub require_registration: bool,
    /// `true`: a checkout session's `client_reference_id` names its booking, where that is registered
    /// with the session's amount and currency.
    #[arg(long, env = "BOOKING_FROM_CLIENT_REFERENCE", default_value_t = false, action = clap::ArgAction::Set)]
    pub booking_from_client_reference: bool,
    /// `true`: money that belongs to no booking is a finding.
    #[arg(long, env = "REPORT_UNASSIGNED_MONEY", default_value_t = false, action = clap::ArgAction::Set)]
    pub report_unassigned_money: bool,
    /// Threads that apply batches, each with a database connection; 1 to 64.
    #[arg(long, env = "WORKERS", default_value_t = 2)]
    pub workers: usize,
    /// Records in one batch; 1 to 5000.
    #[arg(long, env = "BATCH_RECORDS", default_value_t = 500)]
    pub batch_records: usize,
    /// How long a batch's first record waits for company.
    #[arg(long, env = "BATCH_LINGER", default_value = "5ms", value_parser = duration)]
    pub batch_linger: Duration,
    /// Objects that one transaction may lock.
    #[arg(long, env = "MAX_TIED_OBJECTS", default_value_t = 20_000)]
    pub max_tied_objects: usize,
    /// How long a revocation or the end waits for a running batch.
    #[arg(long, env = "REVOKE_GRACE", default_value = "4s", value_parser = duration)]
    pub revoke_grace: Duration,
    /// Attempts after which an event that a named rule refuses becomes a dead letter; 1 to 1000.
    #[arg(long, env = "PARK_ATTEMPTS", default_value_t = 10)]
    pub park_attempts: u32,
    /// Pause before the second attempt on a parked event; doubles with each.
    #[arg(long, env = "PARK_RETRY_BASE", default_value = "1s", value_parser = duration)]
    pub park_retry_base: Duration,
    /// Longest pause between attempts on a parked event.
    #[arg(long, env = "PARK_RETRY_CAP", default_value = "5m", value_parser = duration)]
    pub park_retry_cap: Duration,
    /// Bookings that may be parked at once before the brake holds; 1 to 1000000.
    #[arg(long, env = "PARK_MAX_BOOKINGS", default_value_t = 1_000)]
    pub park_max_bookings: usize,
    /// Failures in a row, of one partition or of this process, at which the brake holds; 1 to 100000.
    #[arg(long, env = "BRAKE_IN_ROW", default_value_t = 20)]
    pub brake_in_row: usize,
    /// Outcomes over which the failing share is taken; 10 to 100000.
    #[arg(long, env = "BRAKE_WINDOW", default_value_t = 200)]
    pub brake_window: usize,
    /// Percent of them that may fail before the brake holds; 100: any share.
    #[arg(long, env = "BRAKE_SHARE", default_value_t = 50)]
    pub brake_share: usize,
    /// How long the database may be away, while Kafka is well, before this process gives its
    /// partitions up to others.
    #[arg(long, env = "DATABASE_GIVE_UP_AFTER", default_value = "30s", value_parser = duration)]
    pub database_give_up_after: Duration,
    /// How long a partition may make no progress, although it has records, before this process is
    /// not ready.
    #[arg(long, env = "STALLED_AFTER", default_value = "60s", value_parser = duration)]
    pub stalled_after: Duration,
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
    /// libpq URL.
    pub database_url: Secret,
    /// What is ours to fold.
    pub scope: Scope,
    /// Rules of folding.
    pub rules: Rules,
    /// Consumer group.
    pub group: String,
    /// Worker threads.
    pub workers: usize,
    /// Bounds of the queues.
    pub queues: QueueLimits,
    /// Grace of a revocation.
    pub revoke_grace: Duration,
    /// Pauses between attempts.
    pub backoff: Policy,
    /// When what is parked is tried again, and when no more.
    pub heads: HeadPolicy,
    /// When consumption stops.
    pub brake: BrakeLimits,
    /// When partitions are given up.
    pub database_give_up_after: Duration,
    /// When a partition without progress is reported.
    pub stalled_after: Duration,
}

impl ProcessorArgs {
    /// Checks everything.
    ///
    /// # Errors
    /// [`Refused`], with every problem.
    pub fn validate(self) -> Result<Config, Refused> {
        let mut problems = Problems::default();
        let kafka = self
            .kafka
            .settings("processor", self.common.deployment, &mut problems);
        let database_url = self.database.url(self.common.deployment, &mut problems);
        let livemode = match self.stripe_livemode.as_deref() {
            Some("true") => true,
            Some("false") => false,
            Some(_) | None => {
                problems.add("STRIPE_LIVEMODE must be `true` or `false`");
                false
            }
        };
        if livemode && self.common.is_development() {
            problems.add("STRIPE_LIVEMODE=true is refused with DEPLOYMENT=development");
        }
        for (name, value, bounds) in [
            ("WORKERS", self.workers, 1..=64),
            ("BATCH_RECORDS", self.batch_records, 1..=5_000),
            ("MAX_TIED_OBJECTS", self.max_tied_objects, 100..=1_000_000),
            ("PARK_MAX_BOOKINGS", self.park_max_bookings, 1..=1_000_000),
            ("BRAKE_IN_ROW", self.brake_in_row, 1..=100_000),
            ("BRAKE_WINDOW", self.brake_window, 10..=100_000),
            ("BRAKE_SHARE", self.brake_share, 1..=100),
        ] {
            if !bounds.contains(&value) {
                problems.add(format!(
                    "{name} must lie between {} and {}",
                    bounds.start(),
                    bounds.end()
                ));
            }
        }
        if !(1..=1_000).contains(&self.park_attempts) {
            problems.add("PARK_ATTEMPTS must lie between 1 and 1000");
        }
        if self.park_retry_base.is_zero() || self.park_retry_cap < self.park_retry_base {
            problems.add("PARK_RETRY_BASE must be more than nothing and at most PARK_RETRY_CAP");
        }
        for (name, value) in [
            ("DATABASE_GIVE_UP_AFTER", self.database_give_up_after),
            ("STALLED_AFTER", self.stalled_after),
        ] {
            if value < Duration::from_secs(1) {
                problems.add(format!("{name} must be at least 1s"));
            }
        }
        problems.into_result()?;
        Ok(Config {
            scope: Scope {
                livemode,
                accounts: accounts(&self.stripe_allowed_accounts),
            },
            rules: Rules {
                policy: money::Policy {
                    require_registration: self.require_registration,
                    client_reference: self.booking_from_client_reference,
                    report_unassigned: self.report_unassigned_money,
                },
                max_objects: self.max_tied_objects,
            },
            group: self.consumer_group,
            workers: self.workers,
            queues: QueueLimits {
                high: self.batch_records.saturating_mul(4),
                high_bytes: QUEUE_BYTES,
                low: self.batch_records,
                batch: self.batch_records,
                linger: self.batch_linger,
            },
            revoke_grace: self.revoke_grace,
            backoff: Policy {
                base: Duration::from_millis(50),
                cap: Duration::from_secs(5),
            },
            heads: HeadPolicy {
                attempts: self.park_attempts,
                backoff: Policy {
                    base: self.park_retry_base,
                    cap: self.park_retry_cap,
                },
            },
            brake: BrakeLimits {
                in_row: self.brake_in_row,
                window: self.brake_window,
                share: self.brake_share,
                parked: self.park_max_bookings,
            },
            database_give_up_after: self.database_give_up_after,
            stalled_after: self.stalled_after,
            common: self.common,
            topics: self.kafka,
            kafka,
            database_url,
        })
    }
}

impl Config {
    /// The database's URL, in the open: only for connecting.
    #[must_use]
    pub fn database_url(&self) -> &str {
        self.database_url.expose_secret()
    }
}

fn accounts(text: &str) -> Option<Vec<String>> {
    (text.trim() != "*").then(|| {
        text.split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    })
}
