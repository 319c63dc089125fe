//! The barrier: nothing is compared before the processor has passed the log's ends.
//!
//! Invariant: a backlog is never taken for a gap. The ends are read *after* the listing, so that
//! everything that could have arrived for a listed event lies before them.
//!
//! Deliberately absent: the consumer group and its offsets, which are only hints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::store::{Store, StoreError, ledger};

/// How long one broker may take to tell an end.
const ENDS_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why it isn't known whether the barrier is passed.
#[derive(Debug, thiserror::Error)]
pub enum BarrierError {
    #[error("the end of partition {partition} can't be read")]
    Ends {
        partition: i32,
        #[source]
        cause: rdkafka::error::KafkaError,
    },
    #[error("the client that reads the log's ends can't be made")]
    Client(#[source] rdkafka::error::KafkaError),
    #[error("the processor's progress can't be read")]
    Progress(#[from] StoreError),
    #[error("the thread that reads the log's ends ended early")]
    Thread(#[source] tokio::task::JoinError),
}

/// How far the processor is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Records between progress and the ends, over all partitions.
    pub records: i64,
    /// Partitions that are behind.
    pub partitions: usize,
}

/// Whether progress has passed every end; else by how much not. A partition that nobody has
/// applied anything of has progress 0.
pub fn lag(ends: &BTreeMap<i32, i64>, progress: &BTreeMap<i32, i64>) -> Option<Lag> {
    let behind: Vec<i64> = ends
        .iter()
        .map(|(partition, end)| end.saturating_sub(progress.get(partition).copied().unwrap_or(0)))
        .filter(|behind| *behind > 0)
        .collect();
    (!behind.is_empty()).then(|| Lag {
        records: behind
            .iter()
            .fold(0, |sum, behind| i64::saturating_add(sum, *behind)),
        partitions: behind.len(),
    })
}

/// Reads the log's ends and waits for the processor.
#[derive(Clone)]
pub struct Barrier {
    client: Arc<BaseConsumer>,
    topic: String,
    partitions: i32,
    patience: Duration,
}

impl Barrier {
    /// `client`: settings that reach the brokers; `patience`: longest wait for the processor.
    ///
    /// # Errors
    /// [`BarrierError::Client`].
    pub fn new(
        client: &rdkafka::ClientConfig,
        topic: String,
        partitions: i32,
        patience: Duration,
    ) -> Result<Self, BarrierError> {
        let client = client.create().map_err(BarrierError::Client)?;
        Ok(Self {
            client: Arc::new(client),
            topic,
            partitions,
            patience,
        })
    }

    /// Reads the ends now and waits until progress has passed them all: `None`. What still lay
    /// before it when patience ended is the lag. Safe to drop.
    ///
    /// # Errors
    /// [`BarrierError`]: treat as not passed.
    pub async fn wait(&self, store: &Store) -> Result<Option<Lag>, BarrierError> {
        let deadline = tokio::time::Instant::now() + self.patience;
        let ends = loop {
            match self.ends().await {
                Ok(ends) => break ends,
                Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
                // A partition that changes its leader has an end again in a moment.
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        loop {
            let topic = self.topic.clone();
            let progress = store
                .run("progress", move |connection| {
                    ledger::progress(connection, &topic)
                })
                .await?;
            let lag = lag(&ends, &progress);
            if lag.is_none() || tokio::time::Instant::now() >= deadline {
                return Ok(lag);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn ends(&self) -> Result<BTreeMap<i32, i64>, BarrierError> {
        let (client, topic, partitions) = (
            Arc::clone(&self.client),
            self.topic.clone(),
            self.partitions,
        );
        let read = move || {
            (0..partitions)
                .map(|partition| {
                    client
                        .fetch_watermarks(&topic, partition, ENDS_TIMEOUT)
                        .map(|(_start, end)| (partition, end))
                        .map_err(|cause| BarrierError::Ends { partition, cause })
                })
                .collect()
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(BarrierError::Thread)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barrier_is_passed_only_when_every_partition_is() {
        let ends = BTreeMap::from([(0, 10), (1, 0), (2, 5)]);
        assert_eq!(lag(&ends, &BTreeMap::from([(0, 10), (2, 5)])), None);
        assert_eq!(lag(&ends, &BTreeMap::from([(0, 11), (1, 3), (2, 5)])), None);
        assert_eq!(
            lag(&ends, &BTreeMap::from([(0, 9), (2, 5)])),
            Some(Lag {
                records: 1,
                partitions: 1
            })
        );
    }

    #[test]
    fn log_that_nobody_has_read_is_all_lag() {
        assert_eq!(
            lag(&BTreeMap::from([(0, 7), (1, 1), (2, 0)]), &BTreeMap::new()),
            Some(Lag {
                records: 8,
                partitions: 2
            })
        );
    }

    #[test]
    fn progress_of_a_partition_that_is_gone_hides_no_lag() {
        let ends = BTreeMap::from([(0, 3)]);
        assert!(lag(&ends, &BTreeMap::from([(0, 1), (9, 100)])).is_some());
    }
}
