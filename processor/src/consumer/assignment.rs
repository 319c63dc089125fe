//! What happens when the group gives us partitions or takes them away.
//!
//! Invariant: `assign` is called once a rebalance, with the offsets already in the list, and
//! only for partitions whose row in Postgres we could claim. The rest is ours by the group's
//! word but not read until it is claimed (see [`Assignment::claim_waiting`]).
//!
//! Source: librdkafka, `rd_kafka_conf_set_rebalance_cb`; Kafka's classic consumer protocol.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::pg::PgConnection;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use shared::db::Limits;
use shared::kafka::ClientMetrics;

use super::claim::claim;
use super::queues::Queues;
use crate::progress::Start;

/// The group's side of the consumer.
pub(super) struct Assignment {
    topic: String,
    database_url: String,
    queues: Arc<Queues>,
    revoke_grace: Duration,
    connection: Mutex<Option<PgConnection>>,
    waiting: Mutex<BTreeSet<i32>>,
    /// What the group calls ours.
    given: Mutex<BTreeSet<i32>>,
    metrics: ClientMetrics,
}

impl ClientContext for Assignment {
    fn stats(&self, statistics: Statistics) {
        self.metrics.record(&statistics);
    }
}

impl ConsumerContext for Assignment {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions = partitions_of(list);
        match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assigned(consumer, &partitions);
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                self.revoked(consumer, &partitions);
            }
            other => {
                tracing::error!(code = ?other, "the group's rebalance failed; giving up all partitions");
                self.revoked(consumer, &partitions);
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // A hint that was not taken: an evicted member's, or a broker in trouble.
            tracing::debug!(%error, "commit hint refused");
        }
    }
}

impl Assignment {
    pub(super) fn new(
        topic: String,
        database_url: String,
        queues: Arc<Queues>,
        revoke_grace: Duration,
    ) -> Self {
        Self {
            topic,
            database_url,
            queues,
            revoke_grace,
            connection: Mutex::new(None),
            waiting: Mutex::default(),
            given: Mutex::default(),
            metrics: ClientMetrics::new("consumer"),
        }
    }

    /// The topic that is read.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// Partitions the group gave us that could not be claimed yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) {
        tracing::info!(?partitions, "partitions assigned");
        self.given
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(partitions);
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(partitions);
        self.claim_each(consumer);
        self.read_open_partitions(consumer);
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) {
        tracing::info!(?partitions, "partitions revoked");
        self.given
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|partition| !partitions.contains(partition));
        let finished = self.queues.close(partitions, self.revoke_grace);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|partition| !partitions.contains(partition));
        drop(waiting);
        if !consumer.assignment_lost() {
            self.commit_hint(consumer, &finished, CommitMode::Sync);
        }
        if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "unassign failed");
        }
    }

    /// Tries again to claim what could not be claimed. Called by the polling thread between
    /// polls; does nothing when all is claimed.
    pub(super) fn claim_waiting(&self, consumer: &BaseConsumer<Self>) {
        self.take_back();
        if self.waiting() > 0 && self.claim_each(consumer) {
            self.read_open_partitions(consumer);
        }
    }

    /// What was lost to another's claim, or to a restored database, and still is ours by the
    /// group's word.
    fn take_back(&self) {
        let lost = self.queues.take_reclaims();
        if lost.is_empty() {
            return;
        }
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let ours: Vec<i32> = lost.into_iter().filter(|p| given.contains(p)).collect();
        drop(given);
        tracing::warn!(?ours, "claiming again what the group calls ours");
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(ours);
    }

    /// Claims everything anew: the log no longer matches where we were reading.
    pub(super) fn claim_again(&self, consumer: &BaseConsumer<Self>) {
        let open: Vec<i32> = self.queues.positions().iter().map(|(p, _)| *p).collect();
        drop(self.queues.close(&open, self.revoke_grace));
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(open);
        self.claim_each(consumer);
        self.read_open_partitions(consumer);
    }

    /// Hands the client the open partitions with their offsets. Replaces the whole list, so
    /// that nothing is fetched from anywhere else.
    pub(super) fn read_open_partitions(&self, consumer: &BaseConsumer<Self>) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in self.queues.positions() {
            if let Err(error) =
                list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))
            {
                tracing::error!(partition, offset, %error, "offset refused by the client");
            }
        }
        if let Err(error) = consumer.assign(&list) {
            tracing::error!(%error, "assign failed");
            return;
        }
        // Pauses survive an assignment in librdkafka: without this a queue that was full
        // before would never be fed again.
        if let Err(error) = consumer.resume(&list) {
            tracing::warn!(%error, "resume failed");
        }
        self.queues.forget_pauses();
    }

    pub(super) fn commit_hint(
        &self,
        consumer: &BaseConsumer<Self>,
        finished: &[(i32, i64)],
        mode: CommitMode,
    ) {
        if finished.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (partition, next) in finished {
            if list
                .add_partition_offset(&self.topic, *partition, Offset::Offset(*next))
                .is_err()
            {
                tracing::debug!(partition, next, "commit hint refused by the client");
            }
        }
        if let Err(error) = consumer.commit(&list, mode) {
            // Counted on nowhere: Postgres knows how far we are.
            tracing::debug!(%error, "commit hint not written");
        }
    }

    /// Claims each waiting partition; returns whether any was claimed.
    fn claim_each(&self, consumer: &BaseConsumer<Self>) -> bool {
        let waiting: Vec<i32> = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect();
        let mut any = false;
        for partition in waiting {
            match self.claim_one(consumer, partition) {
                Ok(()) => {
                    any = true;
                    self.waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .remove(&partition);
                }
                Err(error) => {
                    tracing::warn!(
                        "kafka.partition" = partition,
                        error = shared::error::chain(&error),
                        "partition not claimed yet; it is not read until it is"
                    );
                    // The next ones would wait for the same server: come back after a poll.
                    break;
                }
            }
        }
        any
    }

    fn claim_one(&self, consumer: &BaseConsumer<Self>, partition: i32) -> Result<(), ClaimError> {
        let ends = self.ends(consumer, partition)?;
        let reached = self
            .committed(consumer, partition)?
            .max(self.queues.reached(partition));
        let mut slot = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => shared::db::connect(
                &self.database_url,
                "bookend-processor-claim",
                claim_limits(),
            )?,
        };
        let claimed = claim(&mut connection, &self.topic, partition, ends, reached);
        if claimed.is_ok() {
            // A connection that failed is not used again.
            *slot = Some(connection);
        }
        drop(slot);
        let claimed = claimed?;
        match claimed.start {
            Start::At(_) => {}
            Start::Hole { from, to } => tracing::error!(
                "kafka.partition" = partition,
                from,
                to,
                "the log begins after our progress: this range was deleted before it was applied; \
                 it is written to log_holes for the reconciler"
            ),
            Start::Shorter { end, next, restart } => tracing::error!(
                "kafka.partition" = partition,
                end,
                next,
                restart,
                "the log ends before our progress: reading it again from its start; \
                 the difference is written to log_holes for the reconciler"
            ),
        }
        if let Some((from, to)) = claimed.forgotten {
            tracing::error!(
                "kafka.partition" = partition,
                from,
                to,
                "the database was restored from a backup: this range is applied again; \
                 booking events wait until it is"
            );
        }
        self.queues
            .open(partition, claimed.epoch, claimed.next_offset, claimed.held);
        Ok(())
    }

    /// The group's committed offset; 0: none. It is told only after Postgres committed.
    fn committed(
        &self,
        consumer: &BaseConsumer<Self>,
        partition: i32,
    ) -> Result<i64, rdkafka::error::KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        let told = consumer.committed_offsets(list, Duration::from_secs(3))?;
        let offset = told.elements().first().map(|it| it.offset());
        Ok(match offset {
            Some(Offset::Offset(at)) => at,
            Some(_) | None => 0,
        })
    }

    /// First and last+1 offset of the partition.
    fn ends(
        &self,
        consumer: &BaseConsumer<Self>,
        partition: i32,
    ) -> Result<(i64, i64), rdkafka::error::KafkaError> {
        consumer.fetch_watermarks(&self.topic, partition, Duration::from_secs(3))
    }
}

#[derive(Debug, thiserror::Error)]
enum ClaimError {
    #[error("cannot read the log's ends")]
    Log(#[from] rdkafka::error::KafkaError),
    #[error("cannot reach the database")]
    Connect(#[from] shared::db::ConnectError),
    #[error("cannot claim the partition's progress")]
    Progress(#[from] diesel::result::Error),
}

/// Short: the polling thread must go on polling, or the group takes everything away.
fn claim_limits() -> Limits {
    Limits {
        statement: Duration::from_secs(3),
        lock: Duration::from_secs(2),
        connect: Duration::from_secs(2),
        ..Limits::default()
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<i32> {
    list.elements()
        .iter()
        .map(|element| element.partition())
        .collect()
}
