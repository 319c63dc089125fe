//! A topic that is filled first, and a processor that then reads it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Double};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord};

use crate::services::{Service, ServiceBuilder};
use crate::stack::postgres::execute;
use crate::stack::topics::{Topic, create};
use crate::stack::url::with;
use crate::stack::{Kafka, Postgres, RunDir};

/// How long anything is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// One broker and one server, for all runs of a part.
pub(super) struct Bed {
    dir: RunDir,
    kafka: Kafka,
    postgres: Postgres,
}

/// A database and topics of one run.
pub(super) struct Drain {
    pub(super) brokers: String,
    name: String,
    service: ServiceBuilder,
    /// The owner's URL.
    pub(super) url: String,
    /// Topic of events.
    pub(super) events: String,
}

/// A count.
#[derive(QueryableByName)]
pub(super) struct Number {
    #[diesel(sql_type = BigInt)]
    pub(super) n: i64,
}

#[derive(QueryableByName)]
struct Seconds {
    #[diesel(sql_type = Double)]
    s: f64,
}

impl Bed {
    /// Starts both.
    ///
    /// # Errors
    /// When one does not start.
    pub(super) fn start(name: &str) -> anyhow::Result<Self> {
        let dir = RunDir::create(name)?;
        let kafka = Kafka::start(dir.path(), 1)?;
        let postgres = Postgres::start(dir.path())?;
        Ok(Self {
            dir,
            kafka,
            postgres,
        })
    }

    /// Where logs of this part's services go.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The server's process id.
    pub(super) fn postgres_pid(&self) -> i32 {
        self.postgres.pid()
    }

    /// A migrated database and empty topics under this name.
    ///
    /// # Errors
    /// When they could not be made.
    pub(super) fn prepare(&self, name: &str) -> anyhow::Result<Drain> {
        let create_database = format!("CREATE DATABASE {name}");
        execute(&self.postgres.url("postgres"), &create_database)?;
        let url = self.postgres.url(name);
        let topic = |kind: &str| format!("{name}.{kind}");
        let brokers = self.kafka.brokers();
        let topics = [
            Topic::events(topic("events"), 12),
            Topic::events(topic("dead"), 12),
            Topic::facts(topic("facts"), 12),
        ];
        create(&brokers, &topics)?;
        let service = ServiceBuilder::new("processor")
            .env("KAFKA_BROKERS", &brokers)
            .env("RUST_LOG", "warn")
            .env("EVENTS_TOPIC", topic("events"))
            .env("DEAD_TOPIC", topic("dead"))
            .env("BOOKINGS_TOPIC", topic("facts"))
            .env("CONSUMER_GROUP", name);
        let owner = service.clone().env("DATABASE_URL", &url);
        owner.run_once("migrate")?;
        Ok(Drain {
            brokers,
            name: name.to_owned(),
            service,
            url,
            events: topic("events"),
        })
    }
}

impl Drain {
    /// A producer whose records go to the partition that their key says.
    ///
    /// # Errors
    /// The client's.
    pub(super) fn producer(&self) -> anyhow::Result<BaseProducer> {
        Ok(ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
            .set("acks", "all")
            .create()?)
    }

    /// A processor under its own role.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub(super) fn start(&self, bed: &Bed) -> anyhow::Result<Service> {
        self.start_at(bed, self.url_as("bookend_processor"))
    }

    /// The URL for a role.
    pub(super) fn url_as(&self, role: &str) -> String {
        with(&self.url, Some(role), &self.name)
    }

    /// A processor that reaches the database by this URL.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub(super) fn start_at(&self, bed: &Bed, url: String) -> anyhow::Result<Service> {
        let service = self.service.clone().env("DATABASE_URL", url);
        let mut processor = service.spawn(bed.dir.path())?;
        processor.wait_ready(PATIENCE)?;
        Ok(processor)
    }
}

/// Waits for room in the producer's queue.
pub(super) fn send(
    producer: &BaseProducer,
    mut record: BaseRecord<'_, String, String>,
) -> anyhow::Result<()> {
    loop {
        #[expect(clippy::disallowed_methods, reason = "the load is no service's")]
        let sent = producer.send(record);
        match sent {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(20));
                record = back;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Events a second of those that `which` names, of which there are so many, from the first that was
/// applied to the last.
pub(super) fn rate(conn: &mut PgConnection, events: u64, which: &str) -> anyhow::Result<f64> {
    let span: Seconds = sql_query(format!(
        "SELECT extract(epoch FROM max(applied_at) - min(applied_at))::float8 AS s \
         FROM events WHERE {which}"
    ))
    .get_result(conn)?;
    Ok(f64::from(u32::try_from(events)?) / span.s.max(0.001))
}

/// Waits until the count is at least as wanted.
pub(super) fn wait(conn: &mut PgConnection, wanted: u64, sql: &str) -> anyhow::Result<()> {
    let wanted = i64::try_from(wanted)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let row: Number = sql_query(sql).get_result(conn)?;
        if row.n >= wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{} of {wanted} within {PATIENCE:?}: {sql}", row.n);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The middle one.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
