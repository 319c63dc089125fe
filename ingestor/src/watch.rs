//! What is looked after while requests are served: the secrets' file, the producer's life, the
//! brokers' presence.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::web;
use shared::config::WebhookSecrets;
use shared::error::chain;
use shared::kafka::producer::Producer;
use shared::runtime::Health;

use crate::metrics::Metrics;
use crate::secrets::CurrentSecrets;

/// How often each is looked at. Not by the kernel's notices: they miss some swaps of a mount, and a
/// look at a small file is cheap.
const EVERY: Duration = Duration::from_secs(1);
/// Looks after which a trouble that lasts is told again.
const TOLD_EVERY: u32 = 60;

/// What is watched.
pub struct Watched {
    /// Where the secrets come from.
    pub source: WebhookSecrets,
    /// The secrets in force.
    pub secrets: Arc<CurrentSecrets>,
    /// The producer.
    pub producer: Arc<Producer>,
    /// Topic whose brokers must be there.
    pub topic: String,
    /// Its partitions, as configured.
    pub partitions: usize,
    /// … and as last seen.
    pub known_partitions: AtomicUsize,
    /// What is told.
    pub health: Arc<Health>,
    /// What is counted.
    pub metrics: Metrics,
}

/// The producer failed for good: whoever started the process starts it again, with a fresh one.
#[derive(Debug, thiserror::Error)]
#[error("the Kafka producer failed for good")]
pub struct ProducerFailed;

/// Watches until the producer fails for good.
pub async fn until_fatal(watched: Watched) -> ProducerFailed {
    let watched = Arc::new(watched);
    // Apart: a broker that does not answer must not delay a new secret.
    tokio::select! {
        failed = watch_producer(&watched) => failed,
        never = watch_secrets(&watched) => match never {},
    }
}

async fn watch_producer(watched: &Arc<Watched>) -> ProducerFailed {
    loop {
        tokio::time::sleep(EVERY).await;
        if watched.producer.is_fatal() {
            return ProducerFailed;
        }
        let producer = &watched.producer;
        let metrics = &watched.metrics;
        metrics.producing(producer.in_flight(), producer.linger());
        let parts = Arc::clone(watched);
        // Metadata is a blocking call.
        drop(web::block(move || parts.look_for_brokers()).await);
    }
}

async fn watch_secrets(watched: &Arc<Watched>) -> Infallible {
    let mut trouble = Trouble::default();
    loop {
        tokio::time::sleep(EVERY).await;
        if !watched.source.is_watched() {
            continue;
        }
        let parts = Arc::clone(watched);
        // Files are blocking calls.
        if let Ok(outcome) = web::block(move || parts.reload_secrets()).await {
            trouble.tell(outcome.err());
        }
    }
}

/// What keeps the secrets from being read, said once, and again while it lasts.
#[derive(Default)]
struct Trouble {
    what: Option<String>,
    looks: u32,
}

impl Trouble {
    fn tell(&mut self, now: Option<String>) {
        self.looks = match (&now, &self.what) {
            (Some(now), Some(before)) if now == before => self.looks.saturating_add(1),
            (Some(_) | None, _) => 0,
        };
        match &now {
            Some(error) if self.looks.is_multiple_of(TOLD_EVERY) => tracing::error!(
                error,
                looks = self.looks,
                "signing secrets not reloaded; the old ones stay"
            ),
            None if self.what.is_some() => tracing::info!("signing secrets can be read again"),
            Some(_) | None => {}
        }
        self.what = now;
    }
}

impl Watched {
    /// Puts changed secrets in force as a whole; keeps the old ones if the new cannot be taken.
    fn reload_secrets(&self) -> Result<(), String> {
        let found = self.source.load().map_err(|error| {
            self.metrics.reload_failed();
            chain(&error)
        })?;
        if let Some(change) = self.secrets.offer(found, Instant::now()) {
            let (found, leaving) = (change.found, change.leaving);
            tracing::info!(secrets = ?found, ?leaving, "signing secrets changed");
        }
        Ok(())
    }

    /// Unready while no broker answers, or while the brokers refuse what only a person can
    /// change: a balancer then asks another instance.
    fn look_for_brokers(&self) {
        match self
            .producer
            .partitions(&self.topic, Duration::from_secs(3))
        {
            Ok(partitions) => {
                self.compare(partitions);
                match self.producer.trouble() {
                    None => self.health.set_ready("kafka"),
                    Some(trouble) => self.health.set_unready("kafka", trouble),
                }
            }
            Err(error) => self.health.set_unready("kafka", chain(&error)),
        }
    }

    /// A topic that has grown is told and served: keys move, and folding makes that harmless.
    fn compare(&self, partitions: usize) {
        let before = self.known_partitions.swap(partitions, Ordering::Relaxed);
        if before != partitions && partitions != self.partitions {
            tracing::error!(
                topic = self.topic,
                partitions,
                expected = self.partitions,
                "the topic's partitions are not those that EVENTS_PARTITIONS says: keys have moved"
            );
        }
    }
}
