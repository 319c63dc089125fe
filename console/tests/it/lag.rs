//! `bookend lag` against a real log and a real database.

use testbed::testing::TestTopics;

use crate::fixture::{Answer, Ledger, run};

fn lag(ledger: &Ledger, topics: &TestTopics) -> Answer {
    let variables = [
        ("DATABASE_URL", ledger.url.as_str()),
        ("KAFKA_BROKERS", topics.brokers.as_str()),
        ("EVENTS_TOPIC", topics.events.as_str()),
        ("DEPLOYMENT", "development"),
    ];
    run(&["lag", "-o", "json"], &variables, b"")
}

fn progress(ledger: &mut Ledger, topic: &str, partition: i32, next: i64) {
    ledger.execute(&format!(
        "INSERT INTO partition_progress (topic, partition, next_offset)
         VALUES ('{topic}', {partition}, {next})"
    ));
}

#[test]
fn what_is_appended_and_not_applied_waits_and_its_age_is_told() {
    let (mut ledger, topics) = (Ledger::new(), TestTopics::create());
    for number in 0..5 {
        topics.append(3, &format!("record {number}"));
    }
    progress(&mut ledger, &topics.events, 3, 2);
    let answer = lag(&ledger, &topics);
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["records"], 3, "{json}");
    assert_eq!(json["partitions"].as_array().map(Vec::len), Some(12));
    assert_eq!(json["partitions"][3]["next_offset"], 2);
    assert_eq!(json["partitions"][3]["end_offset"], 5);
    assert!(json["partitions"][3]["waiting_since"].is_string(), "{json}");
    assert!(json["partitions"][4]["next_offset"].is_null());
    assert!(
        json["seconds"]
            .as_i64()
            .is_some_and(|s| (0..60).contains(&s)),
        "{json}"
    );
}

#[test]
fn nothing_waits_where_progress_has_reached_the_end() {
    let (mut ledger, topics) = (Ledger::new(), TestTopics::create());
    topics.append(0, "one");
    progress(&mut ledger, &topics.events, 0, 1);
    ledger.execute(
        "INSERT INTO outbox (id, key, kind, payload)
         VALUES ('a', 'bk_1', 'booking.changed', '{}')",
    );
    let json = lag(&ledger, &topics).json();
    assert_eq!(json["records"], 0, "{json}");
    assert!(json["seconds"].is_null(), "{json}");
    let waiting = json["waiting"].as_array().unwrap();
    let outbox = waiting.iter().find(|row| row["what"] == "outbox").unwrap();
    assert_eq!(outbox["count"], 1, "{json}");
}

#[test]
fn a_topic_that_is_not_there_ends_with_6_and_brokers_that_are_away_with_1() {
    let (ledger, topics) = (Ledger::new(), TestTopics::create());
    let with = |brokers: &str, topic: &str| {
        let variables = [
            ("DATABASE_URL", ledger.url.as_str()),
            ("KAFKA_BROKERS", brokers),
            ("EVENTS_TOPIC", topic),
            ("DEPLOYMENT", "development"),
        ];
        run(&["lag", "--timeout", "3s"], &variables, b"")
    };
    with(&topics.brokers, "no.such.topic").failed(6, "does not exist");
    with("127.0.0.1:1", &topics.events).failed(1, "Kafka did not answer");
    with("", &topics.events).failed(78, "KAFKA_BROKERS must be set");
}
