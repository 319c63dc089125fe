//! Payloads that left the ledger: a rebuild says the same as with them, and what left is known for
//! ever.

use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use processor::apply::refold::{MAX_ROWS, Refold, Refolded, refold_booking};
use shared::db::{ledger, payloads, run_tx};
use testbed::histories::{Mix, history};

use crate::harness::{event, intent, migrated, paid};
use crate::planted::{Planted, RULES, assert_same, bookings, folded, halve_refunds, no_bug, rows};

const ACTION: &str = "act_0000000000000000000000000000000e";

fn execute(conn: &mut PgConnection, sql: &str) {
    conn.batch_execute(sql).expect(sql);
}

fn begin(conn: &mut PgConnection, id: &str, verb: &str) {
    execute(
        conn,
        &format!(
            "INSERT INTO operator_actions (id, who, host, verb, reason, request, state)
             VALUES ('{id}', 'tester', 'here', '{verb}', 'a test', '{{}}', 'running')"
        ),
    );
}

fn texts(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    rows(conn, sql).into_values().collect()
}

fn number(conn: &mut PgConnection, sql: &str) -> i64 {
    let all = texts(conn, &format!("SELECT 'n' AS id, ({sql})::text AS text"));
    all[0].parse().unwrap()
}

/// Removes every payload that may go, as an erasure does; returns how many went.
fn remove_all(conn: &mut PgConnection) -> usize {
    let ids = texts(conn, "SELECT id, id AS text FROM events");
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let whole = ledger::rows_of(conn, &ids).unwrap();
    payloads::remove(conn, &whole, ACTION, payloads::Unreadable::Keep)
        .unwrap()
        .len()
}

fn refold(conn: &mut PgConnection, booking: &str) -> Refolded {
    let done = run_tx(conn, "command", |conn| {
        refold_booking(conn, booking, ACTION, RULES, MAX_ROWS)
    });
    match done.unwrap() {
        Refold::Done(refolded) => refolded,
        Refold::Refused(refusal) => panic!("{refusal}"),
    }
}

fn bodies() -> Vec<Vec<u8>> {
    let histories = (0..60).map(|n| {
        let mix = if n % 3 == 0 { Mix::Natural } else { Mix::Ties };
        history(7, n, mix)
    });
    let events = histories.flat_map(|one| one.events);
    events.map(|event| event.to_string().into_bytes()).collect()
}

#[test]
fn a_rebuild_says_the_same_after_every_payload_was_removed() {
    let database = migrated();
    let mut planted = Planted::on(&database.url());
    planted.apply(&bodies(), no_bug);
    let conn = &mut planted.conn;
    let before = folded(conn);
    let events = number(conn, "SELECT count(*) FROM events");
    begin(conn, ACTION, "erase");
    assert_eq!(remove_all(conn), usize::try_from(events).unwrap());
    let left = "SELECT count(*) FROM events WHERE payload <> '' OR payload_removed_by <> 'act_0000000000000000000000000000000e'
        OR length(payload_sha256) <> 32";
    assert_eq!(number(conn, left), 0);
    for booking in bookings(conn).keys() {
        let done = refold(conn, booking);
        assert!(!done.is_change(), "{booking}: {done:?}");
        assert!(done.rows > 0, "{booking}");
    }
    assert_eq!(folded(conn), before);
    // Life goes on: the next event of a booking is folded onto what was read before.
    let later = [
        paid("evt_more_1", "pi_more_1", "b-more", 500),
        paid("evt_more_2", "pi_more_2", "b-more", 700),
    ];
    planted.apply(&later[..1], no_bug);
    assert_eq!(remove_all(&mut planted.conn), 1);
    planted.apply(&later[1..], no_bug);
    let shown = &bookings(&mut planted.conn)["b-more"];
    assert!(shown.contains(" 1200 "), "{shown}");
}

#[test]
fn what_a_bug_left_behind_is_put_right_from_readings_alone() {
    let (one, other) = (migrated(), migrated());
    let (mut buggy, mut truth) = (Planted::on(&one.url()), Planted::on(&other.url()));
    let bodies = bodies();
    buggy.apply(&bodies, halve_refunds);
    truth.apply(&bodies, no_bug);
    assert_ne!(bookings(&mut buggy.conn), bookings(&mut truth.conn));
    begin(&mut buggy.conn, ACTION, "erase");
    assert!(remove_all(&mut buggy.conn) > 0);
    for booking in bookings(&mut truth.conn).keys() {
        refold(&mut buggy.conn, booking);
    }
    assert_eq!(bookings(&mut buggy.conn), bookings(&mut truth.conn));
}

#[test]
fn an_event_of_a_detached_month_is_known_for_ever_and_its_booking_is_rebuilt_without_it() {
    let (one, other) = (migrated(), migrated());
    let mut planted = Planted::on(&one.url());
    let conn = &mut planted.conn;
    execute(
        conn,
        "CREATE TABLE events_2024_01 PARTITION OF events
         FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')",
    );
    let object = intent("pi_old", Some("b-old"), "succeeded", 500);
    let old = event(
        "evt_old",
        1_705_000_000,
        "payment_intent.succeeded",
        object,
        serde_json::Value::Null,
    );
    planted.apply(std::slice::from_ref(&old), no_bug);
    let conn = &mut planted.conn;
    let before = folded(conn);
    begin(conn, "act_d", "retention detach");
    let detach = "SELECT detach_event_month('2024-01-01', 'act_d')";
    let refused = conn.batch_execute(detach).unwrap_err().to_string();
    assert!(
        refused.contains("evt_old") && refused.contains("payload"),
        "{refused}"
    );
    begin(conn, ACTION, "erase");
    assert_eq!(remove_all(conn), 1);
    execute(conn, detach);
    assert_eq!(number(conn, "SELECT count(*) FROM events"), 0);
    assert_eq!(number(conn, "SELECT count(*) FROM retired_ids"), 1);
    assert_eq!(number(conn, "SELECT count(*) FROM events_2024_01"), 1);

    planted.apply(std::slice::from_ref(&old), no_bug);
    let conn = &mut planted.conn;
    assert_eq!(
        number(conn, "SELECT count(*) FROM events"),
        0,
        "a copy is no event"
    );
    let done = refold(conn, "b-old");
    assert!(!done.is_change() && done.rows == 1, "{done:?}");
    assert_eq!(folded(conn), before);
    let mut truth = Planted::on(&other.url());
    truth.apply(&[old], no_bug);
    assert_same(&mut planted.conn, &mut truth.conn);
}

#[test]
fn payloads_go_only_by_retention_after_ninety_days_or_by_a_running_erasure() {
    let database = migrated();
    let mut planted = Planted::on(&database.url());
    planted.apply(&[paid("evt_1", "pi_1", "b-1", 500)], no_bug);
    let conn = &mut planted.conn;
    let whole = ledger::rows_of(conn, &["evt_1"]).unwrap();
    let keep = payloads::Unreadable::Keep;
    let young = payloads::remove(conn, &whole, payloads::BY_RETENTION, keep);
    assert_eq!(young.unwrap(), Vec::<String>::new());
    assert_eq!(number(conn, "SELECT count(*) FROM event_readings"), 0);
    for (id, verb, state) in [
        ("act_replay", "replay", "running"),
        ("act_over", "erase", "done"),
    ] {
        begin(conn, id, verb);
        execute(
            conn,
            &format!("UPDATE operator_actions SET state = '{state}' WHERE id = '{id}'"),
        );
    }
    for by in ["act_unknown", "act_replay", "act_over", ""] {
        let refused = payloads::remove(conn, &whole, by, keep).unwrap_err();
        assert!(refused.to_string().contains("running erasure"), "{refused}");
    }
    // Nobody blanks a payload past the function, and a removed one never comes back.
    for sql in [
        "UPDATE events SET payload = ''",
        "UPDATE events SET payload_removed_at = now(), payload_removed_by = 'x'",
        "UPDATE events SET payload = '', payload_sha256 = sha256(''), payload_removed_at = now(), payload_removed_by = 'x'",
    ] {
        assert!(conn.batch_execute(sql).is_err(), "{sql}");
    }
    begin(conn, ACTION, "erase");
    assert_eq!(remove_all(conn), 1);
    for sql in [
        "UPDATE events SET payload = 'x'",
        "UPDATE events SET payload = 'x', payload_removed_at = NULL, payload_removed_by = NULL",
        "UPDATE events SET payload_removed_by = 'retention'",
    ] {
        assert!(conn.batch_execute(sql).is_err(), "{sql}");
    }
}
