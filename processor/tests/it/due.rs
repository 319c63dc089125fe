//! What the processor keeps so that others need not search: seen accounts, and findings about
//! bookings that never change.

use serde_json::Value;
use testbed::testing::{Recorder, eventually, plans};

use crate::harness::{Harness, PATIENCE, event, intent, paid};

#[test]
fn connected_account_is_noted_once_with_its_first_object() {
    let harness = Harness::new();
    let _processor = harness.start();
    for (n, account) in [
        (1, Some("acct_1")),
        (2, Some("acct_2")),
        (3, Some("acct_1")),
        (4, None),
    ] {
        let body = paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("B-{n}"),
            500,
        );
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        if let Some(account) = account {
            body["account"] = account.into();
        }
        harness.publish(body.to_string().as_bytes());
    }
    harness.eventually_number(4, "SELECT count(*) FROM events");
    let seen = "SELECT string_agg(account, ' ' ORDER BY account) FROM seen_accounts";
    assert_eq!(harness.text(seen).as_deref(), Some("acct_1 acct_2"));
}

#[test]
fn finding_about_a_booking_that_never_changes_closes_with_its_change() {
    let harness = Harness::new();
    let _processor = harness.start();
    for n in 1..=2 {
        let (id, booking) = (format!("pi_{n}"), format!("B-{n}"));
        let waits = intent(&id, Some(&booking), "processing", 500);
        let body = event(
            &format!("evt_{n}"),
            1_790_000_000,
            "payment_intent.processing",
            waits,
            Value::Null,
        );
        harness.publish(&body);
        harness.eventually_status(&booking, "processing");
        harness.execute(&format!(
            "INSERT INTO findings (kind, confidence, evidence, booking_id, identity, scope) \
             VALUES ('abandoned', 1, '{{}}', '{booking}', 'abandoned:{booking}:1', 'abandoned:{booking}')"
        ));
    }
    harness.publish(&paid("evt_9", "pi_1", "B-1", 500));
    harness.eventually_status("B-1", "confirmed");
    let open = "SELECT string_agg(booking_id, ' ') FROM findings \
                WHERE kind = 'abandoned' AND closed_at IS NULL";
    assert_eq!(harness.text(open).as_deref(), Some("B-2"));
}

/// A statement of each thread of a running processor: when all were sent, each has had its turn.
const THREADS: [&str; 10] = [
    "FROM consumer_control",
    "FROM fold_rules",
    "INSERT INTO processor_instances",
    "FROM parked_events",
    "FROM dead_letters",
    "FROM log_holes",
    "FROM outbox",
    "FROM registrations WHERE folded_at IS NULL",
    "INSERT INTO events",
    "UPDATE bookings b",
];

#[test]
fn statements_of_a_running_processor_are_bounded_by_what_is_due_in_tables_of_ten_million_rows() {
    let harness = Harness::new();
    let large = plans::plant(&harness.database.url());
    assert!(
        large.contains("bookings") && large.contains("objects"),
        "{large:?}"
    );
    let recorder = Recorder::to(&harness.database.url());
    let url = recorder.url(&harness.database.url_as("bookend_processor"));
    let mut processor = harness
        .builder()
        .env("DATABASE_URL", url)
        .spawn(harness.dir())
        .expect("processor starts");
    processor.wait_ready(PATIENCE).expect("processor is ready");
    harness.execute("SELECT register_booking('C-1', 500, 'eur')");
    harness.publish(&paid("evt_1", "pi_new", "C-1", 500));
    harness.eventually_status("C-1", "confirmed");
    for part in THREADS {
        eventually(PATIENCE, part, || recorder.has_seen(part));
    }
    drop(processor);
    let faults = plans::faults_of(&recorder, &large);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
