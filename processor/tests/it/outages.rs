//! The database goes away: the processor waits, gives nothing up, and catches up.

use std::time::Duration;

use testbed::stack::postgres::{Mode, Postgres};
use testbed::testing::{TestTopics, eventually};

use crate::harness::{Harness, PATIENCE, paid};

#[test]
fn while_the_database_is_down_nothing_is_given_up_and_afterwards_it_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(dir.path()).unwrap();
    let url = postgres.url("postgres");
    shared::db::migrate(&url).unwrap();
    let harness = Harness::on(TestTopics::create());
    let mut processor = harness
        .builder()
        .env("DATABASE_URL", url.clone())
        .spawn(harness.dir())
        .unwrap();
    processor.wait_ready(PATIENCE).unwrap();
    harness.publish(&paid("evt_0", "pi_0", "b-0", 500));
    let count = |sql: &str| count(&url, sql);
    eventually(PATIENCE, "the first is applied", || {
        count("SELECT count(*) AS n FROM events") == Some(1)
    });

    postgres.stop(Mode::Immediate).unwrap();
    for n in 1..300 {
        harness.publish(&paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("b-{n}"),
            500,
        ));
    }
    eventually(PATIENCE, "it notices", || {
        std::fs::read_to_string(processor.log())
            .unwrap()
            .contains("batch not applied")
    });
    postgres.start_again().unwrap();
    eventually(PATIENCE, "all are applied", || {
        count("SELECT count(*) AS n FROM events WHERE disposition = 'applied'") == Some(300)
    });
    assert_eq!(count("SELECT count(*) AS n FROM dead_letters"), Some(0));
    assert_eq!(
        count("SELECT count(*) AS n FROM booking_transitions"),
        Some(300)
    );
    processor.wait_ready(Duration::from_secs(10)).unwrap();
    // The thread that folds registrations has lost its connection, too.
    testbed::stack::postgres::execute(&url, "SELECT register_booking('b-0', 499, 'eur')").unwrap();
    eventually(PATIENCE, "registrations are folded again", || {
        count("SELECT count(*) AS n FROM bookings WHERE status = 'amount_mismatch'") == Some(1)
    });
}

fn count(url: &str, sql: &str) -> Option<i64> {
    use diesel::{Connection, RunQueryDsl};
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let mut connection = diesel::PgConnection::establish(url).ok()?;
    diesel::sql_query(sql)
        .get_result::<Row>(&mut connection)
        .ok()
        .map(|row| row.n)
}

#[test]
fn it_starts_without_a_database_and_becomes_ready_when_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(dir.path()).unwrap();
    let url = postgres.url("postgres");
    shared::db::migrate(&url).unwrap();
    postgres.stop(Mode::Fast).unwrap();
    let harness = Harness::new();
    let mut processor = harness
        .builder()
        .env("DATABASE_URL", url)
        .spawn(harness.dir())
        .unwrap();
    eventually(PATIENCE, "it says what it waits for", || {
        processor
            .get("/readyz")
            .is_some_and(|(status, body)| status == 503 && body.contains("database"))
    });
    postgres.start_again().unwrap();
    processor.wait_ready(PATIENCE).unwrap();
}
