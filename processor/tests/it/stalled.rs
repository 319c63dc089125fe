//! A partition that makes no progress although it has records makes the process not ready, with the
//! reason, counts in a metric, and is well again by itself.

use testbed::services::Service;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE, paid};

pub(crate) fn start(harness: &Harness) -> Service {
    let builder = harness.builder().env("STALLED_AFTER", "2s");
    let mut service = builder.spawn(harness.dir()).unwrap();
    service.wait_ready(PATIENCE).unwrap();
    service
}

/// It can neither be applied nor parked: its row of the ledger is refused.
pub(crate) fn refuse(harness: &Harness, event: &str) {
    harness.execute(&format!(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           IF NEW.id = '{event}' THEN RAISE EXCEPTION 'planted' USING ERRCODE = '57014'; END IF; \
           RETURN NEW; END $$"
    ));
    harness.execute(
        "CREATE TRIGGER planted BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION planted()",
    );
}

pub(crate) fn permit(harness: &Harness) {
    harness.execute("DROP TRIGGER planted ON events");
}

fn metric(service: &Service, name: &str) -> Option<f64> {
    let (_, metrics) = service.get("/metrics")?;
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

pub(crate) fn eventually_stalled(service: &Service, partition: i32, offset: i64) {
    let place = format!("partition {partition} at offset {offset} (");
    eventually(PATIENCE, "it says which partition stands, and why", || {
        service.get("/readyz").is_some_and(|(status, body)| {
            status == 503 && body.contains("no progress for 2s") && body.contains(&place)
        })
    });
}

#[test]
fn a_partition_without_progress_makes_the_process_not_ready_until_it_moves() {
    let harness = Harness::new();
    let mut processor = start(&harness);
    refuse(&harness, "evt_13");
    let stuck = harness.publish_under("same", &paid("evt_13", "pi_13", "b-13", 500));
    harness.publish_under("same", &paid("evt_14", "pi_14", "b-14", 500));
    eventually_stalled(&processor, stuck.partition(), stuck.offset());
    assert_eq!(metric(&processor, "bookend_stalled_partitions"), Some(1.0));
    assert_eq!(
        metric(&processor, "bookend_partition_stalls_total"),
        Some(1.0)
    );
    let said = format!("no progress in partition {}", stuck.partition());
    harness.eventually_number(
        1,
        &format!("SELECT count(*) FROM processor_instances WHERE reason = '{said}'"),
    );
    // It lives, and the other partitions go on.
    assert_eq!(processor.get("/livez").map(|(status, _)| status), Some(200));
    let other = harness.publish_under("other-partition", &paid("evt_1", "pi_1", "b-1", 500));
    assert_ne!(other.partition(), stuck.partition());
    harness.eventually_status("b-1", "confirmed");

    permit(&harness);
    harness.eventually_status("b-13", "confirmed");
    harness.eventually_status("b-14", "confirmed");
    processor.wait_ready(PATIENCE).unwrap();
    eventually(PATIENCE, "the gauge is back, the counter stays", || {
        metric(&processor, "bookend_stalled_partitions") == Some(0.0)
            && metric(&processor, "bookend_partition_stalls_total") == Some(1.0)
    });
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
}

#[test]
fn an_idle_partition_and_one_that_an_operator_paused_are_not_stalled() {
    let harness = Harness::new();
    let processor = start(&harness);
    let topic = &harness.topics.events;
    harness.execute(&format!(
        "INSERT INTO consumer_control (topic, state) VALUES ('{topic}', 'paused')"
    ));
    harness.eventually_number(
        1,
        "SELECT count(*) FROM processor_instances WHERE state = 'paused'",
    );
    harness.publish(&paid("evt_1", "pi_1", "b-1", 500));
    let later = harness
        .text("SELECT now() + interval '5 s'")
        .expect("a time");
    let since = format!("SELECT count(*) FROM processor_instances WHERE seen_at > '{later}'");
    eventually(PATIENCE, "much more than the limit passes", || {
        assert_eq!(
            processor.get("/readyz").map(|(status, _)| status),
            Some(200)
        );
        harness.number(&since) == 1
    });
    assert_eq!(
        metric(&processor, "bookend_partition_stalls_total").unwrap_or(0.0),
        0.0
    );
    harness.execute("UPDATE consumer_control SET state = 'running', resumes = resumes + 1");
    harness.eventually_status("b-1", "confirmed");
}
