//! Facts reach `booking.events`: at least once, in order per booking, recognizable by their id,
//! whenever a relay dies and however many run.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{PgConnection, RunQueryDsl, sql_query};
use serde_json::{Value, json};
use testbed::services::Service;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, event, intent};
use crate::topic::{Read, read_all};

const WAITING: &str = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
/// Sessions of relays that hold a slot: the first half of the lock's key is the relay's.
const SLOTS_HELD: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
                          AND classid = 1651208056 AND database = \
                          (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Bookings that are said to be processing, then paid: two facts each, when they are folded
/// one by one.
fn publish_steps(harness: &Harness, bookings: std::ops::Range<i64>, status: &str, at: i64) {
    for n in bookings {
        let object = intent(&format!("pi_{n}"), Some(&format!("b-{n}")), status, 500);
        let id = format!("evt_{n}_{status}");
        harness.publish(&event(
            &id,
            at,
            "payment_intent.updated",
            object,
            Value::Null,
        ));
    }
}

fn facts(harness: &Harness) -> Vec<Read> {
    read_all(&harness.topics.brokers, &harness.topics.bookings)
}

/// Facts as the owner of the schema would find them: written while no relay runs.
fn write_facts(harness: &Harness, bookings: i64, versions: i64) {
    harness.execute(&format!(
        "INSERT INTO outbox (id, key, kind, payload) \
         SELECT 'fact_' || b || '_' || v, 'b-' || b, 'booking.changed', \
         json_build_object('id', 'fact_' || b || '_' || v, 'version', v) \
         FROM generate_series(1, {versions}) v, generate_series(1, {bookings}) b ORDER BY v, b"
    ));
}

/// Each outbox row is there under its key and id, and no booking's version is seen for the
/// first time after a later one. Returns how many copies there are of all.
fn assert_complete_and_in_order(harness: &Harness) -> usize {
    let records = facts(harness);
    let mut ids: BTreeSet<String> = BTreeSet::new();
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    for record in &records {
        let fact: Value = serde_json::from_slice(&record.value).unwrap();
        assert_eq!(fact["id"], record.header("ce_id"));
        assert_eq!(record.header("ce_subject"), record.key);
        let version = fact["version"].as_i64().unwrap();
        if ids.insert(record.header("ce_id").to_owned()) {
            let before = last.insert(record.key.clone(), version).unwrap_or(0);
            assert!(before < version, "{}: {version} after {before}", record.key);
        }
    }
    let written = harness.number("SELECT count(*) FROM outbox");
    assert_eq!(i64::try_from(ids.len()).unwrap(), written);
    records.len()
}

#[test]
fn two_relays_publish_every_fact_in_order_for_each_booking() {
    let harness = Harness::new();
    let (mut one, mut two) = (harness.start(), harness.start());
    for (step, status) in ["processing", "requires_action", "succeeded"]
        .iter()
        .enumerate()
    {
        publish_steps(&harness, 0..200, status, 1_790_000_000 + step as i64);
    }
    harness.eventually_number(
        200,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    harness.eventually_number(0, WAITING);
    let copies = assert_complete_and_in_order(&harness);
    // Nobody died: at least once is exactly once.
    assert_eq!(copies as i64, harness.number("SELECT count(*) FROM outbox"));
    let fact = facts(&harness).into_iter().next_back().unwrap();
    assert_eq!(fact.header("ce_type"), "bookend.booking.changed");
    assert_eq!(fact.header("ce_specversion"), "1.0");
    for service in [&mut one, &mut two] {
        assert_eq!(service.terminate().unwrap(), Some(0));
    }
}

#[test]
fn two_relays_killed_in_turn_lose_no_fact_and_keep_the_order() {
    let harness = Harness::new();
    write_facts(&harness, 300, 10);
    let mut members = [harness.start(), harness.start()];
    for round in 0..6 {
        let before = harness.number(WAITING);
        eventually(PATIENCE, "it publishes", || {
            let now = harness.number(WAITING);
            now < before || now == 0
        });
        let member: &mut Service = &mut members[round % 2];
        member.kill9().unwrap();
        member.start_again().unwrap();
    }
    harness.eventually_number(0, WAITING);
    let copies = assert_complete_and_in_order(&harness);
    assert!(copies >= 3_000, "{copies}");
}

#[test]
fn a_relay_killed_with_its_slot_claimed_and_nothing_sent_frees_it() {
    let harness = Harness::new();
    write_facts(&harness, 1, 3);
    // No such topic: what it claims it cannot send.
    let builder = harness.builder().env("BOOKINGS_TOPIC", "no.such.topic");
    let mut lost = builder.spawn(harness.dir()).unwrap();
    harness.eventually_number(1, SLOTS_HELD);
    lost.kill9().unwrap();
    assert_eq!(harness.number(WAITING), 3);
    assert!(facts(&harness).is_empty());
    let _next = harness.start();
    harness.eventually_number(0, WAITING);
    assert_eq!(assert_complete_and_in_order(&harness), 3);
}

#[test]
fn a_relay_killed_between_sending_and_marking_sends_again_under_the_same_id() {
    let harness = Harness::new();
    write_facts(&harness, 1, 2);
    let mut holder = harness.sql();
    let sql = |conn: &mut PgConnection, text: &str| {
        sql_query(text).execute(conn).unwrap();
    };
    sql(&mut holder, "BEGIN");
    sql(&mut holder, "SELECT 1 FROM outbox FOR UPDATE");
    let mut relay = harness.start();
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                   AND application_name = 'bookend-processor-relay' \
                   AND datname = current_database()";
    harness.eventually_number(1, blocked);
    // Sent, and only the first: its successor waits until it is marked.
    let sent = facts(&harness);
    assert_eq!(sent.len(), 1);
    relay.kill9().unwrap();
    // The mark was on its way: the server must not carry it out for the dead.
    harness.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = 'bookend-processor-relay' \
         AND datname = current_database()",
    );
    harness.eventually_number(0, blocked);
    sql(&mut holder, "ROLLBACK");
    relay.start_again().unwrap();
    harness.eventually_number(0, WAITING);
    let ids: Vec<String> = facts(&harness)
        .iter()
        .map(|fact| fact.header("ce_id").to_owned())
        .collect();
    assert!(ids.len() >= 3, "{ids:?}");
    assert!(
        ids[..ids.len() - 1].iter().all(|id| id == "fact_1_1"),
        "{ids:?}"
    );
    assert_eq!(ids.last().unwrap(), "fact_1_2");
}

#[test]
fn a_relay_killed_after_marking_sends_nothing_again() {
    let harness = Harness::new();
    write_facts(&harness, 20, 2);
    let mut relay = harness.start();
    harness.eventually_number(0, WAITING);
    relay.kill9().unwrap();
    relay.start_again().unwrap();
    // Something new, to know that it has looked.
    harness.execute(
        "INSERT INTO outbox (id, key, kind, payload) \
         VALUES ('fact_new', 'b-1', 'booking.changed', '{\"id\": \"fact_new\", \"version\": 9}')",
    );
    harness.eventually_number(0, WAITING);
    assert_eq!(assert_complete_and_in_order(&harness), 41);
}

#[test]
fn a_frozen_relay_loses_its_slot_and_another_goes_on() {
    let harness = Harness::new();
    write_facts(&harness, 1, 2);
    let builder = harness.builder().env("BOOKINGS_TOPIC", "no.such.topic");
    let mut frozen = builder.spawn(harness.dir()).unwrap();
    harness.eventually_number(1, SLOTS_HELD);
    frozen.pause().unwrap();
    let _next = harness.start();
    harness.eventually_number(0, WAITING);
    frozen.resume().unwrap();
    frozen.wait_ready(PATIENCE).unwrap();
    assert_eq!(assert_complete_and_in_order(&harness), 2);
}

#[test]
fn a_database_that_goes_away_costs_no_fact() {
    let harness = Harness::new();
    write_facts(&harness, 200, 5);
    let _relay = harness.start();
    for _ in 0..5 {
        harness.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'bookend-processor-relay' \
             AND datname = current_database()",
        );
    }
    harness.eventually_number(0, WAITING);
    assert!(assert_complete_and_in_order(&harness) >= 1_000);
}

#[test]
fn a_fact_says_what_its_schema_says() {
    let harness = Harness::new();
    let _relay = harness.start();
    publish_steps(&harness, 0..1, "succeeded", 1_790_000_000);
    let records = eventually(PATIENCE, "the fact is published", || {
        Some(facts(&harness)).filter(|records| !records.is_empty())
    });
    let fact: Value = serde_json::from_slice(&records[0].value).unwrap();
    assert_eq!(fact["state"]["status"], json!("confirmed"));
    assert_eq!(fact["cause"]["kind"], json!("event"));
    assert_eq!(fact["trace_id"], json!(crate::harness::TRACE));
    crate::schema::assert_fits(&fact);
}
