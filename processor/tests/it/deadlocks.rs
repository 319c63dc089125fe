//! A deadlock is trouble of the moment: the batch is applied again, and no record is blamed.

use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, event, paid};

/// Waiting for a lock, as the server sees it.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[test]
fn a_batch_that_loses_a_deadlock_is_applied_again_and_once() {
    let harness = Harness::new();
    let mut service = harness.start();
    let charge = |id: &str, status: &str| {
        let object = json!({"id": "ch_1", "object": "charge", "status": status, "amount": 500,
            "captured": true, "amount_captured": 500, "amount_refunded": 0, "currency": "eur",
            "payment_intent": "pi_1", "metadata": {}});
        event(id, 1_790_000_000, "charge.updated", object, Value::Null)
    };
    harness.publish(&paid("evt_pi", "pi_1", "b-1", 500));
    harness.publish(&charge("evt_ch_1", "pending"));
    harness.eventually_number(
        2,
        "SELECT count(*) FROM events WHERE disposition = 'applied'",
    );

    // Locks are taken in the order of ids: the charge's first. We hold the intent's.
    let mut ours = harness.sql();
    ours.batch_execute("BEGIN; SELECT 1 FROM objects WHERE id = 'pi_1' FOR UPDATE")
        .unwrap();
    harness.publish(&charge("evt_ch_2", "succeeded"));
    eventually(PATIENCE, "the batch waits for us", || {
        harness.number(WAITING) > 0
    });
    // Now we wait for it, too. It began to wait first, so it looks for a deadlock first.
    ours.batch_execute("SELECT 1 FROM objects WHERE id = 'ch_1' FOR UPDATE")
        .unwrap();
    ours.batch_execute("COMMIT").unwrap();

    harness.eventually_number(
        3,
        "SELECT count(*) FROM events WHERE disposition = 'applied'",
    );
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    eventually(PATIENCE, "the server counts the deadlock", || {
        harness.number(deadlocks) == 1
    });
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
    assert_eq!(harness.status("b-1").as_deref(), Some("confirmed"));
    assert!(service.is_running());
}
