//! Are the topics what the invariants need? Asked once, at start; every problem is named.
//!
//! Sources: Kafka's topic configurations; librdkafka's `message.max.bytes`.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;

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
    /// Its configuration.
    pub config: Vec<(String, String)>,
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
    /// They are not what they must be.
    #[error("{}", .0.join("; "))]
    Unfit(Vec<String>),
}

/// Looks at each topic; blocks up to `timeout` for each.
///
/// # Errors
/// [`TopicError`]: the first that cannot be asked about, else every problem of all of them.
pub async fn check(
    settings: &KafkaSettings,
    wanted: &[Wanted],
    timeout: Duration,
) -> Result<(), TopicError> {
    let mut problems = Vec::new();
    for want in wanted {
        let found = look(settings, &want.topic, timeout)
            .await
            .map_err(|cause| TopicError::Unreachable {
                topic: want.topic.clone(),
                cause,
            })?;
        match found {
            None => problems.push(format!("topic {} does not exist", want.topic)),
            Some(found) => problems.extend(judge(want, &found)),
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(TopicError::Unfit(problems))
    }
}

async fn look(
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
pub fn judge(want: &Wanted, found: &Found) -> Vec<String> {
    let topic = &want.topic;
    let mut problems = Vec::new();
    let text = |name: &str| {
        found
            .config
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, v)| v.as_str())
    };
    let number = |name: &str| text(name).and_then(|value| value.parse::<i64>().ok());
    if let Some(partitions) = want.partitions.filter(|wanted| *wanted != found.partitions) {
        problems.push(format!(
            "topic {topic} has {} partitions, EVENTS_PARTITIONS says {partitions}: keys would move; \
             the number is chosen once",
            found.partitions
        ));
    }
    if text("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        problems.push(format!(
            "topic {topic} has cleanup.policy=compact: it would lose events"
        ));
    }
    if number("max.message.bytes")
        .is_some_and(|bytes| bytes < i64::try_from(MAX_RECORD_BYTES).unwrap_or(i64::MAX))
    {
        problems.push(format!(
            "topic {topic} has max.message.bytes below {MAX_RECORD_BYTES}: the largest accepted body would be refused"
        ));
    }
    if number("retention.ms").is_some_and(|ms| (0..THIRTY_DAYS_MS).contains(&ms)) {
        problems.push(format!(
            "topic {topic} has retention.ms below 30 days ({THIRTY_DAYS_MS})"
        ));
    }
    if text("unclean.leader.election.enable") == Some("true") {
        problems.push(format!("topic {topic} has unclean.leader.election.enable=true: acknowledged events could vanish"));
    }
    if !want.development {
        if found.replicas < 3 {
            problems.push(format!(
                "topic {topic} has {} replica(s), at least 3 are needed",
                found.replicas
            ));
        }
        if number("min.insync.replicas").is_none_or(|replicas| replicas < 2) {
            problems.push(format!("topic {topic} has min.insync.replicas below 2"));
        }
    }
    problems
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
        let problems = judge(&want(false), &unfit).join("\n");
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
