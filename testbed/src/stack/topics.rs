//! Topics, by Kafka's own administration protocol. Blocking; safe to call inside a runtime.

use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;

use super::error::StackError;

/// One topic to create.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// Topic settings, name and value.
    pub settings: Vec<(&'static str, &'static str)>,
}

impl Topic {
    /// A topic for Stripe's events, or for what could not be applied: kept 45 days.
    #[must_use]
    pub fn events(name: impl Into<String>, partitions: i32) -> Self {
        Self::kept(name, partitions, "3888000000")
    }

    /// A topic of facts for other services, or of counts: kept 35 days, longer than Stripe lists.
    #[must_use]
    pub fn facts(name: impl Into<String>, partitions: i32) -> Self {
        Self::kept(name, partitions, "3024000000")
    }

    /// Never compacted, bounded by time and not by size, records up to 6 MiB.
    fn kept(name: impl Into<String>, partitions: i32, retention_ms: &'static str) -> Self {
        Self {
            name: name.into(),
            partitions,
            settings: vec![
                ("cleanup.policy", "delete"),
                ("retention.ms", retention_ms),
                ("retention.bytes", "-1"),
                ("max.message.bytes", "6291456"),
            ],
        }
    }
}

/// The topics of a deployment.
#[must_use]
pub fn standard() -> Vec<Topic> {
    vec![
        Topic::events("stripe.events", 12),
        Topic::events("stripe.events.dead", 12),
        Topic::facts("booking.events", 12),
        Topic::facts("ingestor.stats", 1),
    ]
}

/// Creates `topics`; one that is there already is left as it is.
///
/// # Errors
/// When Kafka refuses one, or does not answer within 30 s.
pub fn create(brokers: &str, topics: &[Topic]) -> Result<(), StackError> {
    let replicas = i32::try_from(brokers_up(brokers).clamp(1, 3)).unwrap_or(1);
    let in_sync = if replicas == 3 { "2" } else { "1" };
    let names = || topics.iter().map(|topic| topic.name.as_str());
    let what = format!("create {}", names().collect::<Vec<_>>().join(", "));
    let results = administer(brokers, &what, async |admin, options| {
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|topic| {
                let replication = TopicReplication::Fixed(replicas);
                let new = NewTopic::new(&topic.name, topic.partitions, replication);
                let new = new.set("min.insync.replicas", in_sync);
                topic.settings.iter().fold(new, |new, (k, v)| new.set(k, v))
            })
            .collect();
        admin.create_topics(&new, options).await
    })?;
    check(&what, results, RDKafkaErrorCode::TopicAlreadyExists)
}

/// Deletes topics; one that is not there is fine.
///
/// # Errors
/// When Kafka refuses, or does not answer within 30 s.
pub fn delete(brokers: &str, names: &[&str]) -> Result<(), StackError> {
    let what = format!("delete {}", names.join(", "));
    let results = administer(brokers, &what, async |admin, options| {
        admin.delete_topics(names, options).await
    })?;
    check(&what, results, RDKafkaErrorCode::UnknownTopicOrPartition)
}

/// How many brokers the cluster says it has; 0 when nobody answers within 2 s.
#[must_use]
pub fn brokers_up(brokers: &str) -> usize {
    let consumer: Result<BaseConsumer, _> = client(brokers).create();
    consumer
        .and_then(|consumer| consumer.fetch_metadata(None, Duration::from_secs(2)))
        .map_or(0, |metadata| metadata.brokers().len())
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("reconnect.backoff.max.ms", "500")
        // A broker that is still starting is no news.
        .set("log_level", "0");
    config
}

type Answers = Vec<rdkafka::admin::TopicResult>;

fn administer<F>(brokers: &str, what: &str, ask: F) -> Result<Answers, StackError>
where
    F: AsyncFnOnce(
            &AdminClient<DefaultClientContext>,
            &AdminOptions,
        ) -> rdkafka::error::KafkaResult<Answers>
        + Send,
{
    let refused = |why: String| StackError::Kafka {
        what: what.to_owned(),
        why,
    };
    let patience = Some(Duration::from_secs(30));
    let options = AdminOptions::new()
        .request_timeout(patience)
        .operation_timeout(patience);
    let admin = client(brokers)
        .create::<AdminClient<DefaultClientContext>>()
        .map_err(|error| refused(error.to_string()))?;
    // A runtime of its own on a thread of its own: the caller may be inside one.
    let answer = thread::scope(|scope| {
        let asking = scope.spawn(|| -> anyhow::Result<Answers> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            Ok(runtime.block_on(ask(&admin, &options))?)
        });
        asking.join()
    });
    match answer {
        Ok(Ok(answers)) => Ok(answers),
        Ok(Err(error)) => Err(refused(error.to_string())),
        Err(_) => Err(refused("the request panicked".to_owned())),
    }
}

fn check(what: &str, answers: Answers, fine: RDKafkaErrorCode) -> Result<(), StackError> {
    for answer in answers {
        if let Err((topic, code)) = answer
            && code != fine
        {
            return Err(StackError::Kafka {
                what: format!("{what}: {topic}"),
                why: code.to_string(),
            });
        }
    }
    Ok(())
}
