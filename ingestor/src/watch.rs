//! What is looked after while requests are served: the secrets' file, the producer's life, the
//! brokers' presence.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::web;
use shared::config::WebhookSecrets;
use shared::error::chain;
use shared::kafka::producer::Producer;
use shared::runtime::Health;

use crate::metrics::Metrics;
use crate::secrets::CurrentSecrets;

/// How often each is looked at.
const EVERY: Duration = Duration::from_secs(1);

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
    loop {
        tokio::time::sleep(EVERY).await;
        if watched.producer.is_fatal() {
            return ProducerFailed;
        }
        watched.metrics.producing(watched.producer.in_flight());
        let parts = Arc::clone(&watched);
        // Files and metadata are blocking calls.
        drop(
            web::block(move || {
                parts.reload_secrets();
                parts.look_for_brokers();
            })
            .await,
        );
    }
}

impl Watched {
    /// Puts changed secrets in force as a whole; keeps the old ones if the new cannot be taken.
    fn reload_secrets(&self) {
        if !self.source.is_watched() {
            return;
        }
        match self.source.load() {
            Ok(secrets) => {
                if !secrets.is_same(&self.secrets.get()) {
                    tracing::info!(secrets = ?secrets.names(), "signing secrets changed");
                    self.secrets.replace(secrets);
                }
            }
            Err(error) => {
                self.metrics.reload_failed();
                tracing::error!(
                    error = chain(&error),
                    "signing secrets not reloaded; the old ones stay"
                );
            }
        }
    }

    /// Unready while no broker answers, or while the brokers refuse what only a person can
    /// change: a balancer then asks another instance.
    fn look_for_brokers(&self) {
        match self.producer.warm(&self.topic, Duration::from_secs(3)) {
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
