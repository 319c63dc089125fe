//! The client options, each with its reason. Operators may add settings for TLS and SASL; one
//! that would break an invariant is refused by name.

use rdkafka::config::ClientConfig;

/// What all clients of one process share.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Extra librdkafka settings, already read from `KAFKA_CONFIG_FILE`.
    pub extra: Vec<(String, String)>,
    /// Client id: service and instance.
    pub client_id: String,
}

impl std::fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be passwords and keys: only what is set is shown.
        let names: Vec<&str> = self.extra.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("extra", &names)
            .field("client_id", &self.client_id)
            .finish()
    }
}

/// Why an extra setting is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OptionError {
    /// It belongs to us.
    #[error("KAFKA_CONFIG_FILE must not set `{0}`: an invariant depends on it")]
    Reserved(String),
    /// Not `key=value`.
    #[error("KAFKA_CONFIG_FILE line {0} is not `key=value`")]
    Syntax(usize),
}

/// Prefixes that operators may set: how to reach and trust the brokers, nothing else.
const ALLOWED: &[&str] = &[
    "security.protocol",
    "ssl.",
    "sasl.",
    "socket.",
    "broker.address.family",
    "client.rack",
    "metadata.",
    "topic.metadata.",
    "debug",
    "log_level",
    "client.dns.lookup",
    "reconnect.backoff.",
];

/// Among those, what would switch the check of the broker's identity off.
const REFUSED: &[&str] = &["ssl.endpoint.identification.algorithm"];

/// Parses the file's text: `key=value` lines, `#` comments.
///
/// # Errors
/// Every refused line.
pub fn parse_extra(text: &str) -> Result<Vec<(String, String)>, Vec<OptionError>> {
    let mut settings = Vec::new();
    let mut errors = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            None => errors.push(OptionError::Syntax(number.saturating_add(1))),
            Some((key, value)) => {
                let (key, value) = (key.trim(), value.trim());
                if ALLOWED.iter().any(|prefix| key.starts_with(prefix)) && !REFUSED.contains(&key) {
                    settings.push((key.to_owned(), value.to_owned()));
                } else {
                    errors.push(OptionError::Reserved(key.to_owned()));
                }
            }
        }
    }
    if errors.is_empty() {
        Ok(settings)
    } else {
        Err(errors)
    }
}

/// Bytes that a record may have: above the largest HTTP body by more than its headers take.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

impl KafkaSettings {
    /// A client that can reach the brokers and nothing more: for metadata and admin calls.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in &self.extra {
            config.set(key, value);
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // Brokers end idle connections again and again; what is down is a metric.
            .set("log.connection.close", "false");
        config
    }
}

/// The producer's options; `linger_ms`: how long a record waits for company, so that requests are
/// fewer and larger.
#[must_use]
pub fn producer_options(settings: &KafkaSettings, linger_ms: u8) -> ClientConfig {
    let mut config = settings.client();
    config
        // acks=all, five requests in flight, endless retries inside message.timeout.ms.
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // At 0, batches form only while acknowledgements are awaited.
        .set("linger.ms", linger_ms.to_string())
        .set("compression.type", "lz4")
        // Any Kafka client places keys the same way.
        .set("partitioner", "murmur2_random")
        // Not a deadline (librdkafka may be seconds late): our own surrounds every append.
        .set("message.timeout.ms", "4000")
        .set("request.timeout.ms", "3000")
        .set("socket.timeout.ms", "10000")
        .set("retry.backoff.ms", "50")
        .set("retry.backoff.max.ms", "500")
        .set("queue.buffering.max.messages", "20000")
        .set("queue.buffering.max.kbytes", "65536")
        .set("message.max.bytes", MAX_RECORD_BYTES.to_string())
        // The producer's default would create a missing topic with one partition.
        .set("allow.auto.create.topics", "false")
        .set("statistics.interval.ms", "5000");
    config
}

/// The processor's consumer options.
#[must_use]
pub fn consumer(settings: &KafkaSettings, group: &str) -> ClientConfig {
    let mut config = settings.client();
    config
        .set("group.id", group)
        // Both default to true; progress is Postgres' to know.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A hole must be an error, not a silent jump to either end.
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("isolation.level", "read_committed")
        // Cooperative and KIP-848 have open defects at this librdkafka version.
        .set("partition.assignment.strategy", "range")
        .set("group.protocol", "classic")
        // A killed member frees its partitions in 6 s, not 45.
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "2000")
        .set("max.poll.interval.ms", "60000")
        // The default stalls small queues for a second.
        .set("fetch.queue.backoff.ms", "20")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.message.max.bytes", MAX_RECORD_BYTES.to_string())
        .set("allow.auto.create.topics", "false")
        .set("statistics.interval.ms", "5000");
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let settings = KafkaSettings {
            brokers: "b:1".into(),
            extra: vec![("sasl.password".into(), "very-secret".into())],
            client_id: "c".into(),
        };
        let shown = format!("{settings:?}");
        assert!(
            shown.contains("sasl.password") && !shown.contains("very-secret"),
            "{shown}"
        );
    }

    #[test]
    fn tls_and_sasl_may_be_set_and_nothing_that_an_invariant_needs() {
        let text = "# comment\nsecurity.protocol=SASL_SSL\nsasl.username = bookend\n";
        assert_eq!(parse_extra(text).map(|settings| settings.len()), Ok(2));
        for key in [
            "acks",
            "enable.idempotence",
            "partitioner",
            "enable.auto.commit",
            "auto.offset.reset",
            "group.id",
            "enable.ssl.certificate.verification",
            "ssl.endpoint.identification.algorithm",
        ] {
            assert_eq!(
                parse_extra(&format!("{key}=x")),
                Err(vec![OptionError::Reserved(key.to_owned())])
            );
        }
        assert_eq!(parse_extra("nonsense"), Err(vec![OptionError::Syntax(1)]));
    }
}
