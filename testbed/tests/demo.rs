//! The demo's check can fail: a run that is right becomes wrong by one row.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use testbed::demo::check::{Held, Seen, differences, unseen};
use testbed::demo::stage::Stage;
use testbed::stack::Postgres;
use testbed::stack::postgres::execute;
use testbed::stripe::{Amounts, BookingTruth, Fake, FakeConfig, Faults, Order, Story, When};
use testbed::testing::eventually;

fn problems(stage: &Stage) -> Vec<String> {
    let held = Held::read(&stage.database).unwrap();
    differences(&held, &stage.fake.truth(), &stage.fake.deliveries())
}

#[test]
fn a_deleted_ledger_row_and_an_altered_booking_are_each_noticed() {
    let faults = Faults {
        lost: 0.1,
        duplicated: 0.1,
        reordered: 0.5,
        reorder_window_ms: 500,
        ..Faults::default()
    };
    let mut stage = Stage::set(3, faults).unwrap();
    let bookings = stage.fake.create_bookings(&Order {
        count: 40,
        over_ms: 500,
        when: When::Held,
        ..Order::default()
    });
    stage.register(&bookings).unwrap();
    stage.fake.play();
    eventually(
        Duration::from_secs(90),
        "the small day is over and all is right",
        || stage.fake.is_idle() && problems(&stage).is_empty(),
    );
    // From here on nobody repairs what is broken on purpose.
    stage.reconciler.kill9().unwrap();
    stage.processor.kill9().unwrap();
    assert_eq!(problems(&stage), Vec::<String>::new());

    let lost = stage
        .fake
        .deliveries()
        .into_iter()
        .find(|one| one.fate.lost)
        .unwrap()
        .event;
    let arrived = stage
        .fake
        .deliveries()
        .into_iter()
        .find(|one| one.accepted > 0)
        .unwrap()
        .event;
    for event in [lost, arrived] {
        let aside = format!(
            "CREATE TABLE aside AS SELECT * FROM events WHERE id = '{event}'; DELETE FROM events WHERE id = '{event}'"
        );
        execute(&stage.database, &aside).unwrap();
        let found = problems(&stage);
        assert!(
            found.len() == 1 && found.iter().all(|line| line.contains(&event)),
            "{found:?}"
        );
        execute(
            &stage.database,
            "INSERT INTO events SELECT * FROM aside; DROP TABLE aside",
        )
        .unwrap();
        assert!(problems(&stage).is_empty());
    }

    let booking = &bookings.first().unwrap().id;
    for (change, sentences) in [
        ("status = 'pending', amount_paid = 7", 2),
        ("amount_refunded = amount_refunded + 1", 1),
        ("hold = 'uncertain'", 1),
    ] {
        let sql = format!(
            "CREATE TABLE aside AS SELECT * FROM bookings WHERE id = '{booking}'; UPDATE bookings SET {change} WHERE id = '{booking}'"
        );
        execute(&stage.database, &sql).unwrap();
        let found = problems(&stage);
        assert!(
            found.len() == sentences && found.iter().all(|line| line.contains(booking)),
            "{change}: {found:?}"
        );
        let back = format!(
            "DELETE FROM bookings WHERE id = '{booking}'; INSERT INTO bookings SELECT * FROM aside; DROP TABLE aside"
        );
        execute(&stage.database, &back).unwrap();
    }
    assert!(problems(&stage).is_empty());
}

/// A database with the project's tables and nobody who writes to them.
fn tables(postgres: &Postgres) -> String {
    let url = postgres.url("postgres");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/migrations");
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for folder in folders {
        execute(
            &url,
            &std::fs::read_to_string(folder.join("up.sql")).unwrap(),
        )
        .unwrap();
    }
    url
}

fn by_name(amounts: &Amounts) -> BTreeMap<&'static str, i64> {
    amounts.by_column().into_iter().collect()
}

/// Writes the row that the services should make of the truth.
fn write(url: &str, id: &str, truth: &BookingTruth) {
    let (names, values): (Vec<_>, Vec<_>) = truth
        .amounts
        .by_column()
        .map(|(name, value)| (name, value.to_string()))
        .into_iter()
        .unzip();
    let others: BTreeMap<&String, BTreeMap<&str, i64>> = truth
        .other_currencies
        .iter()
        .map(|(currency, amounts)| (currency, by_name(amounts)))
        .collect();
    let sql = format!(
        "INSERT INTO bookings (id, status, currency, version, updated_by, other_currencies, {}) \
         VALUES ('{id}', '{}', '{}', 1, 'test', '{}', {})",
        names.join(", "),
        truth.status,
        truth.expected_currency,
        serde_json::to_string(&others).unwrap(),
        values.join(", "),
    );
    execute(url, &sql).unwrap();
}

#[test]
fn each_wrong_amount_has_a_sentence_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(dir.path()).unwrap();
    let url = tables(&postgres);
    let fake = Fake::start(FakeConfig::default()).unwrap();
    for story in Story::all() {
        fake.create_bookings(&Order {
            story: Some(story),
            when: When::JustNow,
            ..Order::default()
        });
    }
    let truth = fake.truth();
    for (id, truth) in &truth.bookings {
        write(&url, id, truth);
    }
    let found = || differences(&Held::read(&url).unwrap(), &truth, &[]);
    assert_eq!(found(), Vec::<String>::new());

    let (id, _) = truth.bookings.first_key_value().unwrap();
    for (column, _) in Amounts::default().by_column() {
        let add = |by: i32| {
            let sql = format!("UPDATE bookings SET {column} = {column} + {by} WHERE id = '{id}'");
            execute(&url, &sql).unwrap();
        };
        add(1);
        let found = found();
        assert!(
            found.len() == 1
                && found
                    .iter()
                    .all(|line| line.contains(id) && line.contains(column)),
            "{found:?}"
        );
        add(-1);
    }
    let francs = by_name(&Amounts {
        amount_paid: 3,
        ..Amounts::default()
    });
    let francs = serde_json::json!({ "chf": francs });
    let francs = format!("other_currencies = '{francs}'");
    for (change, word) in [
        ("status = 'authorized'", "authorized"),
        ("hold = 'parked'", "parked"),
        ("currency = 'xxx'", "xxx"),
        (&francs, "amount_paid in chf"),
    ] {
        let sql = format!(
            "CREATE TABLE aside AS SELECT * FROM bookings WHERE id = '{id}'; UPDATE bookings SET {change} WHERE id = '{id}'"
        );
        execute(&url, &sql).unwrap();
        let found = found();
        assert!(
            found.len() == 1 && found.iter().all(|line| line.contains(word)),
            "{change}: {found:?}"
        );
        let back = format!(
            "DELETE FROM bookings WHERE id = '{id}'; INSERT INTO bookings SELECT * FROM aside; DROP TABLE aside"
        );
        execute(&url, &back).unwrap();
    }
    assert_eq!(found(), Vec::<String>::new());
}

#[test]
fn a_day_without_faults_is_not_a_bad_day() {
    let stage = Stage::set(4, Faults::default()).unwrap();
    stage.fake.create_bookings(&Order {
        count: 1,
        ..Order::default()
    });
    let held = Held::read(&stage.database).unwrap();
    let missing = unseen(&held, &stage.fake.stats(), &Seen::default()).join("\n");
    for fault in [
        "lost",
        "duplicated",
        "reordered",
        "ingestor was not killed",
        "processor was not killed",
        "open transaction",
        "database was down",
        "new secret",
    ] {
        assert!(missing.contains(fault), "{fault} not in {missing}");
    }
}
