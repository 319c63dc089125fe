//! A processor that is frozen while its partitions move on, and is then resumed: nothing of
//! what it was doing is seen.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use diesel::{PgConnection, RunQueryDsl, sql_query};
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, paid};
use crate::publishing::{assert_each_once, under_load};

const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND application_name = 'bookend-processor' AND wait_event_type = 'Lock'";

fn run(conn: &mut PgConnection, sql: &str) {
    sql_query(sql).execute(conn).unwrap();
}

#[test]
fn frozen_at_any_moment_it_applies_nothing_after_others_went_on() {
    let harness = Harness::new();
    let (mut frozen, _other) = (harness.start(), harness.start());
    let published = under_load(&harness, |published| {
        for _ in 0..3 {
            frozen.pause().unwrap();
            let mark = published.load(Ordering::Relaxed);
            // Beyond what it had fetched: only the other can have applied all of these.
            let behind = format!(
                "SELECT count(*) FROM generate_series(0, {mark} + 200) AS n \
                 WHERE NOT EXISTS (SELECT FROM events WHERE id = 'evt_' || n)"
            );
            harness.eventually_number(0, &behind);
            frozen.resume().unwrap();
            frozen.wait_ready(PATIENCE).unwrap();
        }
    });
    assert_each_once(&harness, published);
}

#[test]
fn frozen_inside_its_transaction_it_loses_the_transaction_and_its_locks() {
    let harness = Harness::new();
    let mut frozen = harness.start();
    harness.publish_under("b-0", &paid("evt_0", "pi_0", "b-0", 500));
    harness.eventually_status("b-0", "confirmed");
    let mut holder = harness.sql();
    run(&mut holder, "BEGIN");
    run(
        &mut holder,
        "SELECT 1 FROM bookings WHERE id = 'b-0' FOR UPDATE",
    );
    harness.publish_under("b-0", &paid("evt_1", "pi_1", "b-0", 300));
    harness.eventually_number(1, OPEN);
    frozen.pause().unwrap();
    let _other = harness.builder().spawn(harness.dir()).unwrap();
    let since = Instant::now();
    // The lock it waited for is its now: the server must take it away again.
    run(&mut holder, "ROLLBACK");
    harness.publish_under("b-0", &paid("evt_2", "pi_2", "b-0", 40));
    harness.eventually_number(840, "SELECT amount_paid FROM bookings WHERE id = 'b-0'");
    assert!(since.elapsed() < Duration::from_secs(60));
    frozen.resume().unwrap();
    frozen.wait_ready(PATIENCE).unwrap();
    for event in ["evt_0", "evt_1", "evt_2"] {
        for sql in [
            format!("SELECT count(*) FROM events WHERE id = '{event}'"),
            format!("SELECT count(*) FROM booking_transitions WHERE cause_id = '{event}'"),
        ] {
            assert_eq!(harness.number(&sql), 1, "{sql}");
        }
    }
    assert_eq!(
        harness.number("SELECT version FROM bookings WHERE id = 'b-0'"),
        3
    );
}

#[test]
fn an_owner_that_loses_against_a_late_transaction_goes_on_from_the_rows_offset() {
    let harness = Harness::new();
    let _owner = harness.start();
    let ack = harness.publish_under("same", &paid("evt_0", "pi_0", "b-0", 500));
    harness.eventually_status("b-0", "confirmed");
    let mut holder = harness.sql();
    run(&mut holder, "BEGIN");
    run(
        &mut holder,
        "SELECT 1 FROM bookings WHERE id = 'b-0' FOR UPDATE",
    );
    harness.publish_under("same", &paid("evt_1", "pi_1", "b-0", 300));
    harness.eventually_number(1, OPEN);
    // What a late transaction of the former owner would commit: the record is done.
    harness.execute(&format!(
        "UPDATE partition_progress SET next_offset = {} WHERE partition = {}",
        ack.offset() + 2,
        ack.partition()
    ));
    run(&mut holder, "ROLLBACK");
    harness.publish_under("same", &paid("evt_2", "pi_2", "b-0", 40));
    harness.eventually_number(540, "SELECT amount_paid FROM bookings WHERE id = 'b-0'");
    // Its own transaction left nothing: the record belongs to the late one.
    assert_eq!(
        harness.number("SELECT count(*) FROM events WHERE id = 'evt_1'"),
        0
    );
    eventually(PATIENCE, "it goes on to the end", || {
        harness.number(&format!(
            "SELECT next_offset FROM partition_progress WHERE partition = {}",
            ack.partition()
        )) == ack.offset() + 3
    });
}
