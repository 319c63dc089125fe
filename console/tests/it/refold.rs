//! `refold`: what differs is named exactly, nothing is written by looking, and what is promoted is
//! carried out by a real processor.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::histories::{History, Mix, history};
use testbed::services::{Service, ServiceBuilder};
use testbed::testing::TestTopics;

use crate::fixture::{Answer, Ledger, run};
use crate::planted::{Planted, assert_same, bookings, folded, halve_refunds, no_bug, rows};

const SEED: u64 = 29;
const NO_RUN: &str = "ref_00000000000000000000000000000000";

fn bodies(count: u64) -> Vec<Vec<u8>> {
    let histories: Vec<History> = (0..count).map(|n| history(SEED, n, Mix::Natural)).collect();
    let events = histories.iter().flat_map(|one| &one.events);
    events.map(|event| event.to_string().into_bytes()).collect()
}

fn intent(id: &str, booking: &str, status: &str, at: i64) -> Vec<u8> {
    let received = if status == "succeeded" { 500 } else { 0 };
    json!({
        "id": format!("evt_{id}_{at}"), "object": "event", "type": "payment_intent.updated",
        "created": 1_790_000_000 + at, "livemode": false,
        "data": {"object": {"id": id, "object": "payment_intent", "status": status, "amount": 500,
            "amount_received": received, "currency": "eur", "metadata": {"booking_id": booking}}},
    })
    .to_string()
    .into_bytes()
}

/// A version that takes what was received for nothing, for one booking.
fn lose_payment(event: &mut Value) {
    if event["data"]["object"]["metadata"]["booking_id"] == "b-wrong" {
        event["data"]["object"]["amount_received"] = 0.into();
    }
}

/// One booking that is right, one that is wrong.
fn two() -> (Ledger, Planted) {
    let ledger = Ledger::new();
    let mut planted = Planted::on(&ledger.url);
    let events = [
        intent("pi_1", "b-right", "succeeded", 0),
        intent("pi_2", "b-wrong", "succeeded", 1),
    ];
    planted.apply(&events, lose_payment);
    (ledger, planted)
}

fn as_role(url: &str, role: &str) -> String {
    let (_, rest) = url.split_once("//").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    format!("postgresql://{role}@{server}")
}

/// `bookend` with Kafka's settings, too.
fn with_log(ledger: &Ledger, topics: &TestTopics, arguments: &[&str]) -> Answer {
    let variables = [
        ("DATABASE_URL", ledger.url.as_str()),
        ("DEPLOYMENT", "development"),
        ("KAFKA_BROKERS", &topics.brokers),
        ("EVENTS_TOPIC", &topics.events),
        ("BOOKEND_OPERATOR", "Ada"),
    ];
    run(arguments, &variables, b"")
}

fn processor(ledger: &Ledger, topics: &TestTopics, dir: &std::path::Path) -> Service {
    let mut service = ServiceBuilder::new("processor")
        .env("KAFKA_BROKERS", &topics.brokers)
        .env("EVENTS_TOPIC", &topics.events)
        .env("DEAD_TOPIC", &topics.dead)
        .env("BOOKINGS_TOPIC", &topics.bookings)
        .env("CONSUMER_GROUP", &topics.group)
        .env("DATABASE_URL", as_role(&ledger.url, "bookend_processor"))
        .spawn(dir)
        .unwrap();
    service.wait_ready(Duration::from_secs(60)).unwrap();
    service
}

fn ids(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|it| it["id"].as_str().unwrap().to_owned())
        .collect()
}

fn everything(ledger: &Ledger) -> Value {
    let answer = ledger.bookend(&["refold", "--all", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    answer.json()
}

#[test]
fn the_diff_of_a_planted_bug_names_exactly_the_wrong_bookings_and_promotion_makes_all_true() {
    let bodies = bodies(150);
    let (ledger, true_ledger) = (Ledger::new(), Ledger::new());
    let (mut buggy, mut truth) = (Planted::on(&ledger.url), Planted::on(&true_ledger.url));
    buggy.apply(&bodies, halve_refunds);
    truth.apply(&bodies, no_bug);
    let (shown, right) = (bookings(&mut buggy.conn), bookings(&mut truth.conn));
    let wrong: BTreeSet<String> = right
        .iter()
        .filter(|(id, text)| shown.get(*id) != Some(*text))
        .map(|(id, _)| id.clone())
        .collect();
    assert!(wrong.len() >= 5 && wrong.len() * 2 < right.len());

    let report = everything(&ledger);
    assert_eq!(ids(&report["bookings_that_differ"]), wrong);
    assert_eq!(report["bookings"], right.len());
    assert_eq!(report["complete"], true);
    let run = report["run"]["id"].as_str().unwrap();
    let plan = ledger.bookend(&["refold", "--promote", run, "-o", "json"]);
    let planned = plan.json()["refolds"].as_u64().unwrap();
    assert!(planned >= u64::try_from(wrong.len()).unwrap());
    assert_eq!(bookings(&mut buggy.conn), shown, "looking wrote something");

    let topics = TestTopics::create();
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&ledger, &topics, dir.path());
    let promote = [
        "refold",
        "--promote",
        run,
        "--execute",
        "--reason",
        "refunds were halved",
        "-o",
        "json",
    ];
    let answer = with_log(&ledger, &topics, &promote);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_same(&mut buggy.conn, &mut truth.conn);
    let after = everything(&ledger);
    assert_eq!(after["bookings_differing"], 0, "{after:#}");
    assert_eq!(after["objects_differing"], 0, "{after:#}");

    let action = answer.json()["action"].as_str().unwrap().to_owned();
    let noted = rows(
        &mut buggy.conn,
        "SELECT id, concat_ws('|', who, verb, reason, state) AS text FROM operator_actions",
    );
    assert_eq!(
        noted[&action],
        "Ada|refold promote|refunds were halved|done"
    );
    let by_action = rows(
        &mut buggy.conn,
        "SELECT booking_id AS id, max(cause_id) AS text FROM booking_transitions WHERE cause_kind = 'action' GROUP BY 1",
    );
    assert_eq!(by_action.keys().cloned().collect::<BTreeSet<_>>(), wrong);
    assert!(by_action.values().all(|cause| *cause == action));
    // Once more: each is right by now, and nobody is told anything again.
    let told = "SELECT 'n' AS id, count(*)::text AS text FROM outbox";
    let told_before = rows(&mut buggy.conn, told);
    let again = with_log(&ledger, &topics, &promote).json();
    assert_eq!(again["results"], json!({"no_change": planned}));
    assert_eq!(rows(&mut buggy.conn, told), told_before);
}

#[test]
fn a_wrong_booking_is_shown_field_by_field_and_nothing_is_written() {
    let (ledger, mut planted) = two();
    let before = folded(&mut planted.conn);
    let answer = ledger.bookend(&["refold", "--booking", "b-wrong", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    let changes = json["bookings_that_differ"][0]["changes"]
        .as_array()
        .unwrap();
    let told = |field: &str| {
        let change = changes.iter().find(|it| it["field"] == field);
        let change = change.unwrap_or_else(|| panic!("{field}: {changes:#?}"));
        (change["before"].clone(), change["after"].clone())
    };
    assert_eq!(told("status"), (json!("processing"), json!("confirmed")));
    assert_eq!(told("amount_paid"), (json!(0), json!(500)));
    assert_eq!(told("amount_net"), (json!(0), json!(500)));
    assert_eq!(told("payments"), (json!(0), json!(1)));
    assert_eq!(changes.len(), 4);
    assert_eq!(json["objects_that_differ"][0]["id"], "pi_2");
    assert_eq!(json["would_refold"], json!(["b-wrong"]));
    let table = ledger.bookend(&["refold", "--booking", "b-wrong"]);
    for words in ["b-wrong", "processing → confirmed", "0 → 500", "snapshots"] {
        assert!(table.text().contains(words), "{}", table.text());
    }
    assert_eq!(folded(&mut planted.conn), before);
}

#[test]
fn what_is_right_is_shown_as_such_with_exit_0() {
    let (ledger, _planted) = two();
    for what in [["--booking", "b-right"], ["--object", "pi_1"]] {
        let answer = ledger.bookend(&[&["refold"], &what[..]].concat());
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.text().contains("no difference"), "{answer:?}");
    }
}

#[test]
fn named_bookings_are_refolded_through_the_log_and_only_where_they_differ() {
    let (ledger, mut planted) = two();
    let topics = TestTopics::create();
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&ledger, &topics, dir.path());
    let both = ["refold", "--booking", "b-wrong", "--booking", "b-right"];
    let execute = ["--execute", "--reason", "ticket 7", "-o", "json"];
    let command = [&both[..], &execute[..]].concat();
    let answer = with_log(&ledger, &topics, &command);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.json()["results"], json!({"applied": 1}));
    assert!(bookings(&mut planted.conn)["b-wrong"].starts_with("confirmed"));
    with_log(&ledger, &topics, &command).failed(3, "nothing differs");
    let forced = with_log(&ledger, &topics, &[&command[..], &["--force"]].concat());
    assert_eq!(forced.json()["results"], json!({"no_change": 2}));
}

#[test]
fn unknown_bookings_objects_and_runs_end_with_3() {
    let (ledger, _planted) = two();
    for what in [
        ["--booking", "b-unknown"],
        ["--object", "pi_unknown"],
        ["--promote", NO_RUN],
        ["--drop", NO_RUN],
    ] {
        let arguments = [&["refold"], &what[..]].concat();
        ledger.bookend(&arguments).failed(3, "nothing matched");
    }
    let foreign = ["refold", "--object", "pi_1", "--account", "acct_1"];
    ledger.bookend(&foreign).failed(3, "no object pi_1");
    let resumed = ledger.bookend(&["refold", "--all", "--run", NO_RUN]);
    resumed.failed(3, "no refold run");
}

#[test]
fn what_makes_no_sense_is_a_usage_error_before_anything_is_tried() {
    let ledger = Ledger::new();
    let wrong: [&[&str]; 8] = [
        &[],
        &["--all", "--booking", "b"],
        &["--booking", "b", "--object", "pi_1"],
        &["--booking", "b", "--execute"],
        &["--all", "--execute", "--reason", "x"],
        &["--account", "acct_1"],
        &["--run", NO_RUN],
        &["--promote", "ref_'; DROP TABLE events; --"],
    ];
    for arguments in wrong {
        let answer = ledger.bookend(&[&["refold"], arguments].concat());
        assert_eq!(answer.code, 2, "{arguments:?}: {answer:?}");
    }
}

#[test]
fn a_run_that_was_killed_goes_on_where_it_was() {
    let (ledger, mut planted) = two();
    let whole = everything(&ledger);
    let run = whole["run"]["id"].as_str().unwrap().to_owned();
    // As if it had been killed between two rounds. What it kept is not looked at again.
    rows(
        &mut planted.conn,
        "WITH undone AS (UPDATE refold_runs SET finished_at = NULL, objects = 1), \
           lost AS (DELETE FROM shadow_objects WHERE id = 'pi_2'), \
           left_alone AS (UPDATE shadow_bookings SET differs = true WHERE booking_id = 'b-right') \
         SELECT 'n' AS id, '' AS text",
    );
    ledger
        .bookend(&["refold", "--promote", &run, "-o", "json"])
        .failed(6, "is not complete");
    let answer = ledger.bookend(&["refold", "--all", "--run", &run, "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let report = answer.json();
    assert_eq!(report["complete"], true);
    assert_eq!(
        (&report["objects"], &report["run"]["objects"]),
        (&json!(2), &json!(2))
    );
    let differing = ids(&report["bookings_that_differ"]);
    assert!(differing.contains("b-right") && differing.contains("b-wrong"));
}

#[test]
fn a_run_of_other_rules_is_neither_gone_on_with_nor_finished() {
    let (ledger, mut planted) = two();
    let report = everything(&ledger);
    let run = report["run"]["id"].as_str().unwrap();
    rows(
        &mut planted.conn,
        "WITH old AS (UPDATE refold_runs SET finished_at = NULL, fold_version = 1) SELECT 'n' AS id, '' AS text",
    );
    let answer = ledger.bookend(&["refold", "--all", "--run", run]);
    answer.failed(6, "version 1 of the rules");
}

#[test]
fn what_is_registered_and_not_paid_and_what_lost_everything_is_in_a_run_too() {
    let (ledger, mut planted) = two();
    rows(
        &mut planted.conn,
        "WITH made AS (INSERT INTO bookings (id, status, amount_paid, version, updated_by) VALUES ('b-empty', 'confirmed', 7, 3, 'test')), \
           registered AS (INSERT INTO registrations (booking_id, amount, currency, folded_at) VALUES ('b-waits', 9, 'eur', now())) \
         SELECT 'n' AS id, '' AS text",
    );
    let report = everything(&ledger);
    let wanted = ["b-empty", "b-waits", "b-wrong"].map(str::to_owned);
    assert_eq!(ids(&report["bookings_that_differ"]), BTreeSet::from(wanted));
}

#[test]
fn what_is_too_much_together_is_named_and_everything_else_is_folded() {
    let (mut ledger, _planted) = two();
    ledger.execute(
        "INSERT INTO objects (id, type, updated_by) \
           SELECT 'in_' || n, 'invoice', 'test' FROM generate_series(1, 5001) AS n; \
         INSERT INTO object_links (from_id, to_id, source_id) \
           SELECT 'in_' || n, 'in_1', 'evt_x' FROM generate_series(2, 5001) AS n",
    );
    let answer = ledger.bookend(&["refold", "--all", "-o", "json"]);
    assert_eq!(answer.code, 5, "{answer:?}");
    assert!(answer.err.contains("5001 objects"), "{}", answer.err);
    let report = answer.json();
    assert_eq!(report["complete"], false);
    assert_eq!(report["bookings"], 2);
    let why = report["skipped"]["listed"][0][1].as_str().unwrap();
    assert!(why.contains("more than 5000 objects"), "{why}");
}

#[test]
fn a_row_that_cannot_be_read_any_more_is_a_precondition_and_named() {
    let (ledger, mut planted) = two();
    rows(
        &mut planted.conn,
        "WITH odd AS (INSERT INTO events (id, created, record_kind, type, object_id, payload, payload_sha256, source, topic, partition, \"offset\", received_at, disposition, fold_version) \
           VALUES ('evt_odd', to_timestamp(1790000001), 'event', 'x', 'pi_1', 'nonsense', decode(repeat('00', 32), 'hex'), 'webhook', 't', 0, 1, now(), 'applied', 1)) \
         SELECT 'n' AS id, '' AS text",
    );
    let answer = ledger.bookend(&["refold", "--booking", "b-right"]);
    answer.failed(6, "evt_odd");
}

#[test]
fn who_may_only_look_may_neither_fold_a_shadow_nor_refold_and_leaves_no_row() {
    let (ledger, mut planted) = two();
    let url = as_role(&ledger.url, "bookend_reader");
    let reader = [("DATABASE_URL", url.as_str())];
    run(&["refold", "--all"], &reader, b"").failed(4, "may not fold");
    assert_eq!(
        run(&["refold", "--booking", "b-wrong"], &reader, b"").code,
        0
    );
    let execute = [
        "refold",
        "--booking",
        "b-wrong",
        "--execute",
        "--reason",
        "x",
    ];
    run(&execute, &reader, b"").failed(4, "not allowed");
    let kept = "SELECT id, state AS text FROM operator_actions";
    assert!(rows(&mut planted.conn, kept).is_empty());
}

#[test]
fn a_plan_other_than_expected_or_a_log_that_is_away_begins_no_action() {
    let (ledger, mut planted) = two();
    let execute = [
        "refold",
        "--booking",
        "b-wrong",
        "--execute",
        "--reason",
        "x",
        "--timeout",
        "2s",
    ];
    let expecting = [&execute[..], &["--expect", "2"]].concat();
    ledger.bookend(&expecting).failed(6, "the plan has changed");
    let variables = [
        ("DATABASE_URL", ledger.url.as_str()),
        ("DEPLOYMENT", "development"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
    ];
    run(&execute, &variables, b"").failed(1, "Kafka");
    let begun = "SELECT id, state AS text FROM operator_actions WHERE state <> 'denied'";
    assert!(rows(&mut planted.conn, begun).is_empty());
}

#[test]
fn the_console_role_suffices_and_a_run_can_be_forgotten() {
    let (ledger, mut planted) = two();
    let url = as_role(&ledger.url, "bookend_console");
    let console = [("DATABASE_URL", url.as_str())];
    let report = run(&["refold", "--all", "-o", "json"], &console, b"").json();
    let id = report["run"]["id"].as_str().unwrap();
    let left = "SELECT id, '' AS text FROM shadow_objects";
    assert_eq!(run(&["refold", "--drop", id], &console, b"").code, 0);
    assert_eq!(
        rows(&mut planted.conn, left).len(),
        2,
        "a dry run dropped it"
    );
    let drop = ["refold", "--drop", id, "--execute", "--reason", "seen"];
    let answer = run(&drop, &console, b"");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(rows(&mut planted.conn, left).is_empty());
    run(&drop, &console, b"").failed(3, "no refold run");
}
