//! Events applied in this process to a database, by today's code or by code with a planted bug:
//! then the ledger holds the true bytes, and the tables what a buggy version made of them.
//!
//! Self-contained, as the console's tests use it, too.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::DateTime;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use processor::apply::upgrade::upgrading;
use processor::apply::{Place, Rules, apply_batch};
use processor::consumer::Record;
use processor::decode::{Scope, decode};
use processor::item::Item;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::folding::money::Policy;
use shared::kafka::headers::RecordHeaders;
use shared::routing::record_key;

pub(crate) const RULES: Rules = Rules {
    policy: Policy {
        require_registration: false,
        client_reference: false,
        report_unassigned: false,
    },
    max_objects: 1_000,
};
const TOPIC: &str = "planted";
const BATCH: usize = 50;

/// What a version of the code makes of an event's JSON before it reads it.
pub(crate) type Bug = fn(&mut Value);

pub(crate) fn no_bug(_event: &mut Value) {}

/// A version that takes every refund for half of it.
pub(crate) fn halve_refunds(event: &mut Value) {
    let object = &mut event["data"]["object"];
    let name = match object["object"].as_str() {
        Some("refund") => "amount",
        Some("charge") => "amount_refunded",
        _ => return,
    };
    if let Some(amount) = object[name].as_i64() {
        object[name] = (amount / 2).into();
    }
}

/// A processor without Kafka.
pub(crate) struct Planted {
    pub(crate) conn: PgConnection,
    next: i64,
}

impl Planted {
    /// On a migrated database, by a URL of one who may write it.
    pub(crate) fn on(url: &str) -> Self {
        let mut conn = PgConnection::establish(url).expect("database");
        let row = format!(
            "INSERT INTO partition_progress (topic, partition, next_offset) VALUES ('{TOPIC}', 0, 0)"
        );
        sql_query(row).execute(&mut conn).expect("progress");
        Self { conn, next: 0 }
    }

    /// Applies these bodies in their order, in batches.
    pub(crate) fn apply(&mut self, bodies: &[Vec<u8>], bug: Bug) {
        for chunk in bodies.chunks(BATCH) {
            let items: Vec<Item> = chunk
                .iter()
                .zip(self.next..)
                .map(|(body, offset)| read(body, offset, bug))
                .collect();
            let place = Place {
                topic: TOPIC,
                partition: 0,
                epoch: 0,
                next_offset: self.next,
            };
            let items: Vec<&Item> = items.iter().collect();
            let now = DateTime::from_timestamp(1_790_000_500, 0).unwrap();
            let applied = upgrading(&mut self.conn, RULES, |conn| {
                apply_batch(conn, place, &items, RULES, now)
            });
            self.next = applied.expect("applied").next_offset;
        }
    }
}

pub(crate) fn read(body: &[u8], offset: i64, bug: Bug) -> Item {
    let mut seen: Value = serde_json::from_slice(body).unwrap();
    bug(&mut seen);
    let record = Record {
        topic: TOPIC.to_owned(),
        partition: 0,
        offset,
        key: record_key(body, shared::envelope::decode(body).as_ref())
            .as_str()
            .to_owned(),
        value: seen.to_string().into_bytes(),
        headers: RecordHeaders::default(),
        raw_headers: RecordHeaders::default().to_kafka(),
        timestamp_ms: None,
        arrived: Instant::now(),
    };
    let scope = Scope {
        livemode: false,
        accounts: None,
    };
    let Item::Readable(mut item) = decode(record, &scope) else {
        panic!("unreadable: {seen}");
    };
    // What is kept is what came, whatever was made of it.
    item.record.value = body.to_vec();
    item.sha256 = Sha256::digest(body).into();
    Item::Readable(item)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text)]
    id: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

pub(crate) fn rows(conn: &mut PgConnection, sql: &str) -> BTreeMap<String, String> {
    let rows: Vec<Row> = sql_query(sql).load(conn).expect(sql);
    rows.into_iter().map(|row| (row.id, row.text)).collect()
}

/// What each booking shows.
pub(crate) fn bookings(conn: &mut PgConnection) -> BTreeMap<String, String> {
    rows(
        conn,
        "SELECT id, concat_ws(' ', status, amount, currency, amount_paid, amount_refunded, \
           expected_amount, expected_currency, hold, amount_net, amount_authorized, \
           amount_in_flight, amount_settled_elsewhere, amount_from_balance, amount_credited, \
           amount_refund_pending_action, amount_disputed, amount_lost, payments, \
           authorized_until, other_currencies::text) AS text FROM bookings WHERE version > 0",
    )
}

/// Everything that is folded, but for who changed it how often and when.
pub(crate) fn folded(conn: &mut PgConnection) -> BTreeMap<String, String> {
    let mut all = bookings(conn);
    for sql in [
        "SELECT account || '/' || id AS id, (to_jsonb(o) - '{version,created_at,updated_at,updated_by,published_state}'::text[])::text AS text FROM objects o",
        "SELECT account || '/' || least(from_id, to_id) || '–' || greatest(from_id, to_id) AS id, '' AS text FROM object_links",
        "SELECT account || '/' || object_id || '#' || booking_id AS id, '' AS text FROM object_mentions",
        "SELECT 'share ' || account || '/' || object_id || '/' || booking_id AS id, to_jsonb(s)::text AS text FROM object_shares s",
        "SELECT 'finding ' || identity AS id, kind AS text FROM findings WHERE identity IS NOT NULL AND closed_at IS NULL AND scope <> 'history'",
        "SELECT 'subscription ' || id AS id, (to_jsonb(s) - 'updated_at')::text AS text FROM subscriptions s",
        "SELECT 'invoice ' || id AS id, (to_jsonb(i) - 'updated_at')::text AS text FROM invoices i",
    ] {
        all.extend(rows(conn, sql));
    }
    all
}

/// Asserts that two databases were folded to the same, and says where not.
pub(crate) fn assert_same(one: &mut PgConnection, other: &mut PgConnection) {
    let (one, other) = (folded(one), folded(other));
    let ids = one.keys().chain(other.keys());
    let differing: Vec<_> = ids
        .filter(|id| one.get(*id) != other.get(*id))
        .take(5)
        .map(|id| (id, one.get(id), other.get(id)))
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
}
