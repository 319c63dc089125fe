//! What is refused, with which exit code, and that it is on record where somebody meant it.

use super::Desk;
use crate::fixture::run;

/// Each writing command that is complete but for `--execute --reason`.
const WRITING: [&[&str]; 8] = [
    &["dead", "acknowledge", "--group", "aa"],
    &["dead", "ignore", "evt_a"],
    &["dead", "resolve", "--group", "aa"],
    &["dead", "replay", "--group", "aa"],
    &["parked", "release", "--all"],
    &["parked", "skip", "bk_1"],
    &["consumer", "pause"],
    &["consumer", "resume"],
];

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.dead("evt_a", "bk_1", "aa", "open");
    desk.parked("bk_1", "evt_p", 1, Some("constraint"));
    desk
}

#[test]
fn what_is_executed_without_a_reason_ends_with_2_and_names_it() {
    let desk = desk();
    for command in WRITING {
        for missing in [&["--execute"][..], &["--execute", "--reason", "  "]] {
            desk.run(&[command, missing].concat())
                .failed(2, "--execute needs --reason");
        }
    }
    assert_eq!(desk.actions(), "");
}

#[test]
fn a_role_that_may_only_look_is_refused_with_4_and_leaves_no_row() {
    let desk = desk();
    for command in WRITING {
        let plan = desk.run_as("bookend_reader", command);
        assert_eq!(plan.code, 0, "a plan is a look: {plan:?}");
        let refused = desk.run_as("bookend_reader", &super::doing(command));
        refused.failed(4, "the database role bookend_reader may not act");
        let told = "the refused attempt of a role that only reads is not recorded";
        assert!(refused.err.contains(told), "{refused:?}");
    }
    assert_eq!(desk.actions(), "");
    assert!(desk.published().is_empty());
    assert_eq!(desk.text("SELECT count(*) FROM consumer_control"), "0");
}

#[test]
fn a_plan_that_is_not_as_expected_any_more_ends_with_6_and_is_on_record() {
    let mut desk = desk();
    desk.dead("evt_b", "bk_2", "aa", "open");
    desk.execute(&["dead", "replay", "--group", "aa", "--expect", "1"])
        .failed(6, "the plan has changed: 2 instead of the 1");
    assert_eq!(desk.actions(), "dead replay denied");
    assert!(desk.published().is_empty());
    let told = desk.text("SELECT denied_because FROM operator_actions");
    assert!(told.contains("2 instead of the 1"), "{told}");
}

#[test]
fn without_kafka_nothing_is_begun() {
    let desk = desk();
    for command in [
        &["dead", "replay", "--group", "aa", "--timeout", "2s"][..],
        &["parked", "release", "--all", "--timeout", "2s"],
    ] {
        desk.run_without_kafka(&super::doing(command))
            .failed(1, "no producer for Kafka");
    }
    assert_eq!(desk.actions(), "");
}

#[test]
fn a_database_that_is_away_is_said_to_be_away_and_nothing_is_recorded() {
    let away = [
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
        ("DEPLOYMENT", "development"),
    ];
    for command in WRITING {
        run(&super::doing(command), &away, b"").failed(1, "the database is away");
    }
    let mut desk = desk();
    desk.stand.ledger.execute(
        "DELETE FROM __diesel_schema_migrations
         WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    );
    let answer = desk.execute(&["parked", "release", "--all"]);
    answer.failed(6, "processor migrate");
    assert!(
        answer
            .err
            .contains("the refused attempt could not be recorded"),
        "{answer:?}"
    );
}

#[test]
fn an_operator_is_called_by_a_name_or_by_the_login() {
    let desk = desk();
    let mut variables = desk.variables("bookend_console", &desk.stand.topics.brokers);
    let name = |value: &str| ("BOOKEND_OPERATOR".to_owned(), value.to_owned());
    variables.pop();
    variables.push(name(" \t"));
    let pause = super::doing(&["consumer", "pause"]);
    desk.run_with(&variables, &pause)
        .failed(78, "BOOKEND_OPERATOR");
    variables.pop();
    let answer = desk.run_with(&variables, &pause);
    assert_eq!(answer.code, 0, "{answer:?}");
    let told = desk.text("SELECT concat_ws('@', who, host) FROM operator_actions");
    let (who, host) = told.split_once('@').unwrap();
    assert!(
        !who.is_empty() && who != "Ada" && !host.is_empty(),
        "{told}"
    );
}
