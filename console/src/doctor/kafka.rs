//! Kafka: are the brokers there, and the topics as the invariants need them?

use std::time::Duration;

use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use shared::kafka::KafkaSettings;
use shared::kafka::topics::{self, Found, TopicError, Wanted};

use super::Check;
use super::settings::Settings;
use crate::args::Service;
use crate::failure::chain;

pub(super) async fn examine(
    settings: &Settings,
    service: Option<Service>,
    limit: Duration,
) -> Vec<Check> {
    let wanted = wanted(settings, service);
    let skipped = |because: &'static str| {
        let names = wanted.iter().map(|want| name(&want.topic));
        names.map(move |name| Check::skipped(name, because))
    };
    let Some(client) = &settings.kafka else {
        let because = "the settings of Kafka are wrong";
        return std::iter::once(Check::skipped("Kafka", because))
            .chain(skipped(because))
            .collect();
    };
    let brokers = match brokers(client, limit) {
        Ok(brokers) => brokers,
        Err(error) => {
            let fix = "are the brokers running, is KAFKA_BROKERS right, do TLS and SASL fit?";
            let failed = Check::failed("Kafka", chain(&error), fix);
            return std::iter::once(failed)
                .chain(skipped("Kafka does not answer"))
                .collect();
        }
    };
    let mut checks = vec![judge_brokers(brokers, settings.deployment.is_development())];
    for want in &wanted {
        let found = topics::look(client, &want.topic, limit).await;
        checks.extend(judge_topic(want, found));
    }
    checks
}

/// The topics that the service needs; only the events topic has a number of partitions to keep.
fn wanted(settings: &Settings, service: Option<Service>) -> Vec<Wanted> {
    let one = |topic: &str, partitions| Wanted {
        topic: topic.to_owned(),
        partitions,
        development: settings.deployment.is_development(),
    };
    let topics = &settings.topics;
    let mut wanted = vec![one(&topics.events_topic, Some(topics.events_partitions))];
    if service.is_none_or(|service| service != Service::Processor) {
        wanted.push(one(&topics.stats_topic, None));
    }
    if service.is_none_or(|service| service == Service::Processor) {
        wanted.push(one(&topics.dead_topic, None));
        wanted.push(one(&topics.bookings_topic, None));
    }
    wanted
}

fn brokers(settings: &KafkaSettings, limit: Duration) -> Result<usize, KafkaError> {
    let client: rdkafka::admin::AdminClient<DefaultClientContext> = settings.client().create()?;
    let metadata = client.inner().fetch_metadata(None, limit)?;
    Ok(metadata.brokers().len())
}

fn judge_brokers(brokers: usize, development: bool) -> Check {
    let found = format!("{brokers} broker(s)");
    if brokers < 3 && !development {
        let fix = "run at least 3: with fewer, no broker can be lost or restarted";
        Check::warning("Kafka", found, fix)
    } else {
        Check::ok("Kafka", found)
    }
}

/// One line for each problem of a topic; one for a fit one. Pure.
fn judge_topic(want: &Wanted, found: Result<Found, TopicError>) -> Vec<Check> {
    let name = name(&want.topic);
    let found = match found {
        Ok(found) => found,
        Err(TopicError::Missing(topic)) => {
            return vec![Check::failed(
                name,
                "does not exist",
                format!(
                    "kafka-topics.sh --create --topic {topic} --partitions {} \
                     --replication-factor {} --config min.insync.replicas={} \
                     --config retention.ms=3888000000 --config max.message.bytes=6291456",
                    want.partitions.unwrap_or(12),
                    if want.development { 1 } else { 3 },
                    if want.development { 1 } else { 2 },
                ),
            )];
        }
        Err(error @ (TopicError::Unreachable { .. } | TopicError::Unfit(_))) => {
            let fix = "may this client describe the topic and its configuration?";
            return vec![Check::failed(name, chain(&error), fix)];
        }
    };
    let problems = topics::judge(want, &found);
    let mut checks: Vec<Check> = problems
        .into_iter()
        .map(|problem| Check::failed(name.clone(), problem.what, problem.fix))
        .collect();
    let shape = format!(
        "{} partitions, {} replica(s), {} of them in sync, min.insync.replicas {}",
        found.partitions,
        found.replicas,
        found.in_sync,
        found.text("min.insync.replicas").unwrap_or("unknown")
    );
    if found.in_sync < found.replicas {
        let fix = "is a broker down? until it is back, one more loss stops the partition";
        checks.push(Check::warning(name.clone(), shape.clone(), fix));
    }
    if checks.is_empty() {
        checks.push(Check::ok(name, shape));
    }
    checks
}

fn name(topic: &str) -> String {
    format!("topic {topic}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn want() -> Wanted {
        Wanted {
            topic: "stripe.events".into(),
            partitions: Some(12),
            development: false,
        }
    }

    fn found(replicas: usize, in_sync: usize) -> Found {
        Found {
            partitions: 12,
            replicas,
            in_sync,
            config: vec![("min.insync.replicas".into(), "2".into())],
        }
    }

    fn outcomes(found: Result<Found, TopicError>) -> Vec<Outcome> {
        let checks = judge_topic(&want(), found);
        assert!(
            checks
                .iter()
                .all(|c| c.outcome == Outcome::Ok || c.fix.is_some())
        );
        checks.iter().map(|check| check.outcome).collect()
    }

    #[test]
    fn a_topic_is_judged_by_what_it_is_and_by_what_it_has_left() {
        assert_eq!(outcomes(Ok(found(3, 3))), [Outcome::Ok]);
        assert_eq!(outcomes(Ok(found(3, 2))), [Outcome::Warning]);
        assert_eq!(outcomes(Ok(found(1, 1))), [Outcome::Failed]);
        let missing = TopicError::Missing("stripe.events".into());
        assert_eq!(outcomes(Err(missing)), [Outcome::Failed]);
    }

    #[test]
    fn two_brokers_are_too_few_for_production_only() {
        assert_eq!(judge_brokers(2, false).outcome, Outcome::Warning);
        assert_eq!(judge_brokers(1, true).outcome, Outcome::Ok);
    }
}
