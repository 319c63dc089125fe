//! The producer's life, against brokers that say what the test wants them to say.
//!
//! librdkafka's mock brokers run in this process; nothing here claims durability.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use ingestor::budget::{Budget, Charge, PER_REQUEST};
use ingestor::metrics::Metrics;
use ingestor::secrets::CurrentSecrets;
use ingestor::watch::{Watched, until_fatal};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use shared::config::WebhookSecrets;
use shared::kafka::KafkaSettings;
use shared::kafka::headers::RecordHeaders;
use shared::kafka::producer::{AppendError, EventLog, NewRecord, Producer};
use shared::runtime::Health;
use shared::signature::Secrets;
use testbed::testing::eventually_async;

use crate::client::SECRET;
use crate::topic::read;

const TOPIC: &str = "events";
const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

struct Mock {
    brokers: MockCluster<'static, DefaultProducerContext>,
    producer: Arc<Producer>,
    health: Arc<Health>,
}

impl Mock {
    fn start() -> Self {
        Self::waiting(Duration::from_millis(4500))
    }

    /// With appends that wait for so long.
    fn waiting(deadline: Duration) -> Self {
        let brokers = MockCluster::new(1).expect("mock brokers");
        brokers.create_topic(TOPIC, PARTITIONS, 1).expect("topic");
        let settings = KafkaSettings {
            brokers: brokers.bootstrap_servers(),
            extra: Vec::new(),
            client_id: "test".to_owned(),
        };
        let producer = Producer::adaptive(&settings, deadline);
        Self {
            brokers,
            producer: Arc::new(producer.expect("producer")),
            health: Arc::default(),
        }
    }

    /// Every request to append is answered so, until the errors are used up or cleared.
    fn answer(&self, error: RDKafkaRespErr, times: usize) {
        let errors = vec![error; times];
        self.brokers.request_errors(RDKafkaApiKey::Produce, &errors);
    }

    async fn append(&self) -> Result<(), AppendError> {
        let record = NewRecord::new(TOPIC, "k", b"{}".to_vec(), &RecordHeaders::default());
        self.producer.append(record).await.map(drop)
    }

    fn watched(&self) -> Watched {
        Watched {
            source: WebhookSecrets {
                value: Some(SECRET.to_owned()),
                file: None,
            },
            secrets: Arc::new(CurrentSecrets::new(Secrets::parse(SECRET).expect("secret"))),
            producer: Arc::clone(&self.producer),
            topic: TOPIC.to_owned(),
            partitions: 3,
            known_partitions: AtomicUsize::new(3),
            health: Arc::clone(&self.health),
            metrics: Metrics::new(),
        }
    }

    /// Waits, under the watch, until `seen` is true of what is not ready.
    async fn until(&self, what: &str, seen: impl Fn(&[String]) -> bool) {
        let looking = eventually_async(PATIENCE, what, async || seen(&self.health.unready()));
        tokio::select! {
            () = looking => {}
            failed = until_fatal(self.watched()) => panic!("{failed}"),
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    actix_web::rt::System::new().block_on(test);
}

#[test]
fn a_permission_that_is_refused_makes_it_unready_with_the_reason_and_a_granted_one_ready_again() {
    run(async {
        let mock = Mock::start();
        mock.append().await.expect("stored");
        let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        mock.answer(refused, 1_000);
        assert!(mock.append().await.is_err());
        mock.until("unready", |unready| {
            unready
                .iter()
                .any(|reason| reason.to_lowercase().contains("authorization"))
        })
        .await;
        mock.brokers.clear_request_errors(RDKafkaApiKey::Produce);
        // Nobody sends to who is unready: it must come back without a record.
        mock.until("ready again", <[String]>::is_empty).await;
        mock.append().await.expect("stored again");
    });
}

#[test]
fn a_topic_that_the_brokers_no_longer_have_makes_it_unready_with_the_reason() {
    run(async {
        let mock = Mock::start();
        mock.append().await.expect("stored");
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        mock.brokers.topic_error(TOPIC, unknown).expect("set");
        mock.until("unready", |unready| {
            unready.iter().any(|reason| reason.contains(TOPIC))
        })
        .await;
        let none = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        mock.brokers.topic_error(TOPIC, none).expect("set");
        mock.until("ready again", <[String]>::is_empty).await;
    });
}

#[test]
fn a_producer_that_failed_for_good_ends_the_watch_so_that_the_process_is_replaced() {
    run(async {
        let mock = Mock::start();
        mock.append().await.expect("stored");
        let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        mock.answer(fatal, 1_000);
        assert!(mock.append().await.is_err());
        let ended = tokio::time::timeout(PATIENCE, until_fatal(mock.watched())).await;
        assert!(ended.is_ok(), "the watch goes on");
        assert!(mock.producer.is_fatal());
        // For ever: no later record is accepted by it.
        mock.brokers.clear_request_errors(RDKafkaApiKey::Produce);
        assert!(matches!(mock.append().await, Err(AppendError::Fatal(_))));
    });
}

#[test]
fn errors_that_pass_are_retried_within_the_deadline_and_nobody_notices() {
    run(async {
        let mock = Mock::start();
        let passing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
        mock.answer(passing, 3);
        mock.append().await.expect("stored in the end");
        mock.answer(passing, 1_000);
        assert!(mock.append().await.is_err());
        assert_eq!(mock.producer.trouble(), None);
    });
}

/// A producer is new to a partition while its leader changes: the first record is refused and
/// waits to be sent again, the second is stored. The client then takes the first for stored, too.
#[test]
fn what_only_the_client_takes_for_stored_is_not_acknowledged() {
    run(async {
        let mock = Mock::start();
        // The second must be on its way before the first is refused, and not in its request.
        let slow = Duration::from_millis(300);
        mock.brokers.broker_round_trip_time(1, slow).expect("set");
        mock.answer(
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            1,
        );
        let append = |fill: u8| {
            let value = vec![fill; 600_000];
            let record = NewRecord::new(TOPIC, "k", value, &RecordHeaders::default());
            mock.producer.append(record)
        };
        let (first, second) = tokio::join!(append(b'1'), append(b'2'));
        let stored = read(&mock.brokers.bootstrap_servers(), TOPIC, PARTITIONS);
        let starts: Vec<u8> = stored.iter().map(|record| record.value[0]).collect();
        assert!(second.is_ok() && starts == [b'2'], "{second:?} {starts:?}");
        assert!(matches!(first, Err(AppendError::Unproven)), "{first:?}");
    });
}

#[test]
fn memory_is_given_back_when_the_client_reports_and_not_when_the_wait_is_over() {
    run(async {
        let mock = Mock::waiting(Duration::from_secs(1));
        // The first one also asks for the producer's id, which may take longer than that.
        let first = async { while mock.append().await.is_err() {} };
        let first = tokio::time::timeout(PATIENCE, first).await;
        assert!(first.is_ok(), "the first record was never stored");
        // Its answer comes long after the wait is over.
        let late = Duration::from_secs(2);
        mock.brokers.broker_round_trip_time(1, late).expect("set");
        let budget = Budget::new(8 * PER_REQUEST);
        let record = NewRecord {
            held: budget.open().map(Charge::into_held),
            ..NewRecord::new(TOPIC, "k", b"{}".to_vec(), &RecordHeaders::default())
        };
        let given_up = mock.producer.append(record).await;
        assert!(matches!(given_up, Err(AppendError::Deadline(_))));
        assert_eq!(budget.held(), PER_REQUEST, "the client still holds it");
        let what = "the client has reported and nothing is held";
        eventually_async(PATIENCE, what, async || budget.held() == 0).await;
    });
}

#[test]
fn many_records_on_a_long_way_may_wait_for_company_and_a_single_one_never_does() {
    run(async {
        let mock = Mock::start();
        let far = Duration::from_millis(30);
        mock.brokers.broker_round_trip_time(1, far).expect("set");
        let waits = || !mock.producer.linger().is_zero();
        let crowd = async {
            let without_a_pause = || async {
                while !waits() {
                    mock.append().await.expect("stored");
                }
            };
            futures_util::future::join_all((0..64).map(|_| without_a_pause())).await;
        };
        let found = tokio::time::timeout(PATIENCE, crowd).await;
        assert!(found.is_ok(), "no other lane was tried");
        let alone = async {
            while waits() {
                mock.append().await.expect("stored");
            }
        };
        let at_once = tokio::time::timeout(PATIENCE, alone).await;
        assert!(at_once.is_ok(), "one record alone still waits for company");
        // Nor is another lane tried with it, for longer than the pause between two trials of many.
        for _ in 0..40 {
            mock.append().await.expect("stored");
            assert!(!waits(), "one record alone waits for company again");
        }
    });
}
