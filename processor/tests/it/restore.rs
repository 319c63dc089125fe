//! The database comes back from an older backup, or Kafka's idea of our progress is changed:
//! everything ends as it would have, and nobody has to do anything.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use shared::commands::Wish;
use testbed::stack::postgres::Postgres;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, paid};
use crate::parking::give_up::command;
use crate::publishing::{assert_each_once, load_for, under_load};
use crate::schema::assert_fits;
use crate::topic::read_all;

/// How long after the backup the database is lost. `RESTORE_AFTER` in seconds for a longer run.
#[expect(clippy::disallowed_methods, reason = "a longer run by hand")]
fn after() -> Duration {
    let seconds = std::env::var("RESTORE_AFTER").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(15))
}

#[test]
fn a_backup_restored_under_load_is_caught_up_with_and_no_manual_step() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(dir.path()).unwrap();
    let harness = Harness::in_database(postgres.url("postgres"));
    let mut processor = harness.start();
    let published = under_load(&harness, |published| {
        let applied = || harness.number("SELECT count(*) FROM bookings");
        eventually(PATIENCE, "some are applied", || applied() > 200);
        let backup = postgres.back_up().unwrap();
        load_for(after());
        let mark = published.load(Ordering::Relaxed);
        postgres.restore(backup).unwrap();
        assert!(applied() < mark, "the backup lacks nothing");
        eventually(PATIENCE, "it has caught up", || applied() > mark + 200);
    });
    assert_each_once(&harness, published);
    assert!(processor.is_running());
    // A fact that was sent before the restore is sent again under the same id, or not at all.
    harness.eventually_number(0, "SELECT count(*) FROM outbox WHERE published_at IS NULL");
    let facts = read_all(&harness.topics.brokers, &harness.topics.bookings);
    let mut ids: Vec<&str> = facts.iter().map(|fact| fact.header("ce_id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(i64::try_from(ids.len()).unwrap(), published);
}

#[test]
fn a_backup_restored_into_silence_is_caught_up_with_although_nothing_new_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(dir.path()).unwrap();
    let harness = Harness::in_database(postgres.url("postgres"));
    let _processor = harness.start();
    let publish = |range: std::ops::Range<i64>| {
        for n in range {
            harness.publish(&paid(
                &format!("evt_{n}"),
                &format!("pi_{n}"),
                &format!("b-{n}"),
                500,
            ));
        }
    };
    publish(0..100);
    harness.eventually_number(
        100,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    let backup = postgres.back_up().unwrap();
    publish(100..200);
    harness.eventually_number(
        200,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    postgres.restore(backup).unwrap();
    harness.eventually_number(
        200,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    assert_each_once(&harness, 200);
}

#[test]
fn operators_decisions_are_applied_again_before_a_fact_leaves_a_restored_database() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(dir.path()).unwrap();
    let harness = Harness::in_database(postgres.url("postgres"));
    let mut processor = harness.start();
    harness.execute("SELECT register_booking('b-0', 500, 'eur')");
    harness.publish(&paid("evt_0", "pi_0", "b-0", 500));
    harness.eventually_status("b-0", "confirmed");
    let backup = postgres.back_up().unwrap();
    let amend = Wish::Amend {
        booking_id: "b-0".into(),
        amount: 700,
        currency: "eur".into(),
    };
    command(&harness, "b-0", "act_1", amend);
    harness.eventually_status("b-0", "amount_mismatch");
    let pending = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
    harness.eventually_number(0, pending);
    assert_eq!(processor.terminate().unwrap(), Some(0));
    postgres.restore(backup).unwrap();
    assert_eq!(harness.status("b-0").as_deref(), Some("confirmed"));

    // Nothing is read yet, and a registration makes a fact at once: it has to wait.
    harness.execute(&format!(
        "INSERT INTO consumer_control (topic, state) VALUES ('{}', 'paused')",
        harness.topics.events
    ));
    let before = read_all(&harness.topics.brokers, &harness.topics.bookings).len();
    processor.start_again().unwrap();
    processor.wait_ready(PATIENCE).unwrap();
    harness.execute("SELECT register_booking('b-1', 500, 'eur')");
    harness.eventually_number(
        1,
        "SELECT count(*) FROM outbox WHERE key = 'b-1' AND created_at < \
           (SELECT max(seen_at) FROM processor_instances) - interval '2 seconds'",
    );
    assert_eq!(
        read_all(&harness.topics.brokers, &harness.topics.bookings).len(),
        before
    );
    harness.execute("UPDATE consumer_control SET state = 'running'");
    harness.eventually_status("b-0", "amount_mismatch");
    harness.eventually_number(0, pending);
    harness.eventually_number(
        0,
        "SELECT count(*) FROM restores WHERE caught_up_at IS NULL OR from_offset >= to_offset",
    );
    let facts = read_all(&harness.topics.brokers, &harness.topics.bookings);
    let newest = |booking: &str| {
        let facts = facts.iter().filter(|fact| fact.key == booking);
        let facts = facts.map(|fact| serde_json::from_slice::<Value>(&fact.value).unwrap());
        let place = |fact: &Value| (fact["generation"].as_i64(), fact["version"].as_i64());
        facts.max_by_key(place).unwrap()
    };
    for (booking, status) in [("b-0", "amount_mismatch"), ("b-1", "pending")] {
        let newest = newest(booking);
        assert_fits(&newest);
        assert_eq!(newest["state"]["status"], status);
        assert!(newest["generation"].as_i64().unwrap() > 1_700_000_000);
    }
}

#[test]
fn a_backup_from_before_the_last_rebalance_is_claimed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(dir.path()).unwrap();
    let harness = Harness::in_database(postgres.url("postgres"));
    let mut processor = harness.start();
    let published = under_load(&harness, |published| {
        let applied = || harness.number("SELECT count(*) FROM bookings");
        eventually(PATIENCE, "some are applied", || applied() > 100);
        let backup = postgres.back_up().unwrap();
        // Two more claims of every partition, which the backup knows nothing of.
        for _ in 0..2 {
            processor.start_again().unwrap();
            processor.wait_ready(PATIENCE).unwrap();
            let before = applied();
            eventually(PATIENCE, "it goes on", || applied() > before + 100);
        }
        let mark = published.load(Ordering::Relaxed);
        postgres.restore(backup).unwrap();
        eventually(PATIENCE, "it has caught up", || applied() > mark + 200);
    });
    assert_each_once(&harness, published);
}

#[test]
fn offsets_of_the_group_that_were_reset_or_deleted_change_nothing() {
    let harness = Harness::new();
    let mut processor = harness.start();
    for n in 0..60 {
        harness.publish(&paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("b-{n}"),
            500,
        ));
    }
    assert_each_once(&harness, 60);
    assert_eq!(processor.terminate().unwrap(), Some(0));
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &harness.topics.brokers)
        .set("group.id", &harness.topics.group)
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    for (n, offset) in [(100, 0), (101, 1), (102, 1_000_000)] {
        let mut list = TopicPartitionList::new();
        for partition in 0..12 {
            list.add_partition_offset(&harness.topics.events, partition, Offset::Offset(offset))
                .unwrap();
        }
        consumer.commit(&list, CommitMode::Sync).unwrap();
        processor.start_again().unwrap();
        processor.wait_ready(PATIENCE).unwrap();
        harness.publish(&paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("b-{n}"),
            500,
        ));
        harness.eventually_status(&format!("b-{n}"), "confirmed");
        assert_eq!(processor.terminate().unwrap(), Some(0));
    }
    assert_eq!(harness.number("SELECT sum(copies) FROM events"), 0);
    assert_eq!(harness.number("SELECT count(*) FROM log_holes"), 0);
}
