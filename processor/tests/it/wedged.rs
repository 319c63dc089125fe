//! A record that makes its transaction fail in a way that looks like the database's trouble: it is
//! found and parked, and its neighbours go on. A database that really is in trouble parks nothing.
//!
//! Fails if a neighbour is not applied, if anything but the planted record is parked, or if an outage
//! parks something.

use testbed::faults::Fault;
use testbed::services::Service;
use testbed::stack::postgres::Postgres;
use testbed::testing::eventually;

use crate::database_faults::behind_proxy;
use crate::harness::{Harness, PATIENCE, paid};
use crate::parking::{charge, hold, queue, step};

const BLOCKED: &str = "b-13";
const CONFIRMED: &str = "SELECT count(*) FROM bookings WHERE status = 'confirmed'";
const PARKED: &str = "SELECT count(*) FROM parked_events";

/// Every write of the booking's row does this.
fn plant(harness: &Harness, statement: &str) {
    harness.execute(&format!(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
           IF NEW.id = '{BLOCKED}' THEN {statement}; END IF; RETURN NEW; END $$"
    ));
    harness.execute(
        "CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON bookings \
         FOR EACH ROW EXECUTE FUNCTION planted()",
    );
}

fn unplant(harness: &Harness) {
    harness.execute("DROP TRIGGER planted ON bookings");
}

/// Batches are large, heads are tried again soon.
fn start(harness: &Harness, settings: &[(&str, &str)]) -> Service {
    let builder = harness
        .builder()
        .env("BATCH_LINGER", "300ms")
        .env("PARK_RETRY_BASE", "100ms")
        .env("PARK_RETRY_CAP", "400ms");
    let builder = settings
        .iter()
        .fold(builder, |builder, (name, value)| builder.env(name, *value));
    let mut service = builder.spawn(harness.dir()).unwrap();
    service.wait_ready(PATIENCE).unwrap();
    service
}

/// Forty bookings of one partition, the blocked one's payment in their midst and a later event of it
/// at their end.
fn publish_with_the_blocked_one_in_the_midst(harness: &Harness) {
    for n in 0..40 {
        if n == 20 {
            harness.publish_under("same", &step(BLOCKED, 10, "succeeded"));
        }
        let (event, intent, booking) = (format!("evt_{n}"), format!("pi_{n}"), format!("o-{n}"));
        harness.publish_under("same", &paid(&event, &intent, &booking, 500));
    }
    harness.publish_under("same", &charge(BLOCKED, 20, 500));
}

/// Its partitions are claimed, and one of them is being read.
fn applies_the_first(harness: &Harness) {
    harness.publish_under("same", &paid("evt_0", "pi_0", "o-0", 500));
    harness.eventually_number(1, CONFIRMED);
}

fn is_found_and_parked_alone(statement: &str) {
    let harness = Harness::new();
    let mut processor = start(&harness, &[]);
    // The row is there before: to mark it as held fails as well.
    harness.publish_under("same", &step(BLOCKED, 0, "requires_payment_method"));
    harness.eventually_number(1, "SELECT count(*) FROM bookings WHERE status = 'pending'");
    plant(&harness, statement);
    publish_with_the_blocked_one_in_the_midst(&harness);
    harness.eventually_number(40, CONFIRMED);
    eventually(
        PATIENCE,
        "the blocked one waits, and what follows it",
        || queue(&harness, BLOCKED) == "evt_b13_10 evt_b13_20",
    );
    assert_eq!(harness.number(PARKED), 2);
    // Its head is tried again, with pauses and a reason, and never given up on.
    eventually(PATIENCE, "its head is tried again", || {
        harness.number("SELECT max(attempts) FROM parked_events") >= 3
    });
    let reason = "SELECT string_agg(DISTINCT error_class || ' ' || error_kind, ', ') \
                  FROM parked_events WHERE attempts > 0";
    assert_eq!(
        harness.text(reason).as_deref(),
        Some("unclassified unclassified")
    );
    unplant(&harness);
    harness.eventually_status(BLOCKED, "refunded");
    harness.eventually_number(0, PARKED);
    assert_eq!(hold(&harness, BLOCKED), None);
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
    assert!(processor.is_running());
}

#[test]
fn a_record_that_ends_its_connection_is_parked_and_its_neighbours_are_applied() {
    is_found_and_parked_alone("PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(5)");
}

#[test]
fn a_record_that_runs_out_of_memory_is_parked_and_its_neighbours_are_applied() {
    is_found_and_parked_alone("RAISE EXCEPTION 'planted' USING ERRCODE = '53200'");
}

#[test]
fn a_record_that_is_cancelled_each_time_is_parked_and_its_neighbours_are_applied() {
    is_found_and_parked_alone("RAISE EXCEPTION 'planted' USING ERRCODE = '57014'");
}

#[test]
fn a_record_that_cannot_be_serialized_is_parked_and_its_neighbours_are_applied() {
    is_found_and_parked_alone("RAISE EXCEPTION 'planted' USING ERRCODE = '40001'");
}

#[test]
fn a_record_that_crashes_the_server_is_parked_and_its_neighbours_are_applied() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(dir.path()).unwrap();
    let harness = Harness::in_database(postgres.url("postgres"));
    let retries = [("PARK_RETRY_BASE", "1h"), ("PARK_RETRY_CAP", "1h")];
    let _processor = start(&harness, &retries);
    applies_the_first(&harness);
    plant(
        &harness,
        "EXECUTE format('COPY (SELECT 1) TO PROGRAM ''kill -9 %s''', pg_backend_pid())",
    );
    let blocked = step(BLOCKED, 10, "succeeded");
    harness.publish_under("same", &paid("evt_1", "pi_1", "o-1", 500));
    harness.publish_under("same", &blocked);
    harness.publish_under("same", &paid("evt_2", "pi_2", "o-2", 500));
    // A connection in the middle of a crash is refused: not asked by the harness, which would panic.
    let is = |wanted: i64, sql: &str| {
        let number = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| harness.number(sql)));
        number.is_ok_and(|number| number == wanted)
    };
    eventually(4 * PATIENCE, "its neighbours are applied", || {
        is(3, CONFIRMED)
    });
    eventually(PATIENCE, "it is parked", || is(1, PARKED));
    assert_eq!(queue(&harness, BLOCKED), "evt_b13_10");
}

/// Waits until the processor has asked so often in vain, in so many outages.
fn asked_in_vain(processor: &Service, times: u32, outages: usize) {
    eventually(2 * PATIENCE, "the database is asked in vain", || {
        let log = std::fs::read_to_string(processor.log()).unwrap();
        log.matches(&format!("\"asked\":{times},")).count() >= outages
    });
}

/// Twenty bookings, numbered from here. The first is a batch of its own, which needs no splitting to
/// be parked.
fn publish_one_alone_and_then_others(
    harness: &Harness,
    processor: &Service,
    (from, outages): (i64, usize),
) {
    for n in from..from + 20 {
        let (event, intent, booking) = (format!("evt_{n}"), format!("pi_{n}"), format!("o-{n}"));
        harness.publish_under("same", &paid(&event, &intent, &booking, 500));
        if n == from {
            asked_in_vain(processor, 1, outages);
        }
    }
}

/// Not now, and not for a moment: what is parked may have been applied since.
fn assert_nothing_was_parked(harness: &Harness, processor: &Service) {
    assert_eq!(harness.number(PARKED), 0);
    let log = std::fs::read_to_string(processor.log()).unwrap();
    assert!(!log.contains("event parked"), "{log}");
}

#[test]
fn an_outage_longer_than_a_record_may_fail_parks_nothing() {
    let harness = Harness::new();
    // It keeps its partitions, and so its batch, for as long as the outage lasts.
    let settings = [("DATABASE_GIVE_UP_AFTER", "1h")];
    let (processor, proxy) = behind_proxy(&harness, &settings);
    applies_the_first(&harness);
    for (fault, outages) in [(Fault::Refuse, 1), (Fault::Reset, 2)] {
        proxy.set(fault);
        let before = harness.number("SELECT count(*) FROM events");
        publish_one_alone_and_then_others(&harness, &processor, (before, outages));
        asked_in_vain(&processor, 10, outages);
        proxy.set(Fault::None);
        harness.eventually_number(before + 20, CONFIRMED);
    }
    assert_eq!(
        harness.number("SELECT count(*) FROM events WHERE disposition <> 'applied'"),
        0
    );
    assert_nothing_was_parked(&harness, &processor);
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
}

#[test]
fn a_database_that_answers_and_takes_no_write_parks_nothing() {
    let harness = Harness::new();
    let processor = start(&harness, &[]);
    applies_the_first(&harness);
    let database = harness.text("SELECT current_database()").unwrap();
    let read_only = |value: &str| {
        harness.execute(&format!(
            "ALTER ROLE bookend_processor IN DATABASE {database} \
             SET default_transaction_read_only = {value}"
        ));
        harness.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    };
    read_only("on");
    publish_one_alone_and_then_others(&harness, &processor, (1, 1));
    asked_in_vain(&processor, 9, 1);
    read_only("off");
    harness.eventually_number(21, CONFIRMED);
    assert_nothing_was_parked(&harness, &processor);
}

#[test]
fn a_table_that_somebody_keeps_locked_is_the_databases_trouble_and_parks_nothing() {
    use diesel::connection::SimpleConnection as _;
    let harness = Harness::new();
    let processor = start(&harness, &[]);
    applies_the_first(&harness);
    let mut ours = harness.sql();
    ours.batch_execute("BEGIN; LOCK TABLE bookings IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    harness.publish_under("same", &paid("evt_1", "pi_1", "o-1", 500));
    asked_in_vain(&processor, 2, 1);
    ours.batch_execute("COMMIT").unwrap();
    harness.eventually_number(2, CONFIRMED);
    assert_nothing_was_parked(&harness, &processor);
}

#[test]
fn whoever_waits_for_the_database_ends_when_asked_to() {
    let harness = Harness::new();
    let (mut processor, proxy) = behind_proxy(&harness, &[("DATABASE_GIVE_UP_AFTER", "1h")]);
    applies_the_first(&harness);
    proxy.set(Fault::Refuse);
    harness.publish_under("same", &paid("evt_1", "pi_1", "o-1", 500));
    asked_in_vain(&processor, 3, 1);
    assert_eq!(processor.terminate().unwrap(), Some(0));
}
