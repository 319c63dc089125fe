//! What the tests share: a database, a topic and a fake Stripe of their own, and a small stand-in
//! for the processor that writes the ledger without folding.

pub(crate) mod believed;
pub(crate) mod database;
pub(crate) mod http;
pub(crate) mod logs;
pub(crate) mod topic;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use reconciler::barrier::Barrier;
use reconciler::counted::StatsReader;
use reconciler::publish::Publisher;
use reconciler::store::Store;
use reconciler::stripe::{self, Budget, Client};
use reconciler::sweep::{Engine, Limits, Reader};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::ids::EventId;
use shared::kafka::producer::{EventLog, Producer};
use testbed::stripe::{Fake, FakeConfig, FakeHandle, NewObjectEvent};

use database::Database;
use topic::Topic;

/// One test's world.
pub(crate) struct Rig {
    pub(crate) stripe: FakeHandle,
    pub(crate) database: Database,
    pub(crate) topic: Topic,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let (database, topic) = tokio::join!(Database::new(), Topic::new());
        // A topic just made has partitions without a leader, for which no barrier here has patience.
        topic.ends().await;
        Self {
            stripe: Fake::start(FakeConfig::default()).unwrap(),
            database,
            topic,
        }
    }

    pub(crate) async fn engine(&self) -> Engine<Producer> {
        self.engine_with(Arc::new(self.topic.producer()), limits())
            .await
    }

    pub(crate) async fn engine_with<L: EventLog>(&self, log: Arc<L>, limits: Limits) -> Engine<L> {
        Engine {
            reader: self.reader(limits).await,
            publisher: Arc::new(Publisher::new(log, self.topic.name.clone(), 10_000)),
        }
    }

    pub(crate) async fn reader(&self, limits: Limits) -> Reader {
        Reader {
            client: unbounded(stripe_settings(
                vec![self.stripe.url()],
                self.stripe.api_key(),
            )),
            store: Store::connect(SecretString::from(self.database.reconciler_url()))
                .await
                .unwrap(),
            barrier: self.barrier(Duration::from_millis(300)),
            stats: Some(StatsReader::new(
                topic::kafka(),
                self.topic.all.stats.clone(),
            )),
            limits,
        }
    }

    pub(crate) fn barrier(&self, patience: Duration) -> Barrier {
        let client = topic::kafka().client();
        Barrier::new(
            &client,
            self.topic.name.clone(),
            topic::PARTITIONS,
            patience,
        )
        .unwrap()
    }

    /// An event that Stripe lists and nobody delivered; returns its id.
    pub(crate) fn lose(&self, n: usize, ago_s: i64) -> EventId {
        self.lose_of(None, n, ago_s)
    }

    pub(crate) fn lose_of(&self, account: Option<&str>, n: usize, ago_s: i64) -> EventId {
        let id = self.stripe.add_event(&NewObjectEvent {
            kind: "payment_intent.succeeded".to_owned(),
            object: intent(&format!("pi_{n}"), "succeeded", n),
            previous_attributes: None,
            created: Some(now() - ago_s),
            id: None,
            account: account.map(str::to_owned),
            deliver: false,
        });
        EventId::parse(&id).unwrap()
    }

    /// Does for the ledger what the processor does: a row for every record, then progress.
    pub(crate) async fn apply_log(&self) {
        // Ends first: progress must not pass a record that came after the reading.
        let ends = self.topic.ends().await;
        let records = self.topic.records().await;
        self.database.apply(&self.topic.name, records, ends).await;
    }
}

/// When the tests' intents were made: the same second for all, however long a test takes.
fn made() -> i64 {
    static MADE: LazyLock<i64> = LazyLock::new(|| now() - 1_000);
    *MADE
}

/// A payment intent of booking `B-<n>`.
pub(crate) fn intent(id: &str, status: &str, n: usize) -> Value {
    let received = if status == "succeeded" { 1_000 } else { 0 };
    json!({
        "id": id, "object": "payment_intent", "status": status, "amount": 1_000,
        "amount_received": received, "currency": "eur", "created": made(),
        "livemode": false, "metadata": {"booking_id": format!("B-{n}")},
    })
}

pub(crate) fn limits() -> Limits {
    Limits {
        livemode: false,
        lag_s: 5,
        overlap_s: 60,
        span_s: 40 * 86_400,
        max_events: 10_000,
        repair_cap: 10_000,
        parked_limit: Duration::from_secs(3_600),
        lock_patience: Duration::from_secs(20),
        pending_after: Duration::ZERO,
        abandon_after: Duration::from_secs(30 * 86_400),
        pending_batch: 100,
        refetch_pause: Duration::ZERO,
    }
}

pub(crate) fn stripe_settings(bases: Vec<String>, key: &str) -> stripe::Settings {
    stripe::Settings {
        bases,
        key: SecretString::from(key),
        timeout: Duration::from_secs(2),
        attempts: 4,
        body_limit: 8 * 1024 * 1024,
    }
}

/// A client that calls as often as it likes.
pub(crate) fn unbounded(settings: stripe::Settings) -> Client {
    Client::new(settings, Budget::Unbounded).unwrap()
}

pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
