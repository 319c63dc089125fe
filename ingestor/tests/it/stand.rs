//! The ingestor's listener in this process, with a log that the test can hold back or break.
//!
//! An acknowledgement can only be made by Kafka, so the log that works is a real producer.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ingestor::admission::Admission;
use ingestor::body::BodyLimits;
use ingestor::budget::Budget;
use ingestor::line::{Lines, Origins, Rates};
use ingestor::listener::{Limits, build};
use ingestor::metrics::Metrics;
use ingestor::secrets::CurrentSecrets;
use ingestor::tally::Tally;
use ingestor::webhook::Parts;
use rdkafka::error::KafkaError;
use shared::clock::SystemClock;
use shared::kafka::KafkaSettings;
use shared::kafka::producer::{Ack, AppendError, EventLog, NewRecord, Producer};
use shared::signature::Secrets;
use shared::stats::Counts;
use testbed::testing::TestTopics;
use tokio::sync::Semaphore;

use crate::client::SECRET;

pub(crate) const MIB: usize = 1024 * 1024;

/// What the log does with a record.
pub(crate) enum Log {
    /// Appends it to Kafka, once the gate has a permit.
    Kafka(Box<Producer>, Semaphore),
    /// Waits for an acknowledgement that never comes.
    Silent(Duration),
    /// The broker says no.
    Failing,
    /// The queue is full.
    Overloaded,
}

pub(crate) struct Counted {
    log: Log,
    pub(crate) appends: AtomicUsize,
}

impl Counted {
    pub(crate) fn open_gate(&self) {
        if let Log::Kafka(_, gate) = &self.log {
            gate.add_permits(1_000);
        }
    }
}

impl EventLog for Counted {
    async fn append(&self, record: NewRecord) -> Result<Ack, AppendError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        match &self.log {
            Log::Kafka(producer, gate) => {
                gate.acquire().await.expect("gate").forget();
                producer.append(record).await
            }
            Log::Silent(deadline) => {
                tokio::time::sleep(*deadline).await;
                Err(AppendError::Deadline(*deadline))
            }
            Log::Failing => Err(AppendError::Failed(KafkaError::Canceled)),
            Log::Overloaded => Err(AppendError::Overloaded),
        }
    }
}

pub(crate) struct Stand {
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<Counted>,
    tally: Arc<Tally>,
}

/// A producer for `topics`, its gate open or shut.
pub(crate) fn kafka(topics: &TestTopics, open: bool) -> Log {
    let settings = KafkaSettings {
        brokers: topics.brokers.clone(),
        extra: Vec::new(),
        client_id: "test".to_owned(),
    };
    let patience = Duration::from_secs(20);
    let producer = Producer::create(&settings, patience).expect("producer");
    producer.warm(&topics.events, patience).expect("metadata");
    let permits = if open { 1_000 } else { 0 };
    Log::Kafka(Box::new(producer), Semaphore::new(permits))
}

impl Stand {
    pub(crate) fn start(log: Log, topic: &str) -> Self {
        Self::with(log, topic, 64)
    }

    pub(crate) fn with(log: Log, topic: &str, in_flight: usize) -> Self {
        Self::build(log, topic, in_flight, Duration::ZERO)
    }

    /// One that leaves a connection open for a next request, as the service does.
    pub(crate) fn keeping(log: Log, topic: &str) -> Self {
        Self::build(log, topic, 64, Duration::from_secs(5))
    }

    /// One whose places are all taken, for good.
    pub(crate) fn full() -> Self {
        Self::build(Log::Failing, "nowhere", 0, Duration::from_secs(5))
    }

    /// With connections that are kept for so long.
    pub(crate) fn keeping_for(log: Log, topic: &str, keep_alive: Duration) -> Self {
        Self::build(log, topic, 64, keep_alive)
    }

    fn build(log: Log, topic: &str, in_flight: usize, keep_alive: Duration) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("port");
        let address = socket.local_addr().expect("address");
        let log = Arc::new(Counted {
            log,
            appends: AtomicUsize::new(0),
        });
        let rates = Rates {
            good_one_in: 1,
            bad_a_second: 50,
        };
        let origins = Origins {
            header: None,
            stripe: Vec::new(),
        };
        let metrics = Metrics::new();
        let tally = metrics.tally();
        let parts = Arc::new(Parts {
            log: Arc::clone(&log),
            topic: topic.to_owned(),
            secrets: Arc::new(CurrentSecrets::new(Secrets::parse(SECRET).expect("secret"))),
            clock: Arc::new(SystemClock),
            limits: BodyLimits {
                bytes: MIB,
                deadline: Duration::from_millis(700),
            },
            budget: Budget::new(8 * MIB),
            admission: Arc::new(Admission::new(in_flight)),
            lines: Lines::new(rates, origins),
            metrics,
        });
        let limits = Limits {
            head: Duration::from_millis(700),
            keep_alive,
            connections: 64,
            drain: Duration::from_secs(1),
        };
        // It ends with the test's process.
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let server = build(socket, parts, limits, Metrics::new()).expect("listening");
                server.await.expect("served");
            });
        });
        Self {
            address,
            log,
            tally,
        }
    }

    /// How many requests were handled, by how they ended.
    pub(crate) fn counts(&self) -> Counts {
        self.tally.read()
    }

    pub(crate) fn appends(&self) -> usize {
        self.log.appends.load(Ordering::SeqCst)
    }
}
