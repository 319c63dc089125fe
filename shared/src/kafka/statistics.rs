//! What the Kafka client reports of itself every few seconds, as metrics and never as log lines.
//!
//! Labels are closed sets: which of our clients, and a state or a part. Never a broker's name: the
//! round trip is that of the slowest broker, queues are sums over all.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Gauge;
use rdkafka::statistics::{Broker, Statistics};

const MICROSECONDS: f64 = 1_000_000.0;

/// What is taken from one report.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Observed {
    /// Seconds, of the slowest broker; none: no request was answered lately.
    round_trip: Option<RoundTrip>,
    /// Records in the client's queues: to be sent, or fetched and not yet taken.
    records: i64,
    /// Requests that wait to be sent or answered.
    requests: i64,
    brokers: Brokers,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct RoundTrip {
    mean: f64,
    p99: f64,
}

/// Brokers by the state of the connection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Brokers {
    up: u64,
    connecting: u64,
    down: u64,
}

fn observe(statistics: &Statistics) -> Observed {
    let known = || {
        statistics
            .brokers
            .values()
            .filter(|broker| broker.nodeid >= 0)
    };
    // Before the first answer only the configured addresses are known.
    let configured = || {
        let all = statistics.brokers.values();
        all.filter(|broker| broker.source == "configured")
    };
    let brokers = if known().next().is_some() {
        count(known())
    } else {
        count(configured())
    };
    let sent = i64::try_from(statistics.msg_cnt).unwrap_or(i64::MAX);
    let partitions = statistics.topics.values();
    let fetched = partitions
        .flat_map(|topic| topic.partitions.values())
        .fold(0_i64, |sum, one| sum.saturating_add(one.fetchq_cnt));
    let requests = statistics.brokers.values().fold(0_i64, |sum, broker| {
        sum.saturating_add(broker.outbuf_cnt)
            .saturating_add(broker.waitresp_cnt)
    });
    Observed {
        round_trip: known().filter_map(round_trip).reduce(slower),
        records: sent.saturating_add(fetched),
        requests,
        brokers,
    }
}

fn count<'a>(brokers: impl Iterator<Item = &'a Broker>) -> Brokers {
    let mut counted = Brokers::default();
    for broker in brokers {
        let of_state = match broker.state.as_str() {
            "UP" | "UPDATE" => &mut counted.up,
            "INIT" | "DOWN" => &mut counted.down,
            // The steps of a connection that is being made; their number grows with the client.
            _ => &mut counted.connecting,
        };
        *of_state = of_state.saturating_add(1);
    }
    counted
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "microseconds of one round trip are exact in an f64"
)]
fn round_trip(broker: &Broker) -> Option<RoundTrip> {
    let window = broker.rtt.as_ref().filter(|window| window.cnt > 0)?;
    Some(RoundTrip {
        mean: window.avg as f64 / MICROSECONDS,
        p99: window.p99 as f64 / MICROSECONDS,
    })
}

fn slower(one: RoundTrip, other: RoundTrip) -> RoundTrip {
    RoundTrip {
        mean: one.mean.max(other.mean),
        p99: one.p99.max(other.p99),
    }
}

/// The instruments of one client of this process.
#[derive(Debug, Clone)]
pub struct ClientMetrics {
    client: &'static str,
    round_trip: Gauge<f64>,
    records: Gauge<i64>,
    requests: Gauge<i64>,
    brokers: Gauge<u64>,
}

impl ClientMetrics {
    /// Declares them at the process's meter provider. `client` is one of a closed set of names.
    #[must_use]
    pub fn new(client: &'static str) -> Self {
        let meter = opentelemetry::global::meter("bookend");
        Self {
            client,
            round_trip: meter
                .f64_gauge("bookend_kafka_round_trip")
                .with_unit("s")
                .with_description(
                    "A request to Kafka and its answer, of the slowest broker, over the last seconds; \
                     by client and part (mean, p99).",
                )
                .build(),
            records: meter
                .i64_gauge("bookend_kafka_queued_records")
                .with_description(
                    "Records in the queues of the Kafka client: to be sent, or fetched and not taken.",
                )
                .build(),
            requests: meter
                .i64_gauge("bookend_kafka_pending_requests")
                .with_description("Requests to Kafka that wait to be sent or answered.")
                .build(),
            brokers: meter
                .u64_gauge("bookend_kafka_brokers")
                .with_description(
                    "Brokers the client knows, by state of the connection: up, connecting, down. One \
                     that was never needed is down.",
                )
                .build(),
        }
    }

    /// A report of the client library.
    pub fn record(&self, statistics: &Statistics) {
        let observed = observe(statistics);
        let client = || KeyValue::new("client", self.client);
        if let Some(RoundTrip { mean, p99 }) = observed.round_trip {
            for (part, seconds) in [("mean", mean), ("p99", p99)] {
                self.round_trip
                    .record(seconds, &[client(), KeyValue::new("part", part)]);
            }
        }
        self.records.record(observed.records, &[client()]);
        self.requests.record(observed.requests, &[client()]);
        let Brokers {
            up,
            connecting,
            down,
        } = observed.brokers;
        for (state, brokers) in [("up", up), ("connecting", connecting), ("down", down)] {
            self.brokers
                .record(brokers, &[client(), KeyValue::new("state", state)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::{Partition, Topic, Window};

    use super::*;

    fn broker(nodeid: i32, source: &str, state: &str, p99: i64) -> (String, Broker) {
        let rtt = Window {
            cnt: i64::from(p99 > 0),
            avg: p99 / 2,
            p99,
            ..Window::default()
        };
        let broker = Broker {
            nodeid,
            source: source.to_owned(),
            state: state.to_owned(),
            rtt: Some(rtt),
            outbuf_cnt: 1,
            waitresp_cnt: 2,
            ..Broker::default()
        };
        (format!("{source}/{nodeid}"), broker)
    }

    #[test]
    fn brokers_are_counted_by_state_and_the_slowest_tells_the_round_trip() {
        let statistics = Statistics {
            msg_cnt: 7,
            brokers: [
                broker(-1, "configured", "DOWN", 0),
                broker(1, "learned", "UP", 4_000),
                broker(2, "learned", "CONNECT", 0),
                broker(3, "learned", "UP", 9_000),
            ]
            .into(),
            ..Statistics::default()
        };
        let observed = observe(&statistics);
        let brokers = Brokers {
            up: 2,
            connecting: 1,
            down: 0,
        };
        assert_eq!(observed.brokers, brokers);
        let round_trip = RoundTrip {
            mean: 0.004_5,
            p99: 0.009,
        };
        assert_eq!(observed.round_trip, Some(round_trip));
        assert_eq!((observed.records, observed.requests), (7, 12));
    }

    #[test]
    fn before_any_broker_answers_the_configured_ones_are_down() {
        let statistics = Statistics {
            brokers: [
                broker(-1, "configured", "DOWN", 0),
                broker(-1, "internal", "INIT", 0),
            ]
            .into(),
            ..Statistics::default()
        };
        let observed = observe(&statistics);
        assert_eq!(observed.brokers.down, 1);
        assert_eq!(observed.round_trip, None);
    }

    #[test]
    fn a_consumers_queue_is_what_is_fetched_of_all_partitions() {
        let partition = |fetchq_cnt| Partition {
            fetchq_cnt,
            ..Partition::default()
        };
        let topic = Topic {
            partitions: [(0, partition(5)), (1, partition(6))].into(),
            ..Topic::default()
        };
        let statistics = Statistics {
            topics: [("stripe.events".to_owned(), topic)].into(),
            ..Statistics::default()
        };
        assert_eq!(observe(&statistics).records, 11);
    }
}
