//! Are the topics what the invariants need? Asked once, at start; every problem is named, with
//! what to do about it.
//!
//! A topic that is not there is no refusal: brokers learn of a new topic one after the other, so
//! "does not exist" may be true only for a moment.
//!
//! Sources: Kafka's topic configurations; librdkafka's `message.max.bytes`.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};

use super::options::{KafkaSettings, MAX_RECORD_BYTES};

const THIRTY_DAYS_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// What a topic must be like.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name.
    pub topic: String,
    /// Its partitions, where they are fixed.
    pub partitions: Option<usize>,
    /// Whether one broker and one replica are permitted.
    pub development: bool,
}

/// What a topic is like.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Number of partitions.
    pub partitions: usize,
    /// Replicas of the partition that has the fewest.
    pub replicas: usize,
    /// In-sync replicas of the partition that has the fewest.
    pub in_sync: usize,
    /// Its configuration.
    pub config: Vec<(String, String)>,
}

impl Found {
    /// How long it keeps a record, milliseconds; `None`: for ever, or unknown.
    #[must_use]
    pub fn retention_ms(&self) -> Option<i64> {
        self.number("retention.ms").filter(|ms| *ms >= 0)
    }
}

/// One thing about a topic that an invariant cannot live with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({fix})")]
pub struct Problem {
    /// What is wrong, the topic named.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// The partitions of a topic; none where the broker that answers does not know it.
///
/// # Errors
/// The client's: nobody answered within `timeout`.
pub fn partitions(client: &BaseConsumer, topic: &str, timeout: Duration) -> KafkaResult<Vec<i32>> {
    let metadata = client.fetch_metadata(Some(topic), timeout)?;
    let known = metadata
        .topics()
        .iter()
        .filter(|topic| topic.error().is_none());
    Ok(known
        .flat_map(|topic| topic.partitions().iter().map(|partition| partition.id()))
        .collect())
}

/// Why the topics could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// No admin client, or no answer.
    #[error("cannot ask the brokers about topic {topic}")]
    Unreachable {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        cause: KafkaError,
    },
    /// One of them is not there, yet or at all: worth asking again.
    #[error("topic {0} does not exist")]
    Missing(String),
    /// They are not what they must be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unfit(Vec<Problem>),
}

/// Looks at each topic; blocks up to `timeout` for each.
///
/// # Errors
/// [`TopicError`]: the first that is missing or cannot be asked about, else every problem of all
/// of them.
pub async fn check(
    settings: &KafkaSettings,
    wanted: &[Wanted],
    timeout: Duration,
) -> Result<(), TopicError> {
    let mut problems = Vec::new();
    for want in wanted {
        let found = look(settings, &want.topic, timeout).await?;
        problems.extend(judge(want, &found));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(TopicError::Unfit(problems))
    }
}

/// Looks at one topic; blocks up to `timeout`.
///
/// # Errors
/// [`TopicError::Unreachable`], [`TopicError::Missing`].
pub async fn look(
    settings: &KafkaSettings,
    topic: &str,
    timeout: Duration,
) -> Result<Found, TopicError> {
    let found = ask(settings, topic, timeout)
        .await
        .map_err(|cause| TopicError::Unreachable {
            topic: topic.to_owned(),
            cause,
        })?;
    found.ok_or_else(|| TopicError::Missing(topic.to_owned()))
}

async fn ask(
    settings: &KafkaSettings,
    topic: &str,
    timeout: Duration,
) -> Result<Option<Found>, KafkaError> {
    let admin: AdminClient<DefaultClientContext> = settings.client().create()?;
    let metadata = admin.inner().fetch_metadata(Some(topic), timeout)?;
    let Some(described) = metadata
        .topics()
        .iter()
        .find(|t| t.name() == topic && t.error().is_none())
    else {
        return Ok(None);
    };
    let partitions = described.partitions();
    let mut found = Found {
        partitions: partitions.len(),
        replicas: partitions
            .iter()
            .map(|p| p.replicas().len())
            .min()
            .unwrap_or(0),
        in_sync: partitions.iter().map(|p| p.isr().len()).min().unwrap_or(0),
        config: Vec::new(),
    };
    let options = AdminOptions::new().request_timeout(Some(timeout));
    for resource in admin
        .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
        .await?
    {
        let resource = resource.map_err(KafkaError::AdminOp)?;
        found.config.extend(
            resource
                .entries
                .into_iter()
                .filter_map(|entry| Some((entry.name, entry.value?))),
        );
    }
    Ok((found.partitions > 0).then_some(found))
}

/// Compares. Pure.
#[must_use]
pub fn judge(want: &Wanted, found: &Found) -> Vec<Problem> {
    let topic = &want.topic;
    let mut problems = Vec::new();
    let mut problem = |what: String, fix: String| {
        problems.push(Problem {
            what: format!("topic {topic} has {what}"),
            fix,
        });
    };
    let set = |setting: String| format!("set {setting} on it with kafka-configs.sh");
    if let Some(partitions) = want.partitions.filter(|wanted| *wanted != found.partitions) {
        problem(
            format!(
                "{} partitions, EVENTS_PARTITIONS says {partitions}: keys would move",
                found.partitions
            ),
            "the number is chosen once: correct EVENTS_PARTITIONS, or name the right topic"
                .to_owned(),
        );
    }
    if found
        .text("cleanup.policy")
        .is_some_and(|policy| policy.contains("compact"))
    {
        problem(
            "cleanup.policy=compact: it would lose events".to_owned(),
            set("cleanup.policy=delete".to_owned()),
        );
    }
    let largest = i64::try_from(MAX_RECORD_BYTES).unwrap_or(i64::MAX);
    if found
        .number("max.message.bytes")
        .is_some_and(|bytes| bytes < largest)
    {
        problem(
            format!(
                "max.message.bytes below {largest}: the largest accepted body would be refused"
            ),
            set(format!("max.message.bytes={largest}")),
        );
    }
    if found
        .number("retention.ms")
        .is_some_and(|ms| (0..THIRTY_DAYS_MS).contains(&ms))
    {
        problem(
            "retention.ms below 30 days: a long outage would lose events".to_owned(),
            set(format!("retention.ms={THIRTY_DAYS_MS}")),
        );
    }
    if found.text("unclean.leader.election.enable") == Some("true") {
        problem(
            "unclean.leader.election.enable=true: acknowledged events could vanish".to_owned(),
            set("unclean.leader.election.enable=false".to_owned()),
        );
    }
    if !want.development && found.replicas < 3 {
        problem(
            format!("{} replica(s), at least 3 are needed", found.replicas),
            "add replicas with kafka-reassign-partitions.sh".to_owned(),
        );
    }
    let in_sync = found.number("min.insync.replicas");
    if !want.development && in_sync.is_none_or(|replicas| replicas < 2) {
        problem(
            "min.insync.replicas below 2: one broker could lose what was acknowledged".to_owned(),
            set("min.insync.replicas=2".to_owned()),
        );
    }
    problems
}

impl Found {
    /// The value of a setting.
    #[must_use]
    pub fn text(&self, setting: &str) -> Option<&str> {
        self.config
            .iter()
            .find(|(key, _)| key == setting)
            .map(|(_, value)| value.as_str())
    }

    fn number(&self, setting: &str) -> Option<i64> {
        self.text(setting)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(development: bool) -> Wanted {
        Wanted {
            topic: "stripe.events".into(),
            partitions: Some(12),
            development,
        }
    }

    fn found(replicas: usize, config: &[(&str, &str)]) -> Found {
        Found {
            partitions: 12,
            replicas,
            in_sync: replicas,
            config: config
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_fit_topic_has_no_problems() {
        let config = [
            ("cleanup.policy", "delete"),
            ("max.message.bytes", "6291456"),
            ("retention.ms", "-1"),
            ("min.insync.replicas", "2"),
        ];
        assert!(judge(&want(false), &found(3, &config)).is_empty());
        assert!(judge(&want(true), &found(1, &config)).is_empty());
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let config = [
            ("cleanup.policy", "compact"),
            ("max.message.bytes", "1048588"),
            ("retention.ms", "604800000"),
            ("min.insync.replicas", "1"),
            ("unclean.leader.election.enable", "true"),
        ];
        let unfit = Found {
            partitions: 6,
            ..found(1, &config)
        };
        let problems = TopicError::Unfit(judge(&want(false), &unfit)).to_string();
        for setting in [
            "partitions",
            "compact",
            "max.message.bytes",
            "retention.ms",
            "unclean",
            "replica(s)",
            "min.insync",
        ] {
            assert!(
                problems.contains(setting),
                "{setting} not named in {problems}"
            );
        }
    }
}
