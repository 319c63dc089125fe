//! SIGKILL at any moment: nothing lost, nothing twice.

use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, paid};

#[test]
fn a_processor_killed_again_and_again_loses_nothing_and_applies_nothing_twice() {
    let harness = Harness::new();
    let mut processor = harness.start();
    for round in 0..4 {
        for n in 0..500 {
            let id = round * 500 + n;
            harness.publish(&paid(
                &format!("evt_{id}"),
                &format!("pi_{id}"),
                &format!("b-{id}"),
                500,
            ));
        }
        // Somewhere in the middle of what was just published.
        eventually(PATIENCE, "it works", || {
            harness.number("SELECT count(*) FROM events") > round * 500
        });
        processor.kill9().unwrap();
        processor.start_again().unwrap();
    }
    harness.eventually_number(
        2_000,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    assert_eq!(harness.number("SELECT count(*) FROM events"), 2_000);
    assert_eq!(
        harness.number("SELECT count(*) FROM booking_transitions"),
        2_000
    );
    assert_eq!(
        harness.number("SELECT count(*) FROM bookings WHERE version <> 1"),
        0
    );
}

#[test]
fn a_processor_killed_inside_its_transaction_leaves_nothing_of_it() {
    let harness = Harness::new();
    let mut processor = harness.start();
    harness.publish(&paid("evt_0", "pi_0", "b-0", 500));
    harness.eventually_status("b-0", "confirmed");
    // Another session holds the booking's row: the batch waits for it inside its transaction.
    let mut holder = harness.sql();
    let sql = |conn: &mut diesel::PgConnection, text: &str| {
        diesel::RunQueryDsl::execute(diesel::sql_query(text), conn).unwrap();
    };
    sql(&mut holder, "BEGIN");
    sql(
        &mut holder,
        "SELECT 1 FROM bookings WHERE id = 'b-0' FOR UPDATE",
    );
    harness.publish_under("b-0", &paid("evt_1", "pi_1", "b-0", 300));
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bookend-processor' \
                AND datname = current_database() AND wait_event_type = 'Lock'";
    harness.eventually_number(1, open);
    processor.kill9().unwrap();
    sql(&mut holder, "ROLLBACK");
    harness.eventually_number(0, open);
    assert_eq!(
        harness.number("SELECT count(*) FROM events WHERE id = 'evt_1'"),
        0
    );
    processor.start_again().unwrap();
    harness.eventually_number(800, "SELECT amount_paid FROM bookings WHERE id = 'b-0'");
    assert_eq!(
        harness.number("SELECT count(*) FROM booking_transitions WHERE cause_id = 'evt_1'"),
        1
    );
}

#[test]
fn sigterm_ends_it_in_order_and_what_it_applied_stays() {
    let harness = Harness::new();
    let mut processor = harness.start();
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    assert_eq!(processor.terminate().unwrap(), Some(0));
}
