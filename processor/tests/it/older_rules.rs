//! A database that version 3 of the folding rules made (`processor/tests/version-3.json`: its rows
//! as that version's own processor wrote them), migrated: what today's rules change is named
//! exactly, and what is touched is rebuilt before anything is joined to it.

use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, RunQueryDsl as _, sql_query};
use processor::apply::upgrade::upgrading;
use processor::apply::{Place, apply_batch};
use serde_json::Value;
use shared::db::shadow::shadow;
use shared::folding::FOLD_VERSION;
use testbed::testing::TestDatabase;

use crate::harness::{event, intent, migrated, paid};
use crate::planted::{Planted, RULES, no_bug, read, rows};

const ROWS: &str = include_str!("../version-3.json");
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/migrations");
/// The first migration that version 3 did not know.
const MONEY: &str = "00000000000011";

/// Versions and `down.sql` of what version 3 did not know, newest first.
fn later() -> Vec<(String, String)> {
    let folders = std::fs::read_dir(MIGRATIONS).unwrap();
    let mut later: Vec<(String, String)> = folders
        .map(|folder| folder.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let version = name.split('_').next()?.to_owned();
            let down = || std::fs::read_to_string(path.join("down.sql")).unwrap();
            (version.as_str() >= MONEY).then(|| (version, down()))
        })
        .collect();
    later.sort();
    later.reverse();
    later
}

/// Version 3's schema with its rows, brought to today's.
fn upgraded() -> TestDatabase {
    let database = migrated();
    let mut conn = PgConnection::establish(&database.url()).unwrap();
    let later = later();
    for (version, down) in &later {
        conn.batch_execute(down).unwrap();
        let forget = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'");
        assert_eq!(
            sql_query(forget).execute(&mut conn).unwrap(),
            1,
            "{version}"
        );
    }
    let tables: BTreeMap<String, Value> = serde_json::from_str(ROWS).unwrap();
    for (table, rows) in tables {
        let insert = format!(
            "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1::json)"
        );
        sql_query(insert)
            .bind::<diesel::sql_types::Text, _>(rows.to_string())
            .execute(&mut conn)
            .expect(&table);
    }
    assert_eq!(shared::db::migrate(&database.url()).unwrap(), later.len());
    database
}

fn statuses(conn: &mut PgConnection) -> BTreeMap<String, String> {
    rows(
        conn,
        "SELECT id, status AS text FROM bookings WHERE version > 0",
    )
}

/// What version 3 showed, and what today's rules say.
const CHANGED: &[(&str, &str, &str)] = &[
    ("fix-right", "pending", "confirmed"),
    ("fix-wrong", "confirmed", "pending"),
    ("hold", "processing", "authorized"),
    ("invoice", "pending", "canceled"),
    ("setup", "amount_mismatch", "pending"),
    ("sub", "amount_mismatch", "confirmed"),
    ("twice-a", "confirmed", "pending"),
    ("void", "partially_refunded", "canceled"),
];
const SAME: &[(&str, &str)] = &[
    ("gone", "canceled"),
    ("intent-a", "confirmed"),
    ("intent-b", "pending"),
    ("part", "partially_refunded"),
    ("plain", "confirmed"),
    ("twice-b", "confirmed"),
];

#[test]
fn the_diff_between_the_rules_names_exactly_what_the_new_ones_change() {
    let database = upgraded();
    let mut conn = PgConnection::establish(&database.url()).unwrap();
    let stored = statuses(&mut conn);
    let all: BTreeSet<String> = stored.keys().cloned().collect();
    let found = shadow(&mut conn, &BTreeSet::new(), &all, RULES.policy).unwrap();
    let mut changed = BTreeMap::new();
    for booking in &found.bookings {
        let shown = booking.shadow.as_ref().unwrap();
        let before = stored.get(&booking.id).cloned();
        changed.insert(booking.id.clone(), (before, shown.status.clone()));
    }
    for (id, before, after) in CHANGED {
        let wanted = (Some((*before).to_owned()), (*after).to_owned());
        assert_eq!(changed.remove(*id), Some(wanted), "{id}");
    }
    for (id, status) in SAME {
        let wanted = (Some((*status).to_owned()), (*status).to_owned());
        assert_eq!(changed.remove(*id), Some(wanted), "{id}");
    }
    assert!(changed.is_empty(), "{changed:?}");
}

/// An event that says nothing new about an object of this booking.
fn touch(n: usize, object: &str, booking: Option<&str>, status: &str) -> Vec<u8> {
    let object = intent(object, booking, status, 10_000);
    event(
        &format!("evt_touch_{n}"),
        1_790_000_900,
        "payment_intent.updated",
        object,
        Value::Null,
    )
}

#[test]
fn states_of_older_rules_are_rebuilt_when_they_are_touched() {
    let database = upgraded();
    let mut planted = Planted::on(&database.url());
    let before = statuses(&mut planted.conn);
    planted.apply(
        &[
            touch(1, "pi_void", Some("void"), "canceled"),
            touch(2, "pi_two", Some("twice-b"), "succeeded"),
            touch(3, "pi_sub1", None, "succeeded"),
        ],
        no_bug,
    );
    let after = statuses(&mut planted.conn);
    let status = |id: &str| after[id].as_str();
    assert_eq!(status("void"), "canceled");
    assert_eq!(
        (status("twice-a"), status("twice-b")),
        ("pending", "confirmed")
    );
    assert_eq!(status("sub"), "confirmed");
    // What nothing touched shows what it showed, and says by which rules.
    assert_eq!(after["hold"], before["hold"]);
    let versions = rows(
        &mut planted.conn,
        "SELECT id, fold_version::text AS text FROM bookings WHERE id IN ('void', 'hold')",
    );
    assert_eq!(versions["void"], FOLD_VERSION.to_string());
    assert_eq!(versions["hold"], "3");
    let causes = rows(
        &mut planted.conn,
        "SELECT DISTINCT booking_id AS id, cause_id AS text FROM booking_transitions \
         WHERE cause_kind = 'action'",
    );
    assert!(
        causes.values().all(|cause| cause == "rules-4"),
        "{causes:?}"
    );
    assert!(causes.contains_key("twice-a"));
}

#[test]
fn a_second_payment_of_a_booking_of_older_rules_is_added_to_the_first() {
    let database = upgraded();
    let mut planted = Planted::on(&database.url());
    planted.apply(&[paid("evt_new", "pi_new", "plain", 300)], no_bug);
    let paid = rows(
        &mut planted.conn,
        "SELECT id, concat_ws(' ', status, amount_paid, payments) AS text FROM bookings WHERE id = 'plain'",
    );
    assert_eq!(paid["plain"], "amount_mismatch 10300 2");
}

#[test]
fn an_intent_that_two_bookings_registered_stays_with_the_earliest_and_is_told() {
    let database = upgraded();
    let mut conn = PgConnection::establish(&database.url()).unwrap();
    let kept = rows(
        &mut conn,
        "SELECT payment_intent_id AS id, booking_id AS text FROM registered_intents",
    );
    assert_eq!(kept["pi_share"], "intent-a");
    let told = rows(
        &mut conn,
        "SELECT booking_id AS id, kind AS text FROM findings WHERE closed_at IS NULL AND identity IS NOT NULL",
    );
    assert_eq!(told["intent-b"], "intent_taken");
}

#[test]
fn an_object_whose_ledger_rows_are_gone_is_not_rebuilt_from_less() {
    let database = upgraded();
    let mut planted = Planted::on(&database.url());
    planted
        .conn
        .batch_execute("ALTER TABLE events DISABLE TRIGGER ALL; DELETE FROM events WHERE object_id = 'pi_void'")
        .unwrap();
    let body = touch(1, "pi_void", Some("void"), "canceled");
    let item = read(&body, 0, no_bug);
    let place = Place {
        topic: "planted",
        partition: 0,
        epoch: 0,
        next_offset: 0,
    };
    let now = chrono::DateTime::from_timestamp(1_790_000_900, 0).unwrap();
    let applied = upgrading(&mut planted.conn, RULES, |conn| {
        apply_batch(conn, place, &[&item], RULES, now)
    });
    let error = applied.unwrap_err();
    let text = shared::error::chain(&error);
    assert!(text.contains("the ledger does not have"), "{text}");
}
