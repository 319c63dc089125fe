//! The database comes back from an older backup, or Kafka's idea of our progress is changed:
//! everything ends as it would have, and nobody has to do anything.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use testbed::stack::postgres::Postgres;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, paid};
use crate::publishing::{assert_each_once, load_for, under_load};
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
