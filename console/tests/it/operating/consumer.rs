//! `consumer status | pause | resume`.

use super::Desk;

fn processor(desk: &mut Desk, name: &str, state: &str, seen: &str) {
    desk.stand.ledger.execute(&format!(
        "INSERT INTO processor_instances (instance, version, started_at, seen_at, state, partitions)
         VALUES ('{name}', '0.1.0', now(), now() - interval '{seen}', '{state}', '{{3,4}}')
         ON CONFLICT (instance) DO UPDATE SET state = EXCLUDED.state, seen_at = EXCLUDED.seen_at"
    ));
}

fn held(desk: &mut Desk) {
    let topic = desk.stand.topics.events.clone();
    desk.stand.topics.append(3, "one");
    desk.stand.ledger.execute(&format!(
        "INSERT INTO partition_progress (topic, partition, next_offset, held_since, held_reason)
         VALUES ('{topic}', 3, 0, now(), '20 in a row')"
    ));
}

#[test]
fn the_status_tells_partitions_owners_holds_and_what_is_wanted() {
    let mut desk = Desk::new();
    held(&mut desk);
    processor(&mut desk, "new:1", "held", "0 s");
    processor(&mut desk, "old:1", "running", "1 hour");
    let json = desk.run(&["consumer", "status", "-o", "json"]).json();
    let partition = &json["partitions"][3];
    assert_eq!(partition["next_offset"], 0, "{json}");
    assert_eq!(partition["end_offset"], 1);
    assert_eq!(partition["lag"], 1);
    assert_eq!(partition["held_reason"], "20 in a row");
    assert!(partition["held_since"].is_string());
    assert_eq!(partition["owner"], "new:1");
    assert!(json["partitions"][5]["next_offset"].is_null());
    assert_eq!(json["wanted"]["state"], "running");
    let table = desk.run(&["consumer", "status"]);
    assert!(
        table.text().contains("running (not seen for 3600 s)"),
        "{table:?}"
    );
}

#[test]
fn without_kafka_the_status_is_still_what_the_database_says() {
    let mut desk = Desk::new();
    held(&mut desk);
    let answer = desk.run_without_kafka(&["consumer", "status", "--timeout", "2s", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.err.contains("Kafka did not answer"), "{answer:?}");
    let json = answer.json();
    assert_eq!(json["partitions"][0]["partition"], 3, "{json}");
    assert!(json["partitions"][0]["end_offset"].is_null());
}

#[test]
fn a_pause_and_a_resume_are_wanted_and_recorded_together_and_nothing_is_published() {
    let desk = Desk::new();
    let wanted = "SELECT concat_ws(' ', state, resumes, action_id) FROM consumer_control";
    for (verb, expected) in [
        ("pause", "paused 0"),
        ("resume", "running 1"),
        ("resume", "running 2"),
        ("pause", "paused 2"),
    ] {
        let answer = desk.execute(&["consumer", verb, "-o", "json"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(desk.text(wanted), format!("{expected} {}", desk.action()));
    }
    assert_eq!(
        desk.actions(),
        "consumer pause done, consumer resume done, consumer resume done, consumer pause done"
    );
    assert!(desk.stand.logged().is_empty());
    let status = desk.run(&["consumer", "status", "-o", "json"]).json();
    assert_eq!(status["wanted"]["state"], "paused");
    assert_eq!(status["wanted"]["action_id"], desk.action());
}

#[test]
fn who_waits_for_a_processor_that_does_not_follow_ends_with_124_and_it_stays_wanted() {
    let mut desk = Desk::new();
    processor(&mut desk, "deaf:1", "running", "0 s");
    desk.execute(&["consumer", "pause", "--wait", "--timeout", "1s"])
        .failed(124, "have not said so: deaf:1");
    assert_eq!(desk.text("SELECT state FROM consumer_control"), "paused");
    assert_eq!(desk.actions(), "consumer pause done");
}

#[test]
fn who_waits_is_answered_when_every_processor_that_is_there_has_followed() {
    let mut desk = Desk::new();
    processor(&mut desk, "good:1", "paused", "0 s");
    processor(&mut desk, "gone:1", "running", "1 hour");
    processor(&mut desk, "ended:1", "stopped", "0 s");
    let answer = desk.execute(&["consumer", "pause", "--wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    processor(&mut desk, "good:1", "paused", "1 hour");
    let nobody = desk.execute(&["consumer", "resume", "--wait"]);
    assert_eq!(nobody.code, 0, "{nobody:?}");
    assert!(nobody.err.contains("no processor is there"), "{nobody:?}");
}
