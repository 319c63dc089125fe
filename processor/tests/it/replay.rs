//! `bookend replay` against the real processor: whatever is replayed, however often, beside
//! whatever else, the state ends the same and no fact is sent twice.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use testbed::services::binary;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, event, intent, paid};
use crate::topic::read_all;

const BOOKINGS: i64 = 40;

/// `bookend replay …`, run by the operators' role.
fn bookend(harness: &Harness, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("bookend"));
    command
        .arg("replay")
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", harness.database.url_as("bookend_console"))
        .env("KAFKA_BROKERS", &harness.topics.brokers)
        .env("EVENTS_TOPIC", &harness.topics.events)
        .env("DEPLOYMENT", "development")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits for the processor's word on each; the counts by result.
fn replay(harness: &Harness, arguments: &[&str]) -> Value {
    let doing = ["--execute", "--reason", "to be sure", "-o", "json"];
    let all: Vec<&str> = arguments.iter().chain(&doing).copied().collect();
    let output = bookend(harness, &all).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    told["results"].clone()
}

/// For each booking: announced, paid, and half of it refunded.
fn publish_payments(harness: &Harness) {
    for n in 0..BOOKINGS {
        let (pi, booking) = (format!("pi_{n}"), format!("b-{n}"));
        harness.publish(&event(
            &format!("evt_{n}_created"),
            1_789_999_990,
            "payment_intent.created",
            intent(&pi, Some(&booking), "requires_payment_method", 500),
            Value::Null,
        ));
        harness.publish(&paid(&format!("evt_{n}_paid"), &pi, &booking, 500));
    }
}

fn refund(n: i64) -> Vec<u8> {
    let charge = json!({
        "id": format!("ch_{n}"), "object": "charge", "status": "succeeded", "amount": 500,
        "amount_captured": 500, "amount_refunded": 200, "refunded": false, "captured": true,
        "paid": true, "currency": "eur", "payment_intent": format!("pi_{n}"),
        "metadata": {"booking_id": format!("b-{n}")},
    });
    event(
        &format!("evt_{n}_refunded"),
        1_790_000_100,
        "charge.refunded",
        charge,
        Value::Null,
    )
}

/// Everything that is in the log is applied.
fn eventually_applied(harness: &Harness) {
    let end: i64 =
        i64::try_from(read_all(&harness.topics.brokers, &harness.topics.events).len()).unwrap();
    harness.eventually_number(
        end,
        "SELECT coalesce(sum(next_offset), 0) FROM partition_progress",
    );
}

/// What may not differ after a replay; not how many copies came.
fn state(harness: &Harness) -> Vec<Option<String>> {
    [
        "SELECT json_agg(b ORDER BY id) FROM (SELECT id, status, amount, amount_paid,
             amount_refunded, hold, version FROM bookings) b",
        "SELECT json_agg(t ORDER BY booking_id, version) FROM (SELECT booking_id, version,
             cause_id, from_status, to_status FROM booking_transitions) t",
        "SELECT json_agg(e ORDER BY id) FROM (SELECT id, disposition, source, booking_id, topic,
             partition, \"offset\", encode(payload_sha256, 'hex') FROM events) e",
        "SELECT json_agg(o ORDER BY id) FROM (SELECT id, version FROM objects) o",
        "SELECT json_agg(id ORDER BY seq) FROM outbox",
    ]
    .iter()
    .map(|sql| harness.text(sql))
    .collect()
}

/// Every fact is in the topic, and none is there twice.
fn assert_facts_sent_once(harness: &Harness) {
    harness.eventually_number(0, "SELECT count(*) FROM outbox WHERE published_at IS NULL");
    let facts = read_all(&harness.topics.brokers, &harness.topics.bookings);
    let ids: BTreeSet<&str> = facts.iter().map(|fact| fact.header("ce_id")).collect();
    assert_eq!(ids.len(), facts.len(), "a fact was sent twice");
    let written = harness.number("SELECT count(*) FROM outbox");
    assert_eq!(i64::try_from(facts.len()).unwrap(), written);
}

#[test]
fn replayed_twice_everything_is_as_it_was_and_no_fact_is_sent_twice() {
    let harness = Harness::new();
    let _processor = harness.start();
    publish_payments(&harness);
    eventually_applied(&harness);
    let before = state(&harness);
    for source in ["log", "ledger"] {
        let results = replay(
            &harness,
            &["--to-earliest", "--source", source, "--rate", "5000"],
        );
        // Each event once, however often it is in the log by now.
        assert_eq!(results, json!({"no_change": 2 * BOOKINGS}), "{source}");
        eventually_applied(&harness);
        assert_eq!(state(&harness), before, "from the {source}");
    }
    assert_facts_sent_once(&harness);
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
}

#[test]
fn replayed_while_live_traffic_touches_the_same_bookings_all_end_right() {
    let harness = Harness::new();
    let _processor = harness.start();
    publish_payments(&harness);
    eventually_applied(&harness);
    std::thread::scope(|scope| {
        let live = scope.spawn(|| {
            for n in 0..BOOKINGS {
                harness.publish(&refund(n));
            }
        });
        for _ in 0..2 {
            replay(&harness, &["--to-earliest", "--rate", "500"]);
        }
        live.join().unwrap();
    });
    eventually_applied(&harness);
    harness.eventually_number(
        BOOKINGS,
        "SELECT count(*) FROM bookings WHERE status = 'partially_refunded'
             AND amount_paid = 500 AND amount_refunded = 200 AND hold IS NULL",
    );
    // As many changes as without a replay: none was made twice.
    assert_eq!(
        harness.number(
            "SELECT count(*) FROM (SELECT 1 FROM booking_transitions
                 GROUP BY booking_id, cause_id HAVING count(*) > 1) twice"
        ),
        0
    );
    assert_eq!(harness.number("SELECT count(*) FROM events"), 3 * BOOKINGS);
    assert_facts_sent_once(&harness);
}

#[test]
fn replayed_by_a_process_that_was_killed_half_way_and_gone_on_with_everything_is_as_it_was() {
    let harness = Harness::new();
    let _processor = harness.start();
    publish_payments(&harness);
    eventually_applied(&harness);
    let before = state(&harness);
    let arguments = [
        "--to-earliest",
        "--execute",
        "--reason",
        "to be sure",
        "--no-wait",
        "--rate",
        "20",
    ];
    let mut child: Child = bookend(&harness, &arguments).spawn().unwrap();
    let published = "SELECT count(*) FROM operator_action_items WHERE published_at IS NOT NULL";
    eventually(PATIENCE, "it is half-way", || {
        harness.number(published) >= BOOKINGS / 2
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        harness.number(published) < 2 * BOOKINGS,
        "it was killed half-way"
    );
    let action = harness.text("SELECT id FROM operator_actions").unwrap();
    eventually(PATIENCE, "it can be gone on with", || {
        let resume = ["--resume", &action, "--rate", "5000"];
        bookend(&harness, &resume).output().unwrap().status.code() == Some(0)
    });
    assert_eq!(harness.number(published), 2 * BOOKINGS);
    let results = "SELECT result FROM operator_actions WHERE verb = 'replay'";
    let results: Value = serde_json::from_str(&harness.text(results).unwrap()).unwrap();
    assert_eq!(results, json!({"no_change": 2 * BOOKINGS}));
    eventually_applied(&harness);
    assert_eq!(state(&harness), before);
    assert_facts_sent_once(&harness);
}

#[test]
fn a_dead_event_comes_back_to_life_by_a_replay_from_either_source() {
    let harness = Harness::new();
    let _processor = harness.start();
    for (n, source) in ["log", "ledger"].iter().enumerate() {
        let (id, booking) = (format!("evt_{n}"), format!("b-{n}"));
        let body = paid(&id, &format!("pi_{n}"), &booking, 500);
        // As an earlier version of the code left it, which could not read it.
        harness.execute(&format!(
            "INSERT INTO events (id, created, record_kind, type, payload, payload_sha256, source,
                 topic, partition, \"offset\", received_at, disposition, fold_version)
             VALUES ('{id}', to_timestamp(1790000000), 'event', 'unknown',
                 decode('{hex}', 'hex'), sha256(decode('{hex}', 'hex')), 'webhook',
                 '{}', 0, 0, now(), 'dead', 1)",
            harness.topics.events,
            hex = hex::encode(&body),
        ));
        harness.publish(&body);
        eventually_applied(&harness);
        assert_ne!(
            harness.status(&booking).as_deref(),
            Some("confirmed"),
            "an identical copy pays nothing"
        );
        let start = ["--event-id", &id, "--source", source];
        let start = match *source {
            "log" => [start.as_slice(), &["--to-earliest"]].concat(),
            _ => start.to_vec(),
        };
        assert_eq!(replay(&harness, &start), json!({"applied": 1}), "{source}");
        harness.eventually_status(&booking, "confirmed");
        assert_eq!(
            harness.text(&format!(
                "SELECT disposition || source FROM events WHERE id = '{id}'"
            )),
            Some("appliedreplay".to_owned())
        );
    }
    assert_facts_sent_once(&harness);
}
