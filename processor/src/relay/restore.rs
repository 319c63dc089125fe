//! A restored database, noticed before a fact leaves.
//!
//! Each new session compares Postgres' progress with the offsets that the group committed to Kafka:
//! a restore ends all sessions, and a partition that nobody has claimed since may hold operators'
//! decisions that are not applied again yet. Whoever claims a partition compares, too
//! (`consumer::claim`).
//!
//! Invariant: Kafka is asked first. Progress only rises, so what is behind an older answer is from
//! another time.

use std::time::Duration;

use diesel::pg::PgConnection;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::RelayError;
use crate::progress::forgotten;
use crate::store::{progress, restores};

const WITHIN: Duration = Duration::from_secs(5);

/// The group's offsets in Kafka.
#[derive(Debug, Clone)]
pub struct Witness {
    /// A consumer of the group; it never joins it.
    pub client: ClientConfig,
    /// Topic of events.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: i32,
}

impl Witness {
    /// `(partition, offset)`, where one was committed.
    fn committed(&self, consumer: &BaseConsumer) -> Result<Vec<(i32, i64)>, KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.topic, 0, self.partitions.saturating_sub(1));
        let told = consumer.committed_offsets(list, WITHIN)?;
        let offset =
            |it: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match it.offset() {
                Offset::Offset(at) => Some((it.partition(), at)),
                _ => None,
            };
        Ok(told.elements().iter().filter_map(offset).collect())
    }

    /// Notes what the database has forgotten, for every partition.
    pub(super) fn notice(&self, conn: &mut PgConnection) -> Result<(), RelayError> {
        let consumer: BaseConsumer = self.client.create().map_err(RelayError::Witness)?;
        let committed = self.committed(&consumer).map_err(RelayError::Witness)?;
        let rows = progress::all(conn, &self.topic)?;
        for (partition, reached) in committed {
            let row = rows.iter().find(|(of, ..)| *of == partition);
            let next = row.map_or(0, |(_, next, _)| *next);
            if next >= reached {
                continue;
            }
            let (_, high) = consumer
                .fetch_watermarks(&self.topic, partition, WITHIN)
                .map_err(RelayError::Witness)?;
            if let Some((from, to)) = forgotten(next, reached, high) {
                tracing::error!(
                    "kafka.partition" = partition,
                    from,
                    to,
                    "the database was restored from a backup: booking events wait until this \
                     range is applied again"
                );
                restores::notice(conn, (&self.topic, partition), (from, to))?;
            }
        }
        Ok(())
    }
}
