//! `bookend replay` on a real log and a real database. The processor's part, the result of each
//! item, is played by SQL here; the whole is proved beside the processor.

mod dry_run;
mod execution;
mod refusals;
mod resuming;
mod sources;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, sql_query};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;
use shared::kafka::KafkaSettings;
use shared::kafka::headers::{RecordHeaders, RecordKind};
use shared::kafka::producer::{NewRecord, Producer};
use testbed::testing::{TestTopics, eventually};

use crate::fixture::{Answer, Event, Ledger, run};

const PATIENCE: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 12;

/// A database and topics of the test's own.
pub(crate) struct Stand {
    pub(crate) ledger: Ledger,
    pub(crate) topics: TestTopics,
    producer: Producer,
}

/// A record as the log has it.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: RecordHeaders,
    pub(crate) header_names: Vec<String>,
    pub(crate) timestamp_ms: i64,
}

#[derive(QueryableByName)]
struct Cell {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    t: Option<String>,
}

pub(crate) fn body(id: &str, r#type: &str, booking: &str) -> Vec<u8> {
    json!({
        "id": id, "object": "event", "type": r#type, "created": 1_790_000_000, "livemode": false,
        "data": {"object": {"id": format!("ch_{id}"), "object": "charge",
            "metadata": {"booking_id": booking}}},
    })
    .to_string()
    .into_bytes()
}

impl Stand {
    pub(crate) fn new() -> Self {
        let topics = TestTopics::create();
        let settings = KafkaSettings {
            brokers: topics.brokers.clone(),
            extra: Vec::new(),
            client_id: "test".to_owned(),
        };
        Self {
            ledger: Ledger::new(),
            producer: Producer::create(&settings, Duration::from_secs(20)).unwrap(),
            topics,
        }
    }

    fn variables(&self) -> [(&str, &str); 5] {
        [
            ("DATABASE_URL", self.ledger.url.as_str()),
            ("KAFKA_BROKERS", self.topics.brokers.as_str()),
            ("EVENTS_TOPIC", self.topics.events.as_str()),
            ("DEPLOYMENT", "development"),
            ("BOOKEND_OPERATOR", "Ada"),
        ]
    }

    pub(crate) fn replay(&self, arguments: &[&str]) -> Answer {
        let all: Vec<&str> = ["replay"].iter().chain(arguments).copied().collect();
        run(&all, &self.variables(), b"")
    }

    /// What is to be done, done: `--execute` with a reason.
    pub(crate) fn execute(&self, arguments: &[&str]) -> Answer {
        let doing = ["--execute", "--reason", "ticket 7"];
        let all: Vec<&str> = arguments.iter().chain(&doing).copied().collect();
        self.replay(&all)
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_bookend"))
            .arg("replay")
            .args(arguments)
            .env_clear()
            .envs(self.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// An event in the log, as the ingestor appends it, on a partition of its key's choosing.
    pub(crate) fn log(&self, id: &str, r#type: &str, booking: &str) -> Logged {
        let headers = RecordHeaders {
            ce_id: id.to_owned(),
            ce_type: format!("com.stripe.{}", r#type),
            stripe_signature: Some("t=1,v1=00".into()),
            verified_by: Some("main".into()),
            received_at: chrono::DateTime::from_timestamp(1_790_000_000, 123_456_000),
            ..RecordHeaders::default()
        };
        self.append(booking, body(id, r#type, booking), headers)
    }

    pub(crate) fn append(&self, key: &str, value: Vec<u8>, headers: RecordHeaders) -> Logged {
        let record = NewRecord::new(&self.topics.events, key, value.clone(), &headers);
        let ack = self
            .producer
            .append_raw_blocking(&self.topics.events, key, &value, record.headers)
            .unwrap();
        Logged {
            partition: ack.partition(),
            offset: ack.offset(),
            key: key.to_owned(),
            value,
            headers,
            header_names: Vec::new(),
            timestamp_ms: 0,
        }
    }

    /// Its ledger row, made of that record.
    pub(crate) fn row(&mut self, record: &Logged, id: &str, disposition: &str) {
        self.ledger.event(&Event {
            id,
            r#type: "charge.succeeded",
            object: None,
            booking: Some(&record.key),
            payload: &record.value,
            disposition,
            ..Event::default()
        });
        self.ledger.rewrite(&format!(
            "UPDATE events SET topic = '{}', partition = {}, \"offset\" = {} WHERE id = '{id}'",
            self.topics.events, record.partition, record.offset
        ));
    }

    /// Everything that is in the log counts as applied.
    pub(crate) fn all_applied(&mut self) {
        let logged = self.logged();
        for partition in 0..PARTITIONS {
            let here = logged.iter().filter(|it| it.partition == partition);
            self.applied_to(partition, i64::try_from(here.count()).unwrap());
        }
    }

    pub(crate) fn applied_to(&mut self, partition: i32, next: i64) {
        self.ledger.execute(&format!(
            "INSERT INTO partition_progress (topic, partition, next_offset)
             VALUES ('{}', {partition}, {next})
             ON CONFLICT (topic, partition) DO UPDATE SET next_offset = {next}",
            self.topics.events
        ));
    }

    /// All that the log has, by partition and offset.
    pub(crate) fn logged(&self) -> Vec<Logged> {
        let consumer: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", &self.topics.brokers)
            .set("group.id", "none")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&self.topics.events, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut found, mut ended) = (Vec::new(), 0);
        eventually(PATIENCE, "the log is read", || {
            while let Some(polled) = consumer.poll(Duration::from_millis(500)) {
                match polled {
                    Ok(message) => {
                        let headers = message.headers();
                        let names = headers.iter().flat_map(|all| all.iter());
                        found.push(Logged {
                            partition: message.partition(),
                            offset: message.offset(),
                            key: String::from_utf8(message.key().unwrap_or_default().to_vec())
                                .unwrap(),
                            value: message.payload().unwrap_or_default().to_vec(),
                            headers: headers.map(RecordHeaders::from_kafka).unwrap_or_default(),
                            header_names: names.map(|header| header.key.to_owned()).collect(),
                            timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
                        });
                    }
                    Err(KafkaError::PartitionEOF(_)) => ended += 1,
                    Err(error) => panic!("{error}"),
                }
                if ended == PARTITIONS {
                    return true;
                }
            }
            false
        });
        found.sort_by_key(|record: &Logged| (record.partition, record.offset));
        found
    }

    /// What was published by replays.
    pub(crate) fn replayed(&self) -> Vec<Logged> {
        let mut found = self.logged();
        found.retain(|record| record.headers.action_id.is_some());
        found
    }

    pub(crate) fn text(&self, sql: &str) -> String {
        let mut connection = PgConnection::establish(&self.ledger.url).unwrap();
        let cells: Vec<Cell> = sql_query(format!("SELECT ({sql})::text AS t"))
            .load(&mut connection)
            .unwrap();
        cells[0].t.clone().unwrap_or_default()
    }

    pub(crate) fn action(&self) -> String {
        self.text("SELECT max(id) FROM operator_actions WHERE verb = 'replay'")
    }
}

/// Does what the processor does: gives each published item this result, until there are `n`.
pub(crate) fn play_results(url: &str, result: &str, n: i64) {
    let mut connection = PgConnection::establish(url).unwrap();
    eventually(PATIENCE, "all items have a result", || {
        connection
            .batch_execute(&format!(
                "UPDATE operator_action_items SET state = '{result}', done_at = now()
                 WHERE state = 'published'"
            ))
            .unwrap();
        let count = format!(
            "SELECT count(*)::text AS t FROM operator_action_items WHERE state = '{result}'"
        );
        let cells: Vec<Cell> = sql_query(count).load(&mut connection).unwrap();
        cells[0].t.as_deref() == Some(&*n.to_string())
    });
}

pub(crate) fn command_headers() -> RecordHeaders {
    RecordHeaders {
        record: RecordKind::Command,
        ..RecordHeaders::default()
    }
}
