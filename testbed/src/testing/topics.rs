//! Topics and a consumer group for one test.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::{brokers, unique};
use crate::stack::topics::{Topic, create, delete};

/// Partitions of the events topic, as services expect by default.
const PARTITIONS: i32 = 12;

/// Topics of its own; deleted when this goes.
#[derive(Debug)]
pub struct TestTopics {
    /// The value of KAFKA_BROKERS.
    pub brokers: String,
    /// For EVENTS_TOPIC.
    pub events: String,
    /// For DEAD_TOPIC.
    pub dead: String,
    /// For BOOKINGS_TOPIC.
    pub bookings: String,
    /// For STATS_TOPIC.
    pub stats: String,
    /// For CONSUMER_GROUP.
    pub group: String,
}

impl TestTopics {
    /// Creates the topics: one partition for the counts, twelve for each other.
    ///
    /// # Panics
    /// When there is no Kafka, or it refuses.
    #[must_use]
    pub fn create() -> Self {
        Self::on(brokers())
    }

    /// The same, on a given cluster.
    ///
    /// # Panics
    /// When Kafka refuses.
    #[must_use]
    pub fn on(brokers: String) -> Self {
        let name = unique("test");
        let topics = Self {
            events: format!("{name}.events"),
            dead: format!("{name}.dead"),
            bookings: format!("{name}.bookings"),
            stats: format!("{name}.stats"),
            group: name,
            brokers,
        };
        let wanted = [
            Topic::events(&topics.events, PARTITIONS),
            Topic::events(&topics.dead, PARTITIONS),
            Topic::facts(&topics.bookings, PARTITIONS),
            Topic::facts(&topics.stats, 1),
        ];
        if let Err(error) = create(&topics.brokers, &wanted) {
            panic!("{error}");
        }
        topics
    }

    /// Appends a record to a partition of the events topic, and waits until it is there.
    ///
    /// # Panics
    /// When Kafka refuses, or does not answer within 30 s.
    pub fn append(&self, partition: i32, value: &str) {
        let client = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create::<BaseProducer>();
        let sent = client.and_then(|producer| {
            let record = BaseRecord::<str, str>::to(&self.events)
                .partition(partition)
                .payload(value);
            #[expect(clippy::disallowed_methods, reason = "a record that no service made")]
            let sent = producer.send(record);
            sent.map_err(|(error, _)| error)?;
            producer.flush(Duration::from_secs(30))
        });
        if let Err(error) = sent {
            panic!("{error}");
        }
    }

    /// Name of an events topic that is not there before [`Self::create_later`].
    #[must_use]
    pub fn later(&self) -> String {
        format!("{}.later", self.group)
    }

    /// Creates the topic that was named late.
    ///
    /// # Panics
    /// When Kafka refuses.
    pub fn create_later(&self) {
        let wanted = [Topic::events(self.later(), PARTITIONS)];
        if let Err(error) = create(&self.brokers, &wanted) {
            panic!("{error}");
        }
    }
}

impl Drop for TestTopics {
    fn drop(&mut self) {
        let later = self.later();
        // What is not there is no error.
        let names = [
            &*self.events,
            &*self.dead,
            &*self.bookings,
            &*self.stats,
            &*later,
        ];
        // The cluster may be the one that the test has stopped.
        if let Err(error) = delete(&self.brokers, &names) {
            eprintln!("testbed: {error}");
        }
    }
}
