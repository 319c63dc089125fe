//! `bookend doctor`: every line of it, on good ground and on bad.

use std::net::TcpListener;

use serde_json::Value;
use testbed::stripe::{Fake, FakeConfig};
use testbed::testing::TestTopics;

use crate::fixture::{Answer, Ledger, SECRET, run};

/// What is wrong in a run of doctor: variables that replace or remove the good ones.
fn examine(ledger: &Ledger, topics: &TestTopics, base: &str, other: &[(&str, &str)]) -> Answer {
    let mut variables = vec![
        ("DEPLOYMENT", "development"),
        ("DATABASE_URL", ledger.url.as_str()),
        ("KAFKA_BROKERS", topics.brokers.as_str()),
        ("EVENTS_TOPIC", topics.events.as_str()),
        ("DEAD_TOPIC", topics.dead.as_str()),
        ("BOOKINGS_TOPIC", topics.bookings.as_str()),
        ("STATS_TOPIC", topics.stats.as_str()),
        ("STRIPE_LIVEMODE", "false"),
        ("STRIPE_API_KEY", "rk_test_0123456789"),
        ("STRIPE_API_BASE", base),
        ("STRIPE_WEBHOOK_SECRETS", SECRET),
    ];
    for (name, value) in other {
        variables.retain(|(known, _)| known != name);
        variables.push((name, value));
    }
    run(&["doctor", "-o", "json"], &variables, b"")
}

fn outcome<'a>(report: &'a Value, check: &str) -> (&'a str, &'a Value) {
    let checks = report["checks"].as_array().unwrap();
    let found = checks
        .iter()
        .find(|row| {
            row["check"]
                .as_str()
                .is_some_and(|name| name.starts_with(check))
        })
        .unwrap_or_else(|| panic!("no check {check} in {report:#}"));
    (found["outcome"].as_str().unwrap(), found)
}

fn assert_outcomes(report: &Value, wanted: &[(&str, &str)]) {
    for (check, outcome_wanted) in wanted {
        let (found, row) = outcome(report, check);
        assert_eq!(found, *outcome_wanted, "{row:#}");
        // Whatever is wrong says what to do.
        assert!(
            !["failed", "warning"].contains(&found) || row["fix"].is_string(),
            "{row:#}"
        );
    }
}

#[test]
fn on_good_ground_nothing_fails_and_every_dependency_has_its_line() {
    let (mut ledger, topics) = (Ledger::new(), TestTopics::create());
    for partition in 0..12 {
        ledger.execute(&format!(
            "INSERT INTO partition_progress (topic, partition, next_offset)
             VALUES ('{}', {partition}, 0)",
            topics.events
        ));
    }
    let fake = Fake::start(FakeConfig {
        api_key: "rk_test_0123456789".to_owned(),
        ..FakeConfig::default()
    })
    .unwrap();
    let answer = examine(&ledger, &topics, &fake.url(), &[]);
    assert_eq!(answer.code, 0, "{answer:#?}");
    let report = answer.json();
    assert_eq!(report["failed"], 0);
    let topic = format!("topic {}", topics.events);
    let ok = [
        "KAFKA_BROKERS",
        "DATABASE_URL",
        "STRIPE_LIVEMODE",
        "STRIPE_API_KEY",
        "STRIPE_WEBHOOK_SECRETS",
        "Postgres",
        "schema",
        "clock of Postgres",
        "progress",
        "Kafka",
        &topic,
        "Stripe at",
        "clock of http",
    ];
    assert_outcomes(&report, &ok.map(|check| (check, "ok")));
    for secret in [SECRET, "rk_test_0123456789"] {
        assert!(!answer.text().contains(secret), "a secret is shown");
    }
}

#[test]
fn with_everything_wrong_each_is_named_and_none_hides_another() {
    let (ledger, topics) = (Ledger::new(), TestTopics::create());
    let wrong = [
        (
            "DATABASE_URL",
            "postgres://nobody:hunter2@127.0.0.1:1/nothing",
        ),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
        ("EVENTS_PARTITIONS", "twelve"),
        ("STRIPE_LIVEMODE", "perhaps"),
        ("STRIPE_API_KEY", "pk_test_public"),
        ("STRIPE_API_BASE", "http://127.0.0.1:1"),
        ("STRIPE_WEBHOOK_SECRETS", "weak=whsec_feeble"),
    ];
    let answer = examine(&ledger, &topics, "", &wrong);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.err.contains("checks failed"), "{answer:#?}");
    let report = answer.json();
    assert_outcomes(
        &report,
        &[
            ("EVENTS_PARTITIONS", "failed"),
            ("STRIPE_LIVEMODE", "failed"),
            ("STRIPE_WEBHOOK_SECRETS", "failed"),
            ("Postgres", "failed"),
            ("schema", "skipped"),
            ("Kafka", "failed"),
            ("topic", "skipped"),
            ("Stripe at", "failed"),
            ("clock of http", "skipped"),
        ],
    );
    for secret in ["hunter2", "feeble"] {
        assert!(!answer.text().contains(secret), "a secret is shown");
    }
}

#[test]
fn an_empty_environment_is_a_report_too() {
    let answer = run(&["doctor", "-o", "json"], &[], b"");
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert_outcomes(
        &answer.json(),
        &[
            ("KAFKA_BROKERS", "failed"),
            ("DATABASE_URL", "failed"),
            ("STRIPE_LIVEMODE", "failed"),
            ("STRIPE_API_KEY", "failed"),
            ("STRIPE_WEBHOOK_SECRETS", "failed"),
            ("Postgres", "skipped"),
            ("Kafka", "skipped"),
            ("Stripe at", "skipped"),
        ],
    );
}

#[test]
fn a_key_of_the_other_mode_and_an_older_schema_are_told() {
    let (mut ledger, topics) = (Ledger::new(), TestTopics::create());
    ledger.execute("DELETE FROM __diesel_schema_migrations");
    let other = [
        ("STRIPE_API_KEY", "rk_live_0123456789"),
        ("EVENTS_PARTITIONS", "7"),
    ];
    let answer = examine(&ledger, &topics, "http://127.0.0.1:1", &other);
    let report = answer.json();
    let topic = format!("topic {}", topics.events);
    assert_outcomes(
        &report,
        &[
            ("STRIPE_API_KEY", "failed"),
            ("schema", "failed"),
            (&topic, "failed"),
        ],
    );
    let (_, schema) = outcome(&report, "schema");
    assert!(
        schema["fix"]
            .as_str()
            .unwrap()
            .contains("processor migrate")
    );
    assert!(!answer.text().contains("rk_live_0123456789"));
}

#[test]
fn servers_that_accept_and_say_nothing_end_no_check_but_their_own_in_bounded_time() {
    let topics = TestTopics::create();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("postgres://nobody@{address}/nothing?sslmode=disable");
    let base = format!("http://{address}");
    let began = std::time::Instant::now();
    let variables = [
        ("DEPLOYMENT", "development"),
        ("DATABASE_URL", url.as_str()),
        ("KAFKA_BROKERS", topics.brokers.as_str()),
        ("EVENTS_TOPIC", topics.events.as_str()),
        ("STRIPE_LIVEMODE", "false"),
        ("STRIPE_API_KEY", "rk_test_0123456789"),
        ("STRIPE_API_BASE", base.as_str()),
    ];
    let arguments = [
        "doctor",
        "--service",
        "reconciler",
        "--timeout",
        "2s",
        "-o",
        "json",
    ];
    let answer = run(&arguments, &variables, b"");
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
    assert_eq!(answer.code, 1, "{answer:#?}");
    let topic = format!("topic {}", topics.events);
    assert_outcomes(
        &answer.json(),
        &[
            ("Postgres", "failed"),
            ("Stripe at", "failed"),
            ("Kafka", "ok"),
            (&topic, "ok"),
        ],
    );
}

#[test]
fn what_waits_for_a_person_is_a_warning_with_what_to_do_and_fails_nothing_else() {
    let (mut ledger, topics) = (Ledger::new(), TestTopics::create());
    let of_doctor = |ledger: &Ledger| examine(ledger, &topics, "http://127.0.0.1:1", &[]).json();
    ledger.execute(
        "INSERT INTO proofs (proven_from, proven_to) VALUES (now() - interval '1 day', now())",
    );
    assert_outcomes(
        &of_doctor(&ledger),
        &[
            ("sender", "ok"),
            ("completeness", "ok"),
            ("plans", "ok"),
            ("held bookings", "ok"),
            ("findings", "ok"),
        ],
    );
    ledger.execute(
        "UPDATE proofs SET proven_to = now() - interval '2 hours';
         INSERT INTO sender_alarms (alarm, subject, detail, cleared_at)
         VALUES ('silence', '', 'nothing came', NULL), ('horizon', '', 'over', now());
         INSERT INTO sweeps (kind, window_from, window_to, outcome)
         VALUES ('deep', now() - interval '1 day', now(), 'planned');
         INSERT INTO repair_plans (id, sweep_id, window_from, window_to, missing, cap)
         SELECT 'plan_1', id, window_from, window_to, 3000, 1000 FROM sweeps;
         INSERT INTO parked_events (event_id, booking_id, created, topic, partition, \"offset\",
             key, headers)
         VALUES ('evt_1', 'bk_1', now(), 'stripe.events', 3, 1, 'bk_1', '[]');
         INSERT INTO findings (kind, confidence, evidence, identity, closed_at)
         VALUES ('paid_twice', 1, '{}', 'aa', NULL), ('lost_twice', 1, '{}', 'bb', now())",
    );
    let report = of_doctor(&ledger);
    assert_outcomes(
        &report,
        &[
            ("sender", "warning"),
            ("completeness", "warning"),
            ("plans", "warning"),
            ("held bookings", "warning"),
            ("findings", "warning"),
            ("schema", "ok"),
        ],
    );
    let (_, sender) = outcome(&report, "sender");
    let found = sender["found"].as_str().unwrap();
    assert!(found.starts_with("1 alarm(s): silence since"), "{found}");
    let (_, findings) = outcome(&report, "findings");
    let found = findings["found"].as_str().unwrap();
    assert!(found.starts_with("open: 1 paid_twice (oldest"), "{found}");
    assert!(!found.contains("lost_twice"), "{found}");
}

#[test]
fn a_schema_without_these_tables_skips_their_checks() {
    let (mut ledger, topics) = (Ledger::new(), TestTopics::create());
    ledger.execute("DROP TABLE sender_alarms");
    let report = examine(&ledger, &topics, "http://127.0.0.1:1", &[]).json();
    assert_outcomes(
        &report,
        &[
            ("sender", "skipped"),
            ("completeness", "skipped"),
            ("held bookings", "skipped"),
            ("progress", "warning"),
        ],
    );
}
