//! It refuses ground it cannot stand on, and says why.

use std::process::Command;

use crate::harness::Harness;

fn run(harness: &Harness, overrides: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(testbed::services::binary("processor"));
    command
        .env_clear()
        .env("DEPLOYMENT", "development")
        .env("STRIPE_LIVEMODE", "false")
        .env("OPS_ADDR", "127.0.0.1:0")
        .env("KAFKA_BROKERS", &harness.topics.brokers)
        .env("EVENTS_TOPIC", &harness.topics.events)
        .env("DEAD_TOPIC", &harness.topics.dead)
        .env("DATABASE_URL", harness.database.url_as("bookend_processor"));
    for (name, value) in overrides {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn an_older_schema_is_refused() {
    let harness = Harness::new();
    harness.execute("DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)");
    let (code, text) = run(&harness, &[]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("processor migrate"), "{text}");
}

#[test]
fn another_number_of_partitions_is_refused_with_an_explanation() {
    let harness = Harness::new();
    let (code, text) = run(&harness, &[("EVENTS_PARTITIONS", "13")]);
    assert_eq!(code, Some(78), "{text}");
    assert!(
        text.contains("12 partitions") && text.contains("13"),
        "{text}"
    );
}

#[test]
fn every_problem_of_the_settings_is_named_at_once() {
    let harness = Harness::new();
    let (code, text) = run(
        &harness,
        &[
            ("STRIPE_LIVEMODE", "maybe"),
            ("WORKERS", "0"),
            ("DEPLOYMENT", "production"),
        ],
    );
    assert_eq!(code, Some(78), "{text}");
    for named in ["STRIPE_LIVEMODE", "WORKERS", "TLS", "sslmode=verify-full"] {
        assert!(text.contains(named), "{named} not in {text}");
    }
}

/// The role may not: any other failure would prove nothing.
fn assert_refused(role: &mut diesel::PgConnection, forbidden: &str) {
    use diesel::RunQueryDsl;
    let refused = diesel::sql_query(forbidden).execute(role).unwrap_err();
    let text = refused.to_string();
    // By rights, or (for a payload, whose column may change on a dead row) by the trigger.
    let reasons = ["permission denied", "must be owner", "is evidence"];
    assert!(
        reasons.iter().any(|reason| text.contains(reason)),
        "{forbidden}: {text}"
    );
}

#[test]
fn the_service_role_cannot_rewrite_or_delete_evidence() {
    use diesel::Connection;
    let harness = Harness::new();
    let _processor = harness.start();
    harness.publish(&crate::harness::paid("evt_1", "pi_1", "b-1", 500));
    harness.eventually_number(1, "SELECT count(*) FROM events");
    let mut role =
        diesel::PgConnection::establish(&harness.database.url_as("bookend_processor")).unwrap();
    for forbidden in [
        "DELETE FROM events",
        "TRUNCATE events",
        "DROP TABLE events",
        "UPDATE events SET payload = 'x'",
        "DELETE FROM booking_transitions",
        "DELETE FROM subscriptions",
        "UPDATE findings SET kind = 'unknown'",
        "UPDATE booking_transitions SET version = 9",
        "INSERT INTO registrations VALUES ('x', 1, 'eur')",
    ] {
        assert_refused(&mut role, forbidden);
    }
    for (who, forbidden) in [
        (
            "bookend_reconciler",
            "UPDATE bookings SET status = 'confirmed'",
        ),
        (
            "bookend_reconciler",
            "INSERT INTO outbox (id, key, kind, payload) VALUES ('x', 'x', 'x', '{}')",
        ),
        (
            "bookend_reconciler",
            "UPDATE subscriptions SET status = 'active'",
        ),
        (
            "bookend_console",
            "UPDATE events SET disposition = 'applied'",
        ),
        ("bookend_app", "SELECT payload FROM events"),
        ("bookend_app", "UPDATE bookings SET status = 'confirmed'"),
        ("bookend_reader", "UPDATE objects SET version = 0"),
    ] {
        let mut role = diesel::PgConnection::establish(&harness.database.url_as(who)).unwrap();
        assert_refused(&mut role, forbidden);
    }
}
