//! What the demo plays on: servers and services of its own, and the fake Stripe.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::services::{Service, ServiceBuilder};
use crate::stack::postgres::execute;
use crate::stack::url::with;
use crate::stack::{Kafka, Postgres, RunDir};
use crate::stripe::Booking;
use crate::stripe::Faults;
use crate::stripe::{DeliveryPolicy, FakeConfig};
use crate::stripe::{Fake, FakeHandle};

/// The secret at the start of the day.
pub const FIRST_SECRET: &str = "whsec_first_5WYLQUyrb3vtCcPWxPqGSwHn";
/// The secret it is rolled to.
pub const NEW_SECRET: &str = "whsec_newer_8HkTnRz2mDq6LbXvYc4JpWfA";

/// Everything that runs. Fields are dropped in this order: whoever uses a server goes first.
pub struct Stage {
    /// The fake Stripe.
    pub fake: FakeHandle,
    /// The three services.
    pub ingestor: Service,
    /// The three services.
    pub processor: Service,
    /// The three services.
    pub reconciler: Service,
    /// Postgres.
    pub postgres: Postgres,
    /// Kafka.
    pub kafka: Kafka,
    /// The file the ingestor reads its signing secrets from.
    pub secrets: PathBuf,
    /// The superuser's URL.
    pub database: String,
    _dir: RunDir,
}

const READY: Duration = Duration::from_secs(60);

impl Stage {
    /// Starts all of it.
    ///
    /// # Errors
    /// What could not be started, by name.
    pub fn set(seed: u64, faults: Faults) -> anyhow::Result<Self> {
        let dir = RunDir::create(&format!("demo-{seed}"))?;
        let kafka = Kafka::start(dir.path(), 1)?;
        crate::stack::topics::create(&kafka.brokers(), &crate::stack::topics::standard())?;
        let postgres = Postgres::start(dir.path())?;
        execute(&postgres.url("postgres"), "CREATE DATABASE bookend")?;
        let database = postgres.url("bookend");
        let service = |name: &str| ServiceBuilder::new(name).env("KAFKA_BROKERS", kafka.brokers());
        service("processor")
            .env("DATABASE_URL", &database)
            .run_once("migrate")?;
        let secrets = dir.path().join("signing-secrets");
        std::fs::write(&secrets, format!("first={FIRST_SECRET}\n"))
            .context("cannot write the secrets")?;
        let mut ingestor = service("ingestor")
            .env("STRIPE_WEBHOOK_SECRETS_FILE", secrets.display().to_string())
            .spawn(dir.path())?;
        let fake = Fake::start(FakeConfig {
            target: Some(format!("{}/webhooks/stripe", ingestor.url())),
            secret: FIRST_SECRET.to_owned(),
            seed,
            faults,
            history: Some(dir.path().join("history.jsonl")),
            delivery: DeliveryPolicy {
                timeout: Duration::from_secs(10),
                retry_cap: Duration::from_secs(3),
                ..DeliveryPolicy::default()
            },
            ..FakeConfig::default()
        })?;
        let mut processor = service("processor")
            .env(
                "DATABASE_URL",
                with(&database, Some("bookend_processor"), "bookend"),
            )
            .spawn(dir.path())?;
        let mut reconciler = service("reconciler")
            .env(
                "DATABASE_URL",
                with(&database, Some("bookend_reconciler"), "bookend"),
            )
            .env("STRIPE_API_BASE", fake.url())
            .env("STRIPE_API_KEY", FakeConfig::default().api_key)
            .env("STRIPE_CALLS_PER_SECOND", "20")
            .env("SWEEP_INTERVAL", "2s")
            .env("SWEEP_LAG", "3s")
            .env("SWEEP_OVERLAP", "60s")
            .env("PENDING_AFTER", "15s")
            .env("REFETCH_PAUSE", "2s")
            .env("REFETCH_INTERVAL", "500ms")
            .spawn(dir.path())?;
        for one in [&mut ingestor, &mut processor, &mut reconciler] {
            one.wait_ready(READY)?;
        }
        Ok(Self {
            fake,
            ingestor,
            processor,
            reconciler,
            postgres,
            kafka,
            secrets,
            database,
            _dir: dir,
        })
    }

    /// Registers bookings as the booking application would.
    ///
    /// # Errors
    /// The database's.
    pub fn register(&self, bookings: &[Booking]) -> anyhow::Result<()> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let optional =
            |text: Option<&String>| text.map_or_else(|| "NULL".to_owned(), |text| quoted(text));
        let url = with(&self.database, Some("bookend_app"), "bookend");
        let calls: Vec<String> = bookings
            .iter()
            .map(|booking| {
                format!(
                    "SELECT register_booking({}, {}, {}, {}, {});",
                    quoted(&booking.id),
                    booking.amount,
                    quoted(&booking.currency),
                    optional(booking.payment_intent.as_ref()),
                    optional(booking.account.as_ref()),
                )
            })
            .collect();
        execute(&url, &calls.concat())?;
        Ok(())
    }
}
