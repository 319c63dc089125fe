//! A migrated database of one test's own.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, sql_query};
use sha2::{Digest, Sha256};

use testbed::testing::TestDatabase;

use super::topic::Record;

pub(crate) struct Database(TestDatabase);

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Nullable<Text>)]
    t: Option<String>,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let create = || {
            TestDatabase::create(|url| {
                shared::db::migrate(url).unwrap();
            })
        };
        Self(tokio::task::spawn_blocking(create).await.unwrap())
    }

    /// The owner's URL.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// As the reconciler connects: with the reconciler's rights and no others.
    pub(crate) fn reconciler_url(&self) -> String {
        self.url_as("bookend_reconciler")
    }

    /// A URL whose session has the rights of `role` and no others.
    pub(crate) fn url_as(&self, role: &str) -> String {
        let mut url = reqwest::Url::parse(&self.0.url()).unwrap();
        let query = match url.query() {
            Some(query) => format!("{query}&options=-c%20role%3D{role}"),
            None => format!("options=-c%20role%3D{role}"),
        };
        url.set_query(Some(&query));
        url.to_string()
    }

    pub(crate) fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.0.url()).unwrap()
    }

    /// Runs statements as the owner.
    pub(crate) fn execute(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap();
    }

    /// Runs statements that rewrite evidence: as the owner, with the triggers that forbid it off.
    pub(crate) fn rewrite(&self, sql: &str) {
        self.execute(&format!("SET session_replication_role = replica; {sql}"));
    }

    /// `SELECT … AS n`.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        sql_query(sql)
            .get_result::<Number>(&mut self.connect())
            .unwrap()
            .n
    }

    /// `SELECT … AS t`; one row.
    pub(crate) fn text(&self, sql: &str) -> Option<String> {
        sql_query(sql)
            .get_result::<Word>(&mut self.connect())
            .unwrap()
            .t
    }

    /// Ledger rows for these records, and progress up to these ends.
    pub(crate) async fn apply(&self, topic: &str, records: Vec<Record>, ends: BTreeMap<i32, i64>) {
        let (mut connection, topic) = (self.connect(), topic.to_owned());
        tokio::task::spawn_blocking(move || {
            for record in &records {
                insert(&mut connection, &topic, record);
            }
            for (partition, end) in ends {
                sql_query(
                    "INSERT INTO partition_progress (topic, partition, next_offset) \
                     VALUES ($1, $2, $3) ON CONFLICT (topic, partition) \
                     DO UPDATE SET next_offset = excluded.next_offset",
                )
                .bind::<Text, _>(&topic)
                .bind::<Integer, _>(partition)
                .bind::<BigInt, _>(end)
                .execute(&mut connection)
                .unwrap();
            }
        })
        .await
        .unwrap();
    }
}

fn insert(connection: &mut PgConnection, topic: &str, record: &Record) {
    let value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
    sql_query(
        "INSERT INTO events (id, created, record_kind, account, livemode, type, payload, \
         payload_sha256, source, topic, partition, \"offset\", received_at, applied_at, \
         disposition, fold_version) \
         VALUES ($1, to_timestamp($2), $3, $4, false, $5, $6, $7, $8, $9, $10, $11, now(), now(), \
         'applied', 1) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(record.header("ce_id").unwrap())
    .bind::<BigInt, _>(value["created"].as_i64().unwrap_or(0))
    .bind::<Text, _>(record.header("x-record").unwrap())
    .bind::<Nullable<Text>, _>(record.header("x-account"))
    .bind::<Text, _>(
        record
            .header("ce_type")
            .unwrap()
            .trim_start_matches("com.stripe."),
    )
    .bind::<Binary, _>(&record.value)
    .bind::<Binary, _>(Sha256::digest(&record.value).to_vec())
    .bind::<Text, _>(record.header("x-source").unwrap())
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(record.partition)
    .bind::<BigInt, _>(record.offset)
    .execute(connection)
    .unwrap();
}
