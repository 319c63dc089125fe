//! A booking's money on the real log and database: what people put in, findings that open and
//! close, bookings with too many payments, processors of older rules.

use std::time::Duration;

use serde_json::{Value, json};
use shared::commands::Wish;
use shared::folding::MAX_BOOKING_PAYMENTS;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, event, intent, paid};
use crate::parking::give_up::command;

/// Kinds of the findings that are open.
fn open(harness: &Harness) -> Option<String> {
    harness.text(
        "SELECT string_agg(kind, ',' ORDER BY kind) FROM findings \
         WHERE identity IS NOT NULL AND closed_at IS NULL",
    )
}

fn eventually_open(harness: &Harness, wanted: Option<&str>) {
    eventually(PATIENCE, "the open findings", || {
        open(harness).as_deref() == wanted
    });
}

fn result(harness: &Harness, action: &str) -> String {
    let sql = format!(
        "SELECT state || ': ' || coalesce(detail, '') FROM operator_action_items WHERE action_id = '{action}'"
    );
    eventually(PATIENCE, "the command's result", || {
        harness.text(&sql).is_some()
    });
    harness.text(&sql).unwrap()
}

#[test]
fn what_operators_decide_is_folded_kept_by_a_rebuild_and_told() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.execute("SELECT register_booking('b-1', 900, 'eur')");
    harness.publish(&paid("evt_1", "pi_1", "b-wrong", 500));
    harness.eventually_status("b-wrong", "confirmed");
    let assign = Wish::Assign {
        account: String::new(),
        object_id: "pi_1".into(),
        booking_id: Some("b-1".into()),
    };
    command(&harness, "b-1", "act_1", assign);
    harness.eventually_status("b-1", "amount_mismatch");
    harness.eventually_status("b-wrong", "pending");
    let amend = |amount| Wish::Amend {
        booking_id: "b-1".into(),
        amount,
        currency: "eur".into(),
    };
    command(&harness, "b-1", "act_2", amend(700));
    assert!(result(&harness, "act_2").starts_with("applied"));
    // Of what was decided twice the greatest action counts, whichever came first.
    command(&harness, "b-1", "act_1a", amend(600));
    assert!(result(&harness, "act_1a").starts_with("no_change"));
    let accept = |amount| Wish::Accept {
        booking_id: "b-1".into(),
        amount,
        currency: "eur".into(),
    };
    command(&harness, "b-1", "act_3", accept(499));
    assert_eq!(
        result(&harness, "act_3"),
        "failed: its net amount is 500 eur by now"
    );
    command(&harness, "b-1", "act_4", accept(500));
    harness.eventually_status("b-1", "confirmed");
    let rebuild = Wish::Refold {
        booking_id: "b-1".into(),
    };
    command(&harness, "b-1", "act_5", rebuild);
    assert!(result(&harness, "act_5").starts_with("no_change"));
    assert_eq!(harness.status("b-1").as_deref(), Some("confirmed"));
    let told = "SELECT string_agg(cause_id || ' ' || to_status, ',' ORDER BY version) \
                FROM booking_transitions WHERE booking_id = 'b-1' AND cause_kind = 'action'";
    assert_eq!(
        harness.text(told).as_deref(),
        Some("act_1 amount_mismatch,act_2 amount_mismatch,act_4 confirmed")
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason_and_changes_nothing() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    let assign = Wish::Assign {
        account: String::new(),
        object_id: "pi_nobody".into(),
        booking_id: Some("b-1".into()),
    };
    command(&harness, "b-1", "act_1", assign);
    assert_eq!(
        result(&harness, "act_1"),
        "failed: there is no object pi_nobody"
    );
    // A charge follows its intent: assigning it would move nothing.
    let mut charge = intent("ch_1", None, "succeeded", 500);
    charge["object"] = "charge".into();
    charge["payment_intent"] = "pi_1".into();
    harness.publish(&event(
        "evt_2",
        1_790_000_000,
        "charge.succeeded",
        charge,
        Value::Null,
    ));
    harness.eventually_number(2, "SELECT count(*) FROM events");
    let assign = Wish::Assign {
        account: String::new(),
        object_id: "ch_1".into(),
        booking_id: Some("b-2".into()),
    };
    command(&harness, "b-1", "act_0", assign);
    assert_eq!(
        result(&harness, "act_0"),
        "failed: ch_1 follows pi_1: assign that one"
    );
    let amend = Wish::Amend {
        booking_id: "b-1".into(),
        amount: 1,
        currency: "eur".into(),
    };
    command(&harness, "b-1", "act_2", amend);
    assert_eq!(
        result(&harness, "act_2"),
        "failed: booking b-1 is not registered"
    );
    let close = Wish::CloseFinding {
        identity: "0".repeat(64),
        reason: "mistaken".into(),
    };
    command(&harness, "b-1", "act_3", close);
    assert!(result(&harness, "act_3").starts_with("no_change"));
    for table in ["assignments", "amendments"] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(harness.number(&count), 0, "{table}");
    }
    assert_eq!(harness.status("b-1").as_deref(), Some("confirmed"));
}

#[test]
fn a_finding_closes_when_it_no_longer_holds_opens_again_and_stays_closed_for_a_person() {
    let harness = Harness::new();
    let _processor = harness.start();
    harness.execute("SELECT register_booking('b-1', 500, 'eur')");
    let second = |at: i64, status: &str| {
        let object = intent("pi_2", Some("b-1"), status, 500);
        event(
            &format!("evt_{at}"),
            1_790_000_000 + at,
            "payment_intent.updated",
            object,
            Value::Null,
        )
    };
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    harness.publish(&second(10, "processing"));
    eventually_open(&harness, Some("overlapping_payment"));
    harness.publish(&second(20, "requires_payment_method"));
    eventually_open(&harness, None);
    harness.publish(&second(30, "processing"));
    eventually_open(&harness, Some("overlapping_payment"));
    assert_eq!(harness.number("SELECT count(*) FROM findings"), 1);
    let identity = harness.text("SELECT identity FROM findings").unwrap();
    let close = Wish::CloseFinding {
        identity,
        reason: "the customer knows".into(),
    };
    command(&harness, "b-1", "act_1", close);
    eventually_open(&harness, None);
    // It holds, goes, and holds again: a person has said that it is all right.
    harness.publish(&second(40, "requires_payment_method"));
    harness.publish(&second(50, "processing"));
    harness.eventually_number(
        50,
        "SELECT coalesce(max(extract(epoch FROM created)::bigint), 0) - 1790000000 FROM events",
    );
    assert_eq!(open(&harness), None);
}

#[test]
fn a_registration_takes_one_intent_later_and_an_intent_belongs_to_one() {
    let harness = Harness::new();
    let _processor = harness.start();
    let silent = intent("pi_1", None, "succeeded", 500);
    harness.publish(&event(
        "evt_1",
        1_790_000_000,
        "payment_intent.succeeded",
        silent,
        Value::Null,
    ));
    harness.execute("SELECT register_booking('b-1', 500, 'eur')");
    harness.eventually_status("b-1", "pending");
    harness.execute("SELECT register_booking('b-1', 500, 'eur', 'pi_1')");
    harness.eventually_status("b-1", "confirmed");
    // The same again changes nothing; another intent, and another booking, are errors of their own.
    harness.execute("SELECT register_booking('b-1', 500, 'eur', 'pi_1')");
    for (again, constraint) in [
        (
            "SELECT register_booking('b-1', 500, 'eur', 'pi_2')",
            "already registered with other values",
        ),
        (
            "SELECT register_booking('b-2', 500, 'eur', 'pi_1')",
            "is registered for booking b-1",
        ),
        (
            "SELECT register_booking('b-1', 501, 'eur', 'pi_1')",
            "already registered with other values",
        ),
    ] {
        use diesel::RunQueryDsl as _;
        let refused = diesel::sql_query(again).execute(&mut harness.sql());
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(constraint), "{again}: {text}");
    }
}

#[test]
fn an_open_registration_of_the_application_blocks_no_event() {
    let harness = Harness::new();
    let _processor = harness.start();
    let mut application = harness.sql();
    let run = |conn: &mut diesel::PgConnection, sql: &str| {
        use diesel::RunQueryDsl as _;
        diesel::sql_query(sql).execute(conn).unwrap();
    };
    harness.execute("SELECT register_booking('b-1', 500, 'eur')");
    harness.eventually_status("b-1", "pending");
    run(&mut application, "BEGIN");
    run(
        &mut application,
        "SELECT register_booking('b-1', 500, 'eur', 'pi_1')",
    );
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    run(&mut application, "COMMIT");
    harness.eventually_number(
        0,
        "SELECT count(*) FROM registered_intents WHERE folded_at IS NULL",
    );
}

#[test]
fn a_booking_with_too_many_payments_is_held_and_its_neighbours_go_on() {
    let harness = Harness::new();
    let _processor = harness.start();
    let more = i64::try_from(MAX_BOOKING_PAYMENTS).unwrap() + 200;
    for n in 0..more {
        let body = paid(&format!("evt_{n}"), &format!("pi_{n}"), "busy", 1);
        harness.publish_under("busy", &body);
    }
    harness.publish_under("busy", &paid("evt_x", "pi_x", "quiet", 500));
    harness.eventually_status("quiet", "confirmed");
    let held = "SELECT count(*) FROM bookings WHERE id = 'busy' AND hold = 'too_many_payments'";
    harness.eventually_number(1, held);
    eventually_open(&harness, Some("too_many_payments"));
    // Nothing of it is lost: every payment has its share.
    let shares = "SELECT sum(captured)::bigint FROM object_shares WHERE booking_id = 'busy'";
    harness.eventually_number(more, shares);
    assert_eq!(
        harness.number("SELECT count(*) FROM events WHERE disposition <> 'applied'"),
        0
    );
}

#[test]
fn a_processor_of_older_rules_does_not_start_and_one_that_runs_stops() {
    let harness = Harness::new();
    let mut processor = harness.start();
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    harness.eventually_status("b-1", "confirmed");
    harness.execute("UPDATE fold_rules SET min_version = min_version + 1");
    harness.publish(&paid("evt_2", "pi_2", "b-2", 500));
    eventually(PATIENCE, "it stops by itself", || !processor.is_running());
    assert_eq!(harness.number("SELECT count(*) FROM events"), 1);
    let log = std::fs::read_to_string(processor.log()).unwrap();
    assert!(log.contains("only later folding rules"), "{log}");
    let again = harness.builder().spawn(harness.dir());
    let ended = again.is_err() || {
        let mut again = again.unwrap();
        again.wait_ready(Duration::from_secs(20)).is_err()
    };
    assert!(ended, "it refuses to start");
}

#[test]
fn an_account_that_disconnects_shows_it_in_its_row() {
    let harness = Harness::new();
    let _processor = harness.start();
    let told = |id: &str, at: i64, kind: &str, object: Value| {
        let body = event(id, 1_790_000_000 + at, kind, object, Value::Null);
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        body["account"] = "acct_1".into();
        harness.publish(body.to_string().as_bytes());
    };
    let gone = "SELECT count(*) FROM accounts WHERE id = 'acct_1' AND deauthorized";
    let object = json!({"id": "acct_1", "object": "account", "charges_enabled": true});
    told("evt_1", 0, "account.updated", object.clone());
    harness.eventually_number(1, "SELECT count(*) FROM accounts");
    assert_eq!(harness.number(gone), 0);
    let application = json!({"id": "ca_1", "object": "application"});
    told("evt_2", 10, "account.application.deauthorized", application);
    harness.eventually_number(1, gone);
    // It may come back.
    told("evt_3", 20, "account.updated", object);
    harness.eventually_number(0, gone);
}
