//! What is refused, with which exit code; and that refused attempts are kept.

use super::Stand;
use crate::fixture::run;

#[test]
fn what_selects_nothing_or_makes_no_sense_ends_with_2() {
    let away = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")];
    for (arguments, words) in [
        (vec!["--to-latest"], "it selects nothing"),
        (vec!["--to-current"], "will be applied anyway"),
        (vec!["--shift-by", "5"], "a replay goes back"),
        (vec!["--shift-by", "0"], "a replay goes back"),
        (vec!["--to-offset", "-1"], "unexpected argument"),
        (
            vec!["--to-datetime", "yesterday"],
            "without a zone it is UTC",
        ),
        (vec!["--by-duration", "P1M"], "no fixed length"),
        (
            vec!["--to-earliest", "--to-offset", "1"],
            "cannot be used with",
        ),
        (vec!["--to-earliest", "--only-type", "*"], "a family like"),
        (vec!["--to-earliest", "--only-account", "b_1"], "acct_"),
        (vec!["--dead-group", "xyz"], "16 hex digits"),
        (vec!["--to-earliest", "--rate", "0"], "invalid value"),
        (vec!["--to-earliest", "--rate", "5001"], "invalid value"),
        (vec!["--to-earliest", "--max", "0"], "invalid value"),
        (vec!["--event-id", "evt 1"], "invalid value"),
        (vec!["--resume", "act_1"], "32 hex digits"),
        (vec!["--to-earliest", "--execute"], "--reason"),
        (
            vec!["--to-earliest", "--export", "--execute"],
            "cannot be used with",
        ),
    ] {
        let arguments = [&["replay"], arguments.as_slice()].concat();
        run(&arguments, &away, b"").failed(2, words);
    }
}

#[test]
fn without_a_start_something_must_name_what_is_meant() {
    let stand = Stand::new();
    stand.replay(&[]).failed(2, "say where to begin");
    stand
        .replay(&["--only-type", "charge.*"])
        .failed(2, "say where to begin");
    stand
        .replay(&["--disposition", "absent"])
        .failed(2, "say where to begin");
    stand
        .replay(&["--event-id", "evt_1", "--source", "log"])
        .failed(2, "needs a start");
    stand
        .replay(&["--to-earliest", "--topic", "other"])
        .failed(2, "only the topic of events");
    stand
        .replay(&[
            "--to-earliest",
            "--topic",
            &format!("{}:99", stand.topics.events),
        ])
        .failed(6, "has no partition 99");
}

#[test]
fn a_file_that_is_no_plan_ends_with_2() {
    let stand = Stand::new();
    stand
        .replay(&["--from-file", "/nonexistent/plan.csv"])
        .failed(2, "No such file");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "other,0,1\n").unwrap();
    stand
        .replay(&["--from-file", file.path().to_str().unwrap()])
        .failed(2, "names topic other");
}

#[test]
fn a_plan_larger_than_its_bound_is_refused_and_the_attempt_is_kept() {
    let mut stand = Stand::new();
    for n in 0..4 {
        stand.log(&format!("evt_{n}"), "charge.succeeded", "b-1");
    }
    stand.all_applied();
    stand
        .replay(&["--to-earliest", "--max", "3"])
        .failed(6, "more than 3 match");
    assert_eq!(stand.text("SELECT count(*) FROM operator_actions"), "0");
    stand
        .execute(&["--to-earliest", "--max", "3"])
        .failed(6, "more than 3 match");
    let kept = stand
        .text("SELECT verb || ' ' || state || ' ' || who || ' ' || reason FROM operator_actions");
    assert_eq!(kept, "replay denied Ada ticket 7");
    assert_eq!(stand.replayed().len(), 0);
}

#[test]
fn a_plan_that_has_drifted_since_the_dry_run_is_refused_and_the_attempt_is_kept() {
    let mut stand = Stand::new();
    for n in 0..12 {
        stand.log(&format!("evt_{n}"), "charge.succeeded", "b-1");
    }
    stand.all_applied();
    stand
        .execute(&["--to-earliest", "--expect", "10"])
        .failed(6, "more than a tenth off the 10");
    let kept = stand.text("SELECT state || ' ' || denied_because FROM operator_actions");
    assert!(kept.starts_with("denied 12 match"), "{kept}");
    assert_eq!(stand.replayed().len(), 0);
    // A tenth is let pass.
    let near = stand.execute(&["--to-earliest", "--expect", "11", "--no-wait"]);
    assert_eq!(near.code, 0, "{near:?}");
}

#[test]
fn who_may_only_look_may_not_replay_and_leaves_no_row() {
    let mut stand = Stand::new();
    stand.log("evt_1", "charge.succeeded", "b-1");
    stand.all_applied();
    let url = format!(
        "{}{}options=-crole%3Dbookend_reader",
        stand.ledger.url,
        if stand.ledger.url.contains('?') {
            '&'
        } else {
            '?'
        }
    );
    let mut variables = stand.variables();
    variables[0] = ("DATABASE_URL", &url);
    let doing = [
        "replay",
        "--to-earliest",
        "--execute",
        "--reason",
        "curiosity",
    ];
    let answer = run(&doing, &variables, b"");
    answer.failed(4, "not allowed");
    assert!(answer.err.contains("is not recorded"), "{answer:?}");
    assert_eq!(stand.text("SELECT count(*) FROM operator_actions"), "0");
    assert_eq!(stand.replayed().len(), 0);
}

#[test]
fn without_brokers_nothing_is_begun() {
    let mut stand = Stand::new();
    let record = stand.log("evt_1", "charge.succeeded", "b-1");
    stand.row(&record, "evt_1", "applied");
    let mut variables = stand.variables();
    variables[1] = ("KAFKA_BROKERS", "127.0.0.1:1");
    let doing = ["replay", "--event-id", "evt_1", "--timeout", "2s"];
    let dry = run(&doing, &variables, b"");
    assert_eq!(dry.code, 0, "the ledger needs no Kafka: {dry:?}");
    let doing = [doing.as_slice(), &["--execute", "--reason", "x"]].concat();
    run(&doing, &variables, b"").failed(1, "Kafka");
    assert_eq!(stand.text("SELECT count(*) FROM operator_actions"), "0");
}
