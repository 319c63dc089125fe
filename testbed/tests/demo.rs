//! The demo's check can fail: a run that is right becomes wrong by one row.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use testbed::demo::check::{Held, Seen, differences, unseen};
use testbed::demo::stage::Stage;
use testbed::stack::postgres::execute;
use testbed::stripe::{Faults, Order, When};
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
    for change in [
        "status = 'pending', amount_paid = 7",
        "amount_refunded = amount_refunded + 1",
        "hold = 'uncertain'",
    ] {
        let sql = format!(
            "CREATE TABLE aside AS SELECT * FROM bookings WHERE id = '{booking}'; UPDATE bookings SET {change} WHERE id = '{booking}'"
        );
        execute(&stage.database, &sql).unwrap();
        let found = problems(&stage);
        assert!(
            found.len() == 1 && found.iter().all(|line| line.contains(booking)),
            "{change}: {found:?}"
        );
        let back = format!(
            "DELETE FROM bookings WHERE id = '{booking}'; INSERT INTO bookings SELECT * FROM aside; DROP TABLE aside"
        );
        execute(&stage.database, &back).unwrap();
    }
    assert!(problems(&stage).is_empty());
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
