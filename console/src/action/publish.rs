//! Records of an action: appended, acknowledged, and only then noted as published.
//!
//! *Invariant:* an item that says `published` was acknowledged by the log. A crash between the two
//! leaves it `planned`; whoever goes on sends it again, and the processor recognizes it.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Integer, Text};
use diesel::{RunQueryDsl as _, sql_query};
use futures_util::future::join_all;
use rdkafka::message::OwnedHeaders;
use shared::clock::{Clock as _, SystemClock};
use shared::commands::{Command, Wish};
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};
use shared::kafka::producer::{Ack, AppendError, EventLog as _, NewRecord, Producer};

use super::Action;
use crate::args::LogArgs;
use crate::database::Writer;
use crate::failure::Failure;
use crate::kafka;

/// How long one acknowledgement is waited for.
const APPEND_DEADLINE: Duration = Duration::from_secs(5);

/// One record to be published.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Never empty.
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: OwnedHeaders,
}

impl Outgoing {
    /// A command, under the key of what it concerns.
    ///
    /// # Errors
    /// 1, which cannot happen for these types.
    pub(crate) fn command(action: &Action, key: &str, wish: Wish) -> Result<Self, Failure> {
        let name = name(&wish);
        let value = Command::new(&action.id, wish)
            .to_value()
            .map_err(|source| Failure::Json { source })?;
        let headers = RecordHeaders {
            ce_id: action.id.clone(),
            ce_type: format!("com.bookend.command.{name}"),
            ce_source: "urn:bookend:console".to_owned(),
            ce_time: Some(SystemClock.now()),
            ce_subject: Some(key.to_owned()),
            record: RecordKind::Command,
            source: Source::Operator,
            action_id: Some(action.id.clone()),
            ..RecordHeaders::default()
        };
        Ok(Self {
            key: key.to_owned(),
            value,
            headers: headers.to_kafka(),
        })
    }
}

fn name(wish: &Wish) -> &'static str {
    match wish {
        Wish::Refold { .. } => "refold",
        Wish::RefoldObject { .. } => "refold_object",
        Wish::Release { .. } => "release",
        Wish::Skip { .. } => "skip",
        Wish::Resolve { .. } => "resolve",
        Wish::Assign { .. } => "assign",
        Wish::Amend { .. } => "amend",
        Wish::Accept { .. } => "accept",
        Wish::CloseFinding { .. } => "close_finding",
    }
}

/// What appends to the events' topic.
pub(crate) struct Publisher {
    producer: Producer,
    topic: String,
}

impl Publisher {
    /// Connects and learns the topic's partitions, so that a broker that is away is known before
    /// an action is begun.
    ///
    /// # Errors
    /// 78 for settings, 1 when the brokers do not answer.
    pub(crate) fn connect(log: &LogArgs, limit: Duration) -> Result<Self, Failure> {
        let settings = kafka::settings(&log.kafka, log.deployment)?;
        let failed = |source| Failure::Producer { source };
        let producer = Producer::create(&settings, APPEND_DEADLINE).map_err(failed)?;
        let topic = log.kafka.events_topic.clone();
        producer.warm(&topic, limit).map_err(failed)?;
        Ok(Self { producer, topic })
    }

    /// Appends and waits for the acknowledgement. `subject` names it in the error.
    ///
    /// # Errors
    /// 1: it is not known to be in the log.
    pub(crate) fn append(&self, subject: &str, record: Outgoing) -> Result<Ack, Failure> {
        self.producer
            .append_raw_blocking(&self.topic, &record.key, &record.value, record.headers)
            .map_err(|source| Failure::Append {
                subject: subject.to_owned(),
                source,
            })
    }

    /// Appends records side by side and waits for each acknowledgement; the answers are in the
    /// records' order. Nothing is noted.
    pub(crate) fn append_all(
        &self,
        runtime: &tokio::runtime::Runtime,
        records: &[(String, Outgoing)],
    ) -> Vec<Result<Ack, AppendError>> {
        let appends = records.iter().map(|(_, record)| {
            self.producer.append(NewRecord {
                topic: self.topic.clone(),
                key: record.key.clone(),
                value: record.value.clone(),
                headers: record.headers.clone(),
                timestamp_ms: None,
                held: None,
            })
        });
        runtime.block_on(join_all(appends))
    }

    /// Appends an item's record and notes it as published.
    ///
    /// # Errors
    /// 1 with the item noted as `unknown`: it may be in the log; or the database's, and then the
    /// record is there without a note.
    pub(crate) fn publish(
        &self,
        writer: &mut Writer,
        action: &Action,
        subject: &str,
        record: Outgoing,
    ) -> Result<(), Failure> {
        match self.append(subject, record) {
            Ok(ack) => writer.run("action_published", |db| {
                self.note_published(db, action, &[(subject.to_owned(), ack)])
            }),
            Err(failure) => {
                let detail = failure.explain();
                writer.run("action_unknown", |db| {
                    note_unknown(db, action, subject, &detail)
                })?;
                Err(failure)
            }
        }
    }

    /// Notes acknowledged records, in the caller's transaction. What the processor has said of
    /// an item already is not taken back.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn note_published(
        &self,
        db: &mut PgConnection,
        action: &Action,
        records: &[(String, Ack)],
    ) -> Result<(), Failure> {
        let subjects: Vec<&str> = records
            .iter()
            .map(|(subject, _)| subject.as_str())
            .collect();
        let partitions: Vec<i32> = records.iter().map(|(_, ack)| ack.partition()).collect();
        let offsets: Vec<i64> = records.iter().map(|(_, ack)| ack.offset()).collect();
        sql_query(
            "UPDATE operator_action_items AS i
             SET state = CASE WHEN i.state IN ('planned', 'unknown') THEN 'published'
                              ELSE i.state END,
                 topic = $2, partition = r.partition, \"offset\" = r.\"offset\",
                 published_at = now()
             FROM unnest($3::text[], $4::integer[], $5::bigint[])
                 AS r(subject, partition, \"offset\")
             WHERE i.action_id = $1 AND i.subject = r.subject",
        )
        .bind::<Text, _>(&action.id)
        .bind::<Text, _>(&self.topic)
        .bind::<Array<Text>, _>(subjects)
        .bind::<Array<Integer>, _>(partitions)
        .bind::<Array<BigInt>, _>(offsets)
        .execute(db)
        .map(drop)
        .map_err(|source| Failure::Query {
            doing: "noting what was published",
            source,
        })
    }
}

fn note_unknown(
    db: &mut PgConnection,
    action: &Action,
    subject: &str,
    detail: &str,
) -> Result<(), Failure> {
    sql_query(
        "UPDATE operator_action_items SET state = 'unknown', detail = $3
         WHERE action_id = $1 AND subject = $2 AND state = 'planned'",
    )
    .bind::<Text, _>(&action.id)
    .bind::<Text, _>(subject)
    .bind::<Text, _>(detail)
    .execute(db)
    .map(drop)
    .map_err(|source| Failure::Query {
        doing: "noting what may have been published",
        source,
    })
}
