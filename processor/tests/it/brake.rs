//! When too much fails, consumption stops instead of emptying the topic into the dead letters.

use testbed::services::Service;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, paid};

const HELD: &str = "SELECT count(*) FROM partition_progress WHERE held_since IS NOT NULL";
const PASSED: &str = "SELECT coalesce(sum(next_offset), 0) FROM partition_progress";

fn start(harness: &Harness, in_row: u32, share: u32) -> Service {
    let mut service = harness
        .builder()
        .env("BRAKE_IN_ROW", in_row.to_string())
        .env("BRAKE_WINDOW", "50")
        .env("BRAKE_SHARE", share.to_string())
        .env("PARK_RETRY_BASE", "100ms")
        .env("PARK_RETRY_CAP", "400ms")
        .env("PARK_ATTEMPTS", "1000")
        .spawn(harness.dir())
        .unwrap();
    service.wait_ready(PATIENCE).unwrap();
    service
}

fn poison(n: i64) -> Vec<u8> {
    format!("not json {n}").into_bytes()
}

fn metric(service: &Service, name: &str) -> Option<f64> {
    let (_, metrics) = service.get("/metrics")?;
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn eventually_unready(service: &Service) {
    eventually(PATIENCE, "it says why it is not ready", || {
        service
            .get("/readyz")
            .is_some_and(|(status, body)| status == 503 && body.contains("brake"))
    });
}

fn resume(harness: &Harness) {
    harness.execute(&format!(
        "INSERT INTO consumer_control (topic, resumes) VALUES ('{}', 1) \
         ON CONFLICT (topic) DO UPDATE SET resumes = consumer_control.resumes + 1, state = 'running'",
        harness.topics.events
    ));
}

#[test]
fn when_everything_fails_the_brake_holds_within_its_limit_and_nothing_else_is_given_up_on() {
    let harness = Harness::new();
    let processor = start(&harness, 20, 100);
    for n in 0..400 {
        harness.publish(&poison(n));
    }
    eventually_unready(&processor);
    // Each partition comes to its next failure, and stops there.
    harness.eventually_number(12, HELD);
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 20);
    assert_eq!(harness.number(PASSED), 20);
    eventually(PATIENCE, "the gauge says so", || {
        metric(&processor, "bookend_brake_held_partitions") == Some(12.0)
    });
    // Tries of the heads change nothing while they fail.
    eventually(PATIENCE, "heads are tried again", || {
        let log = std::fs::read_to_string(processor.log()).unwrap();
        log.matches("the head still fails").count() >= 20
    });
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 20);
    // A person resumes: so many again, and no more.
    resume(&harness);
    harness.eventually_number(40, "SELECT count(*) FROM dead_letters");
    harness.eventually_number(12, HELD);
    eventually_unready(&processor);
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 40);
}

#[test]
fn the_brake_outlives_the_process_and_lets_go_when_the_head_can_be_applied() {
    let harness = Harness::new();
    harness.execute("ALTER TABLE bookings ADD CONSTRAINT planted CHECK (amount_paid = 0)");
    let mut processor = start(&harness, 5, 100);
    for n in 0..100 {
        harness.publish(&paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("b-{n}"),
            500,
        ));
    }
    eventually_unready(&processor);
    // Each partition has come to its next failure, and its row says that it is held.
    harness.eventually_number(12, HELD);
    assert_eq!(harness.number("SELECT count(*) FROM parked_events"), 5);
    processor.kill9().unwrap();
    processor.start_again().unwrap();
    eventually_unready(&processor);
    assert_eq!(harness.number("SELECT count(*) FROM parked_events"), 5);
    // The fix: no command is needed, and what was parked is applied, too.
    harness.execute("ALTER TABLE bookings DROP CONSTRAINT planted");
    harness.eventually_number(
        100,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    harness.eventually_number(0, HELD);
    processor.wait_ready(PATIENCE).unwrap();
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
}

#[test]
fn a_failing_share_above_the_limit_holds_although_some_succeed() {
    let harness = Harness::new();
    let processor = start(&harness, 1_000, 50);
    // Three of four fail, and never four in a row.
    for n in 0..400 {
        if n % 4 == 0 {
            harness.publish_under(
                "same",
                &paid(
                    &format!("evt_{n}"),
                    &format!("pi_{n}"),
                    &format!("b-{n}"),
                    500,
                ),
            );
        } else {
            harness.publish_under("same", &poison(n));
        }
    }
    eventually_unready(&processor);
    let dead = harness.number("SELECT count(*) FROM dead_letters");
    assert!((25..=60).contains(&dead), "{dead}");
}

#[test]
fn poison_here_and_there_does_not_stop_the_others() {
    let harness = Harness::new();
    let _processor = start(&harness, 5, 50);
    for n in 0..200 {
        if n % 10 == 0 {
            harness.publish_under("same", &poison(n));
        }
        harness.publish_under(
            "same",
            &paid(
                &format!("evt_{n}"),
                &format!("pi_{n}"),
                &format!("b-{n}"),
                500,
            ),
        );
    }
    harness.eventually_number(
        200,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 20);
    assert_eq!(harness.number(HELD), 0);
}

#[test]
fn paused_by_an_operator_nothing_is_applied_and_resumed_everything_is() {
    let harness = Harness::new();
    let processor = start(&harness, 5, 50);
    let topic = &harness.topics.events;
    harness.execute(&format!(
        "INSERT INTO consumer_control (topic, state) VALUES ('{topic}', 'paused')"
    ));
    harness.eventually_number(
        1,
        "SELECT count(*) FROM processor_instances WHERE state = 'paused'",
    );
    for n in 0..50 {
        harness.publish(&paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("b-{n}"),
            500,
        ));
    }
    eventually(PATIENCE, "all are fetched and wait", || {
        metric(&processor, "bookend_records_waiting") == Some(50.0)
    });
    assert_eq!(harness.number("SELECT count(*) FROM events"), 0);
    eventually(PATIENCE, "the gauge says so", || {
        metric(&processor, "bookend_consumer_paused") == Some(1.0)
    });
    resume(&harness);
    harness.eventually_number(
        50,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    harness.eventually_number(
        1,
        "SELECT count(*) FROM processor_instances WHERE state = 'running'",
    );
}

#[test]
fn with_the_dead_letter_topic_away_progress_stays_where_it_is() {
    let harness = Harness::new();
    let missing = format!("{}.missing", harness.topics.dead);
    // It is there when the processor starts, as it must be, and gone afterwards.
    let wanted = [testbed::stack::topics::Topic::events(&missing, 1)];
    testbed::stack::topics::create(&harness.topics.brokers, &wanted).unwrap();
    let mut processor = harness
        .builder()
        .env("DEAD_TOPIC", &missing)
        .spawn(harness.dir())
        .unwrap();
    processor.wait_ready(PATIENCE).unwrap();
    testbed::stack::topics::delete(&harness.topics.brokers, &[missing.as_str()]).unwrap();
    let poisoned = harness.publish_under("same", &poison(1));
    harness.publish_under("same", &paid("evt_1", "pi_1", "b-1", 500));
    harness.publish_under("other-partition", &paid("evt_2", "pi_2", "b-2", 500));
    harness.eventually_status("b-2", "confirmed");
    eventually(PATIENCE, "it tries and says so", || {
        std::fs::read_to_string(processor.log())
            .unwrap()
            .contains("dead letter not acknowledged yet")
    });
    let partition = poisoned.partition();
    assert_eq!(
        harness.number(&format!(
            "SELECT next_offset FROM partition_progress WHERE partition = {partition}"
        )),
        poisoned.offset()
    );
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
    testbed::stack::topics::create(&harness.topics.brokers, &wanted).unwrap();
    harness.eventually_status("b-1", "confirmed");
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 1);
    testbed::stack::topics::delete(&harness.topics.brokers, &[missing.as_str()]).unwrap();
}

#[test]
fn no_more_bookings_are_parked_than_the_bound_however_slowly_they_come() {
    let harness = Harness::new();
    harness.execute(
        "ALTER TABLE bookings ADD CONSTRAINT planted CHECK (id NOT LIKE 'bad-%' OR amount_paid = 0)",
    );
    let builder = harness
        .builder()
        .env("PARK_MAX_BOOKINGS", "3")
        .env("PARK_RETRY_BASE", "1h")
        .env("PARK_RETRY_CAP", "1h");
    let mut processor = builder.spawn(harness.dir()).unwrap();
    processor.wait_ready(PATIENCE).unwrap();
    for n in 0..10 {
        let fine = paid(
            &format!("evt_{n}"),
            &format!("pi_{n}"),
            &format!("b-{n}"),
            500,
        );
        harness.publish_under("same", &fine);
        let bad = paid(
            &format!("evt_bad{n}"),
            &format!("pi_bad{n}"),
            &format!("bad-{n}"),
            500,
        );
        harness.publish_under("same", &bad);
    }
    eventually_unready(&processor);
    assert_eq!(
        harness.number("SELECT count(DISTINCT booking_id) FROM parked_events"),
        3
    );
    harness.eventually_number(
        4,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed'",
    );
    assert_eq!(harness.number(HELD), 1);
}
