//! Postgres is the truth about progress.

use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, paid};

fn publish_ten(harness: &Harness, from: i64) {
    for n in from..from + 10 {
        harness.publish_under(
            "same",
            &paid(
                &format!("evt_{n}"),
                &format!("pi_{n}"),
                &format!("b-{n}"),
                500,
            ),
        );
    }
}

#[test]
fn progress_that_was_set_back_makes_it_read_again_and_changes_nothing() {
    let harness = Harness::new();
    let mut processor = harness.start();
    publish_ten(&harness, 0);
    harness.eventually_number(10, "SELECT count(*) FROM bookings");
    processor.terminate().unwrap();
    harness.execute("UPDATE partition_progress SET next_offset = 0");
    processor.start_again().unwrap();
    harness.eventually_number(10, "SELECT max(next_offset) FROM partition_progress");
    assert_eq!(harness.number("SELECT count(*) FROM events"), 10);
    assert_eq!(
        harness.number("SELECT count(*) FROM booking_transitions"),
        10
    );
}

#[test]
fn an_owner_whose_progress_was_moved_under_it_goes_on_from_there() {
    let harness = Harness::new();
    let _processor = harness.start();
    publish_ten(&harness, 0);
    harness.eventually_number(10, "SELECT max(next_offset) FROM partition_progress");
    harness.execute("UPDATE partition_progress SET next_offset = 4 WHERE next_offset = 10");
    publish_ten(&harness, 10);
    harness.eventually_number(20, "SELECT max(next_offset) FROM partition_progress");
    harness.eventually_number(
        20,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    assert_eq!(
        harness.number("SELECT count(*) FROM booking_transitions"),
        20
    );
}

#[test]
fn a_batch_under_an_old_epoch_applies_nothing() {
    let harness = Harness::new();
    let mut processor = harness.start();
    harness.eventually_number(
        12,
        "SELECT count(*) FROM partition_progress WHERE epoch > 0",
    );
    // As if another processor had claimed every partition.
    harness.execute("UPDATE partition_progress SET epoch = epoch + 1");
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    eventually(PATIENCE, "it notices", || {
        std::fs::read_to_string(processor.log())
            .unwrap()
            .contains("progress lost")
    });
    assert_eq!(harness.number("SELECT count(*) FROM events"), 0);
    processor.terminate().unwrap();
    processor.start_again().unwrap();
    harness.eventually_status("b-1", "confirmed");
}

#[test]
fn a_log_that_ends_before_our_progress_is_read_again_and_written_down() {
    let harness = Harness::new();
    let mut processor = harness.start();
    publish_ten(&harness, 0);
    harness.eventually_number(10, "SELECT count(*) FROM bookings");
    processor.terminate().unwrap();
    harness.execute("UPDATE partition_progress SET next_offset = 99 WHERE next_offset = 10");
    processor.start_again().unwrap();
    harness.eventually_number(1, "SELECT count(*) FROM log_holes WHERE kind = 'shorter' AND from_offset = 10 AND to_offset = 99");
    harness.eventually_number(10, "SELECT max(next_offset) FROM partition_progress");
    assert_eq!(
        harness.number("SELECT count(*) FROM booking_transitions"),
        10
    );
}

#[test]
fn a_log_that_begins_after_our_progress_is_a_hole_and_never_skipped_in_silence() {
    let harness = Harness::new();
    let mut processor = harness.start();
    publish_ten(&harness, 0);
    harness.eventually_number(10, "SELECT count(*) FROM bookings");
    processor.terminate().unwrap();
    harness.execute("UPDATE partition_progress SET next_offset = 2 WHERE next_offset = 10");
    delete_below(&harness, 7);
    processor.start_again().unwrap();
    harness.eventually_number(
        1,
        "SELECT count(*) FROM log_holes WHERE kind = 'hole' AND from_offset = 2 AND to_offset = 7",
    );
    harness.eventually_number(10, "SELECT max(next_offset) FROM partition_progress");
}

/// Deletes the records of the one used partition below an offset, as retention would.
fn delete_below(harness: &Harness, offset: i64) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let partition = i32::try_from(
        harness
            .number("SELECT partition FROM partition_progress ORDER BY next_offset DESC LIMIT 1"),
    )
    .unwrap();
    let admin: AdminClient<_> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &harness.topics.brokers)
        .create()
        .unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(
        &harness.topics.events,
        partition,
        rdkafka::Offset::Offset(offset),
    )
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(admin.delete_records(&list, &AdminOptions::new()))
        .unwrap();
}
