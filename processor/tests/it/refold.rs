//! Bookings and objects folded anew from the ledger: what a bug left behind goes, what is right
//! stays untouched.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection, PgConnection};
use processor::apply::ApplyError;
use processor::apply::refold::{MAX_ROWS, Refold, Refolded, refold_booking, refold_object};
use serde_json::{Value, json};
use shared::db::run_tx;
use testbed::histories::{History, Mix, history};
use testbed::testing::TestDatabase;

use crate::harness::{event, intent, migrated, paid};
use crate::planted::{Planted, RULES, assert_same, bookings, folded, halve_refunds, no_bug, rows};

const SEED: u64 = 3;
const ACTION: &str = "act_00000000000000000000000000000001";

fn histories(count: u64) -> Vec<History> {
    (0..count).map(|n| history(SEED, n, Mix::Natural)).collect()
}

fn bodies(histories: &[History]) -> Vec<Vec<u8>> {
    let events = histories.iter().flat_map(|one| &one.events);
    events.map(|event| event.to_string().into_bytes()).collect()
}

fn database() -> (TestDatabase, Planted) {
    let database = migrated();
    let planted = Planted::on(&database.url());
    (database, planted)
}

/// In a transaction of its own, until nothing moves meanwhile.
fn attempt(
    conn: &mut PgConnection,
    work: impl Fn(&mut PgConnection) -> Result<Refold, ApplyError>,
) -> Refold {
    loop {
        match run_tx(conn, "command", &work) {
            Ok(refold) => return refold,
            Err(ApplyError::Moved) => {}
            Err(error) => panic!("{}", shared::error::chain(&error)),
        }
    }
}

fn refold(conn: &mut PgConnection, booking: &str) -> Refolded {
    match attempt(conn, |conn| {
        refold_booking(conn, booking, ACTION, RULES, MAX_ROWS)
    }) {
        Refold::Done(refolded) => refolded,
        Refold::Refused(refusal) => panic!("{refusal}"),
    }
}

const NOBODYS: &str =
    "SELECT id, account AS text FROM objects WHERE booking_id IS NULL AND version > 0";

fn refold_alone(conn: &mut PgConnection, account: &str, object: &str) {
    let done = attempt(conn, |conn| {
        refold_object(conn, (account, object), ACTION, RULES, MAX_ROWS)
    });
    assert!(matches!(done, Refold::Done(_)), "{object}: {done:?}");
}

fn refused(conn: &mut PgConnection, booking: &str, max_rows: usize) -> (&'static str, String) {
    match attempt(conn, |conn| {
        refold_booking(conn, booking, ACTION, RULES, max_rows)
    }) {
        Refold::Refused(refusal) => (refusal.kind(), refusal.to_string()),
        Refold::Done(done) => panic!("{booking} was folded: {done:?}"),
    }
}

fn number(conn: &mut PgConnection, sql: &str) -> i64 {
    let all = rows(conn, &format!("SELECT 'n' AS id, ({sql})::text AS text"));
    all["n"].parse().unwrap()
}

fn execute(conn: &mut PgConnection, sql: &str) {
    conn.batch_execute(sql).expect(sql);
}

fn charge(id: &str, at: i64, intent: &str) -> Vec<u8> {
    let object = json!({"id": id, "object": "charge", "status": "succeeded", "captured": true, "amount": 500, "amount_captured": 500, "amount_refunded": 0, "currency": "eur", "payment_intent": intent, "metadata": {}});
    event(
        &format!("evt_{id}"),
        at,
        "charge.succeeded",
        object,
        Value::Null,
    )
}

#[test]
fn after_a_planted_bug_each_wrong_booking_is_refolded_to_the_truth() {
    let histories = histories(120);
    let bodies = bodies(&histories);
    let (_buggy_database, mut buggy) = database();
    let (_true_database, mut truth) = database();
    buggy.apply(&bodies, halve_refunds);
    truth.apply(&bodies, no_bug);
    let (shown, right) = (bookings(&mut buggy.conn), bookings(&mut truth.conn));
    let wrong: BTreeSet<&String> = right.keys().filter(|id| shown[*id] != right[*id]).collect();
    assert!(wrong.len() >= 5 && wrong.len() * 2 < right.len());
    let mut changed = BTreeSet::new();
    for booking in right.keys() {
        changed.extend(refold(&mut buggy.conn, booking).bookings_changed);
    }
    assert_eq!(changed.iter().collect::<BTreeSet<_>>(), wrong);
    // Renewals pay no booking: their objects are folded by themselves.
    for (id, account) in rows(&mut buggy.conn, NOBODYS) {
        refold_alone(&mut buggy.conn, &account, &id);
    }
    assert_same(&mut buggy.conn, &mut truth.conn);
    let by_action = rows(
        &mut buggy.conn,
        "SELECT booking_id AS id, count(*)::text AS text FROM booking_transitions WHERE cause_kind = 'action' GROUP BY 1",
    );
    assert_eq!(by_action.keys().collect::<BTreeSet<_>>(), wrong);
    let told = "SELECT count(*) FROM outbox WHERE payload -> 'cause' ->> 'kind' = 'action' AND kind = 'booking.changed'";
    let told = number(&mut buggy.conn, told);
    assert!(told > 0 && told <= i64::try_from(wrong.len()).unwrap());
}

#[test]
fn refolding_what_is_right_changes_nothing_and_tells_nobody() {
    let (_database, mut right) = database();
    right.apply(&bodies(&histories(60)), no_bug);
    let everything = "SELECT account || id AS id, version || ' ' || updated_at AS text FROM objects \
         UNION SELECT id, version || ' ' || updated_at FROM bookings \
         UNION SELECT 'outbox', count(*)::text FROM outbox \
         UNION SELECT 'transitions', count(*)::text FROM booking_transitions";
    let before = rows(&mut right.conn, everything);
    for booking in bookings(&mut right.conn).keys() {
        let done = refold(&mut right.conn, booking);
        assert!(!done.is_change(), "{booking}: {done:?}");
        assert!(done.objects > 0 && done.rows > 0);
    }
    assert_eq!(rows(&mut right.conn, everything), before);
}

#[test]
fn a_refold_under_live_traffic_ends_as_without_it() {
    let histories = histories(40);
    let bodies = bodies(&histories);
    let (served, mut live) = database();
    let (_true_database, mut truth) = database();
    truth.apply(&bodies, no_bug);
    let (early, late) = bodies.split_at(bodies.len() / 3);
    live.apply(early, halve_refunds);
    let known: Vec<String> = bookings(&mut live.conn).into_keys().collect();
    let is_over = AtomicBool::new(false);
    let folds = std::thread::scope(|scope| {
        let folding = scope.spawn(|| {
            let mut conn = PgConnection::establish(&served.url()).unwrap();
            let mut folds = 0;
            // Once more after the last event: what the bug made of the first is then gone.
            loop {
                let last = is_over.load(Ordering::SeqCst);
                for booking in &known {
                    refold(&mut conn, booking);
                    folds += 1;
                }
                if last {
                    return folds;
                }
            }
        });
        for few in late.chunks(3) {
            live.apply(few, no_bug);
        }
        is_over.store(true, Ordering::SeqCst);
        folding.join().unwrap()
    });
    assert!(folds > known.len());
    // Objects without a booking were not among those that were named.
    for (id, text) in bookings(&mut truth.conn) {
        assert_eq!(bookings(&mut live.conn)[&id], text, "{id}");
    }
}

#[test]
fn a_link_that_a_bug_made_is_taken_away_and_its_object_leaves_the_booking() {
    let (_database, mut planted) = database();
    let bug = |event: &mut Value| {
        if event["data"]["object"]["id"] == "ch_9" {
            event["data"]["object"]["payment_intent"] = "pi_1".into();
        }
    };
    let bodies = [
        paid("evt_1", "pi_1", "b-1", 500),
        charge("ch_9", 1_790_000_001, "pi_9"),
    ];
    planted.apply(&bodies, bug);
    let member = "SELECT count(*) FROM objects WHERE id = 'ch_9' AND booking_id = 'b-1'";
    assert_eq!(number(&mut planted.conn, member), 1);
    let done = refold(&mut planted.conn, "b-1");
    assert!(done.ties_changed >= 2, "{done:?}");
    assert_eq!(number(&mut planted.conn, member), 0);
    let (_true_database, mut truth) = database();
    truth.apply(&bodies, no_bug);
    assert_same(&mut planted.conn, &mut truth.conn);
}

#[test]
fn a_link_that_a_bug_lost_is_found_again_from_the_object_that_makes_it() {
    let (_database, mut planted) = database();
    let bug = |event: &mut Value| {
        event["data"]["object"]["payment_intent"] = Value::Null;
    };
    let dispute = json!({"id": "dp_1", "object": "dispute", "status": "needs_response", "amount": 500, "currency": "eur", "charge": "ch_1", "payment_intent": "pi_1", "metadata": {}});
    let bodies = [
        paid("evt_1", "pi_1", "b-1", 500),
        event(
            "evt_2",
            1_790_000_100,
            "charge.dispute.created",
            dispute,
            Value::Null,
        ),
    ];
    planted.apply(&bodies, bug);
    assert!(bookings(&mut planted.conn)["b-1"].starts_with("confirmed"));
    // The booking itself knows of no dispute.
    assert!(!refold(&mut planted.conn, "b-1").is_change());
    let Refold::Done(done) = attempt(&mut planted.conn, |conn| {
        refold_object(conn, ("", "dp_1"), ACTION, RULES, MAX_ROWS)
    }) else {
        panic!("refused");
    };
    assert_eq!(done.bookings_changed, ["b-1"]);
    assert!(bookings(&mut planted.conn)["b-1"].starts_with("disputed"));
}

#[test]
fn a_claim_that_a_bug_misread_moves_the_object_and_leaves_the_other_booking_empty() {
    let (_database, mut planted) = database();
    let bug = |event: &mut Value| {
        event["data"]["object"]["metadata"]["booking_id"] = "b-wrong".into();
    };
    planted.apply(&[paid("evt_1", "pi_1", "b-right", 500)], bug);
    let done = refold(&mut planted.conn, "b-wrong");
    assert_eq!(done.bookings_changed, ["b-right", "b-wrong"]);
    let shown = bookings(&mut planted.conn);
    assert!(shown["b-right"].starts_with("confirmed 500 eur 500"));
    assert!(shown["b-wrong"].starts_with("pending 0"), "{shown:?}");
    assert!(!refold(&mut planted.conn, "b-wrong").is_change());
}

#[test]
fn a_registration_counts_as_before_and_its_lost_share_is_made_again() {
    let (_database, mut planted) = database();
    let silent = event(
        "evt_1",
        1_790_000_000,
        "payment_intent.succeeded",
        intent("pi_1", None, "succeeded", 900),
        Value::Null,
    );
    planted.apply(&[silent], no_bug);
    execute(
        &mut planted.conn,
        "SELECT register_booking('b-1', 900, 'eur', 'pi_1')",
    );
    let waiting = processor::store::registrations::not_folded(&mut planted.conn, "", 10).unwrap();
    processor::registrations::fold_registrations(&mut planted.conn, RULES, &waiting).unwrap();
    let right = folded(&mut planted.conn);
    assert!(right["b-1"].starts_with("confirmed"));
    assert!(!refold(&mut planted.conn, "b-1").is_change());
    execute(
        &mut planted.conn,
        "DELETE FROM object_shares; UPDATE objects SET booking_id = NULL; \
         UPDATE bookings SET status = 'pending', amount_paid = 0, amount = NULL, currency = NULL",
    );
    assert!(refold(&mut planted.conn, "b-1").is_change());
    assert_eq!(folded(&mut planted.conn), right);
}

#[test]
fn typed_columns_that_a_bug_wrote_beside_a_right_state_are_written_again() {
    let (_database, mut planted) = database();
    planted.apply(&[paid("evt_1", "pi_1", "b-1", 500)], no_bug);
    let right = folded(&mut planted.conn);
    execute(&mut planted.conn, "UPDATE objects SET amount_paid = 7");
    assert_eq!(refold(&mut planted.conn, "b-1").objects_changed, 1);
    assert_eq!(folded(&mut planted.conn), right);
}

#[test]
fn what_was_not_applied_is_not_folded() {
    for disposition in ["ignored", "parked", "dead"] {
        let (_database, mut planted) = database();
        let body = event(
            "evt_1",
            1_790_000_000,
            "payment_intent.processing",
            intent("pi_1", Some("b-1"), "processing", 500),
            Value::Null,
        );
        planted.apply(&[body, paid("evt_2", "pi_1", "b-1", 500)], no_bug);
        // The trigger keeps an applied event; whoever owns the database can still get round it.
        let sql = format!(
            "SET session_replication_role = replica; \
             UPDATE events SET disposition = '{disposition}' WHERE id = 'evt_2'; \
             SET session_replication_role = origin"
        );
        execute(&mut planted.conn, &sql);
        assert_eq!(refold(&mut planted.conn, "b-1").rows, 1, "{disposition}");
        assert!(bookings(&mut planted.conn)["b-1"].starts_with("processing"));
    }
}

#[test]
fn an_unknown_booking_or_object_is_refused_and_leaves_no_row() {
    let (_database, mut planted) = database();
    planted.apply(&[paid("evt_1", "pi_1", "b-1", 500)], no_bug);
    let before = folded(&mut planted.conn);
    assert_eq!(
        refused(&mut planted.conn, "b-2", MAX_ROWS).0,
        "unknown_booking"
    );
    for (account, id) in [("", "pi_2"), ("acct_1", "pi_1")] {
        let Refold::Refused(refusal) = attempt(&mut planted.conn, |conn| {
            refold_object(conn, (account, id), ACTION, RULES, MAX_ROWS)
        }) else {
            panic!("{account}/{id} was folded");
        };
        assert_eq!(refusal.kind(), "unknown_object");
    }
    assert_eq!(folded(&mut planted.conn), before);
    assert_eq!(
        number(&mut planted.conn, "SELECT count(*) FROM bookings"),
        1
    );
}

#[test]
fn more_rows_or_objects_than_the_bound_are_refused_and_nothing_is_written() {
    let (_database, mut planted) = database();
    let bodies: Vec<Vec<u8>> = (0..6)
        .map(|n| charge(&format!("ch_{n}"), 1_790_000_000 + n, "pi_1"))
        .chain([paid("evt_1", "pi_1", "b-1", 500)])
        .collect();
    planted.apply(&bodies, halve_refunds);
    let before = folded(&mut planted.conn);
    let (kind, words) = refused(&mut planted.conn, "b-1", 6);
    assert_eq!(kind, "too_many_rows");
    assert!(words.contains("more than 6 ledger rows"), "{words}");
    let few = processor::apply::Rules {
        max_objects: 6,
        ..RULES
    };
    let Refold::Refused(refusal) = attempt(&mut planted.conn, |conn| {
        refold_booking(conn, "b-1", ACTION, few, MAX_ROWS)
    }) else {
        panic!("folded");
    };
    assert_eq!(refusal.kind(), "too_many_objects");
    assert_eq!(folded(&mut planted.conn), before);
    assert_eq!(refold(&mut planted.conn, "b-1").rows, 7);
}

#[test]
fn a_row_that_cannot_be_read_any_more_is_refused_by_its_id() {
    let (_database, mut planted) = database();
    planted.apply(&[paid("evt_1", "pi_1", "b-1", 500)], no_bug);
    execute(
        &mut planted.conn,
        "INSERT INTO events (id, created, record_kind, type, object_id, payload, payload_sha256, source, topic, partition, \"offset\", received_at, disposition, fold_version) \
         VALUES ('evt_odd', to_timestamp(1790000001), 'event', 'x', 'pi_1', 'nonsense', decode(repeat('00', 32), 'hex'), 'webhook', 't', 0, 1, now(), 'applied', 1)",
    );
    let before = folded(&mut planted.conn);
    let (kind, words) = refused(&mut planted.conn, "b-1", MAX_ROWS);
    assert_eq!(kind, "unreadable_row");
    assert!(words.contains("evt_odd"), "{words}");
    assert_eq!(folded(&mut planted.conn), before);
}

#[test]
fn what_only_a_row_that_is_gone_said_is_not_forgotten() {
    let (_database, mut planted) = database();
    planted.apply(&[paid("evt_1", "pi_1", "b-1", 500)], no_bug);
    execute(&mut planted.conn, "DELETE FROM events");
    let before = folded(&mut planted.conn);
    let (kind, words) = refused(&mut planted.conn, "b-1", MAX_ROWS);
    assert_eq!(kind, "row_gone");
    assert!(words.contains("evt_1") && words.contains("pi_1"), "{words}");
    assert_eq!(folded(&mut planted.conn), before);
}

#[test]
fn ledger_rows_say_by_which_rules_they_were_folded_last() {
    let (_database, mut planted) = database();
    planted.apply(
        &[
            paid("evt_1", "pi_1", "b-1", 500),
            paid("evt_2", "pi_2", "b-2", 500),
        ],
        no_bug,
    );
    execute(&mut planted.conn, "UPDATE events SET fold_version = 1");
    refold(&mut planted.conn, "b-1");
    let versions = rows(
        &mut planted.conn,
        "SELECT id, fold_version::text AS text FROM events",
    );
    assert_eq!(versions["evt_1"], shared::folding::FOLD_VERSION.to_string());
    assert_eq!(versions["evt_2"], "1");
}
