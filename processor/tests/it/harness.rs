//! A processor on topics, group and database of its own, and a way to put records in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use serde_json::{Value, json};
use shared::envelope::decode;
use shared::kafka::KafkaSettings;
use shared::kafka::headers::RecordHeaders;
use shared::kafka::producer::{Ack, Producer};
use shared::routing::record_key;
use testbed::services::{Service, ServiceBuilder};
use testbed::testing::{TestDatabase, TestTopics, eventually};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    t: Option<String>,
}

pub(crate) struct Harness {
    pub(crate) database: Database,
    pub(crate) topics: TestTopics,
    pub(crate) producer: Arc<Producer>,
    pub(crate) dir: tempfile::TempDir,
}

/// A database of the server all tests share, or one of a server that the test disturbs.
pub(crate) enum Database {
    Shared(TestDatabase),
    Own(String),
}

impl Database {
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Shared(database) => database.url(),
            Self::Own(url) => url.clone(),
        }
    }

    pub(crate) fn url_as(&self, role: &str) -> String {
        match self {
            Self::Shared(database) => database.url_as(role),
            Self::Own(url) => url.replace("//postgres@", &format!("//{role}@")),
        }
    }
}

pub(crate) fn migrated() -> TestDatabase {
    TestDatabase::create(|url| {
        shared::db::migrate(url).expect("migrations run");
    })
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::on(TestTopics::create())
    }

    pub(crate) fn on(topics: TestTopics) -> Self {
        Self::with(topics, Database::Shared(migrated()))
    }

    /// On a server of the test's own, given by its superuser's URL.
    pub(crate) fn in_database(url: String) -> Self {
        shared::db::migrate(&url).expect("migrations run");
        Self::with(TestTopics::create(), Database::Own(url))
    }

    fn with(topics: TestTopics, database: Database) -> Self {
        let settings = KafkaSettings {
            brokers: topics.brokers.clone(),
            extra: Vec::new(),
            client_id: "test".to_owned(),
        };
        let producer = Producer::create(&settings, Duration::from_secs(20)).expect("producer");
        producer
            .warm(&topics.events, Duration::from_secs(20))
            .expect("metadata");
        let dir = tempfile::tempdir().expect("directory");
        Self {
            database,
            topics,
            producer: Arc::new(producer),
            dir,
        }
    }

    pub(crate) fn builder(&self) -> ServiceBuilder {
        ServiceBuilder::new("processor")
            .env("KAFKA_BROKERS", &self.topics.brokers)
            .env("EVENTS_TOPIC", &self.topics.events)
            .env("DEAD_TOPIC", &self.topics.dead)
            .env("BOOKINGS_TOPIC", &self.topics.bookings)
            .env("CONSUMER_GROUP", &self.topics.group)
            .env("DATABASE_URL", self.database.url_as("bookend_processor"))
            .env("RUST_LOG", "info,processor=debug")
    }

    pub(crate) fn start(&self) -> Service {
        let mut service = self.builder().spawn(self.dir()).expect("processor starts");
        service.wait_ready(PATIENCE).expect("processor is ready");
        service
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Appends a body as the ingestor would.
    pub(crate) fn publish(&self, body: &[u8]) -> Ack {
        let decoded = decode(body);
        let key = record_key(body, decoded.as_ref()).as_str().to_owned();
        self.publish_under(&key, body)
    }

    pub(crate) fn publish_under(&self, key: &str, body: &[u8]) -> Ack {
        let headers = RecordHeaders {
            ce_id: "test".into(),
            traceparent: Some(format!("00-{TRACE}-b7ad6b7169203331-01")),
            stripe_signature: Some("t=1,v1=00".into()),
            verified_by: Some("main".into()),
            received_at: chrono::DateTime::from_timestamp(1_790_000_000, 0),
            ..RecordHeaders::default()
        };
        self.producer
            .append_raw_blocking(&self.topics.events, key, body, headers.to_kafka())
            .expect("acknowledged")
    }

    pub(crate) fn sql(&self) -> PgConnection {
        PgConnection::establish(&self.database.url()).expect("database")
    }

    pub(crate) fn execute(&self, sql: &str) {
        sql_query(sql).execute(&mut self.sql()).expect(sql);
    }

    pub(crate) fn number(&self, sql: &str) -> i64 {
        let row: Number = sql_query(format!("SELECT ({sql})::bigint AS n"))
            .get_result(&mut self.sql())
            .expect(sql);
        row.n
    }

    pub(crate) fn text(&self, sql: &str) -> Option<String> {
        let rows: Vec<Text> = sql_query(format!("SELECT ({sql})::text AS t"))
            .load(&mut self.sql())
            .expect(sql);
        rows.into_iter().next().and_then(|row| row.t)
    }

    pub(crate) fn status(&self, booking: &str) -> Option<String> {
        self.text(&format!(
            "SELECT status FROM bookings WHERE id = '{booking}'"
        ))
    }

    pub(crate) fn eventually_status(&self, booking: &str, wanted: &str) {
        eventually(PATIENCE, &format!("{booking} becomes {wanted}"), || {
            self.status(booking).as_deref() == Some(wanted)
        });
    }

    pub(crate) fn eventually_number(&self, wanted: i64, sql: &str) {
        eventually(PATIENCE, &format!("{wanted} = {sql}"), || {
            self.number(sql) == wanted
        });
    }
}

pub(crate) fn event(
    id: &str,
    at: i64,
    event_type: &str,
    object: Value,
    previous: Value,
) -> Vec<u8> {
    json!({
        "id": id, "object": "event", "type": event_type, "created": at, "livemode": false,
        "api_version": "2026-10-28.endive", "pending_webhooks": 1, "request": {"id": null},
        "data": {"object": object, "previous_attributes": previous},
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn intent(id: &str, booking: Option<&str>, status: &str, amount: i64) -> Value {
    let received = if status == "succeeded" { amount } else { 0 };
    let metadata = booking.map_or_else(|| json!({}), |id| json!({"booking_id": id}));
    json!({
        "id": id, "object": "payment_intent", "status": status, "amount": amount,
        "amount_received": received, "currency": "eur", "metadata": metadata, "customer": "cus_1",
    })
}

pub(crate) fn paid(event_id: &str, intent_id: &str, booking: &str, amount: i64) -> Vec<u8> {
    event(
        event_id,
        1_790_000_000,
        "payment_intent.succeeded",
        intent(intent_id, Some(booking), "succeeded", amount),
        Value::Null,
    )
}
