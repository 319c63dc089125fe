//! Builds what sweeps work with from the configuration, and checks what must hold before.

use std::sync::Arc;
use std::time::Duration;

use shared::ids::AccountId;
use shared::kafka::producer::{ConnectError, Producer};
use shared::kafka::topics::{self, TopicError, Wanted};

use crate::barrier::{Barrier, BarrierError};
use crate::config::{Accounts, Config};
use crate::counted::StatsReader;
use crate::publish::Publisher;
use crate::store::{Store, StoreError, accounts};
use crate::stripe::{Budget, Client, StripeError};
use crate::sweep::{Engine, Reader};

/// Longest wait for one append's acknowledgement.
const APPEND_DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for the brokers' answers at start.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(15);

/// Why the parts can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    #[error("Postgres is not fit")]
    Store(#[from] StoreError),
    #[error("the topic of events is not fit")]
    Topic(#[from] TopicError),
    #[error("the producer is not ready")]
    Producer(#[from] ConnectError),
    #[error("the barrier can't be watched")]
    Barrier(#[from] BarrierError),
    #[error("Stripe's client can't be made")]
    Stripe(#[from] StripeError),
    #[error("a thread ended early")]
    Thread(#[source] tokio::task::JoinError),
}

impl PartsError {
    /// A restart with the same configuration will not help: the schema is older than we are.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::Schema(_)),
            Self::Topic(TopicError::Unfit(_)) => true,
            Self::Topic(TopicError::Unreachable { .. } | TopicError::Missing(_))
            | Self::Producer(_)
            | Self::Barrier(_)
            | Self::Stripe(_)
            | Self::Thread(_) => false,
        }
    }
}

/// Checks the topic of events.
///
/// # Errors
/// [`PartsError::Topic`].
pub async fn check_topic(config: &Config) -> Result<(), PartsError> {
    let wanted = Wanted {
        topic: config.topic.clone(),
        partitions: Some(config.partitions),
        development: config.common.is_development(),
    };
    Ok(topics::check(&config.kafka, &[wanted], KAFKA_TIMEOUT).await?)
}

/// The process's one producer, warm.
///
/// # Errors
/// [`PartsError::Producer`].
pub async fn producer(config: &Config) -> Result<Arc<Producer>, PartsError> {
    let (settings, topic) = (config.kafka.clone(), config.topic.clone());
    tokio::task::spawn_blocking(move || {
        let producer = Producer::create(&settings, APPEND_DEADLINE)?;
        producer.warm(&topic, KAFKA_TIMEOUT)?;
        Ok(Arc::new(producer))
    })
    .await
    .map_err(PartsError::Thread)?
}

/// What it takes to read both sides, with a connection to Postgres of its own.
///
/// # Errors
/// [`PartsError`].
pub async fn reader(config: &Config) -> Result<Reader, PartsError> {
    let partitions = i32::try_from(config.partitions).unwrap_or(i32::MAX);
    let client = config.kafka.client();
    let (topic, patience) = (config.topic.clone(), config.barrier_timeout);
    let budget = match config.call_rate {
        Some(rate) => Budget::Shared {
            store: Store::connect_without_locks(config.database.clone()).await?,
            rate,
        },
        None => Budget::Unbounded,
    };
    Ok(Reader {
        client: Client::new(config.stripe.clone(), budget)?,
        store: Store::connect(config.database.clone()).await?,
        barrier: Barrier::new(&client, topic, partitions, patience)?,
        stats: Some(StatsReader::new(
            config.kafka.clone(),
            config.stats_topic.clone(),
        )),
        limits: config.limits.clone(),
    })
}

/// What it takes to sweep.
///
/// # Errors
/// [`PartsError`].
pub async fn engine(
    config: &Config,
    producer: &Arc<Producer>,
) -> Result<Engine<Producer>, PartsError> {
    Ok(Engine {
        reader: reader(config).await?,
        publisher: Arc::new(Publisher::new(
            Arc::clone(producer),
            config.topic.clone(),
            config.repair_rate,
        )),
    })
}

/// The accounts to sweep, our own (`None`) first; without those that have disconnected.
///
/// # Errors
/// [`StoreError`].
pub async fn accounts(
    config: &Config,
    store: &Store,
) -> Result<Vec<Option<AccountId>>, StoreError> {
    let connected = match &config.accounts {
        Accounts::Listed(accounts) => accounts.clone(),
        Accounts::Seen => store.run("accounts_seen", accounts::seen).await?,
    };
    let asked = connected.clone();
    let gone = store
        .run("accounts_gone", move |connection| {
            accounts::deauthorized(connection, &asked)
        })
        .await?;
    let connected = connected.into_iter().filter(|it| !gone.contains(it));
    Ok(std::iter::once(None).chain(connected.map(Some)).collect())
}
