//! Interrupted, killed, gone on with.

use std::process::Child;

use super::{PATIENCE, Stand, play_results};
use testbed::testing::eventually;

const EVENTS: usize = 40;

/// A replay that takes ten seconds, in the middle of them.
fn half_way() -> (Stand, Child) {
    let mut stand = Stand::new();
    for n in 0..EVENTS {
        stand.log(&format!("evt_{n}"), "charge.succeeded", "b-1");
    }
    stand.all_applied();
    let child = stand.spawn(&[
        "--to-earliest",
        "--execute",
        "--reason",
        "ticket 7",
        "--no-wait",
        "--rate",
        "4",
    ]);
    let published = "SELECT count(*) FROM operator_action_items WHERE state = 'published'";
    eventually(PATIENCE, "some are published", || {
        stand.text(published).parse::<usize>().unwrap() >= 3
    });
    (stand, child)
}

fn signal(child: &Child, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args(["-s", signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// All are published after going on; how many records that took.
fn all_after_resuming(stand: &Stand) -> usize {
    let action = stand.action();
    let answer = stand.replay(&["--resume", &action, "--no-wait", "--rate", "5000"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(
        stand.text("SELECT count(*) FROM operator_action_items WHERE state = 'published'"),
        EVENTS.to_string()
    );
    assert_eq!(
        stand.text("SELECT state FROM operator_actions WHERE verb = 'replay'"),
        "done"
    );
    assert_eq!(
        stand.text(
            "SELECT state || ' ' || reason FROM operator_actions WHERE verb = 'replay resume'"
        ),
        format!("done to go on with {action}")
    );
    let replayed = stand.replayed();
    assert!(
        replayed
            .iter()
            .all(|record| record.headers.action_id.as_deref() == Some(&action)),
        "what is gone on with is the same action"
    );
    replayed.len()
}

#[test]
fn an_interrupted_replay_stops_in_order_tells_how_to_go_on_and_does() {
    for name in ["INT", "TERM"] {
        let (stand, child) = half_way();
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let action = stand.action();
        assert!(
            said.contains(&format!("bookend replay --resume {action}")),
            "{said}"
        );
        assert_eq!(
            stand.text("SELECT state FROM operator_actions"),
            "interrupted"
        );
        assert_eq!(all_after_resuming(&stand), EVENTS, "nothing twice");
    }
}

#[test]
fn a_killed_replay_is_gone_on_with_and_at_worst_a_chunk_is_published_twice() {
    let (stand, mut child) = half_way();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(stand.text("SELECT state FROM operator_actions"), "running");
    // The lock goes with the killed one's connection.
    let action = stand.action();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually(PATIENCE, "the lock of the killed is gone", || {
        stand.text(held) == "0"
    });
    let records = all_after_resuming(&stand);
    assert!(
        (EVENTS..=EVENTS + 1).contains(&records),
        "{records} of {action}"
    );
}

#[test]
fn a_running_replay_is_not_gone_on_with_by_a_second_process() {
    let (stand, mut child) = half_way();
    let action = stand.action();
    stand
        .replay(&["--resume", &action])
        .failed(6, "by another process");
    assert_eq!(
        stand.text("SELECT state FROM operator_actions WHERE verb = 'replay resume'"),
        "denied"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_no_replay_is_not_gone_on_with() {
    let mut stand = Stand::new();
    let unknown = format!("act_{}", "0".repeat(32));
    stand
        .replay(&["--resume", &unknown])
        .failed(3, "there is no action");
    stand.ledger.execute(&format!(
        "INSERT INTO operator_actions (id, who, host, verb, reason, request, state)
         VALUES ('{unknown}', 'Ada', 'h', 'refold', 'x', '{{}}', 'interrupted')"
    ));
    stand
        .replay(&["--resume", &unknown])
        .failed(6, "a `refold`, not a replay");
    stand.ledger.execute(
        "UPDATE operator_actions SET verb = 'replay', plan = '{\"topic\": \"other\"}'
         WHERE verb = 'refold'",
    );
    stand
        .replay(&["--resume", &unknown])
        .failed(6, "planned for topic other");
}

#[test]
fn items_whose_fate_is_unknown_are_left_to_the_processor() {
    let mut stand = Stand::new();
    stand.log("evt_1", "charge.succeeded", "b-1");
    stand.all_applied();
    let first = stand.execute(&["--to-earliest", "--timeout", "3s"]);
    assert_eq!(first.code, 124, "{first:?}");
    let action = stand.action();
    std::thread::scope(|scope| {
        let url = stand.ledger.url.clone();
        scope.spawn(move || play_results(&url, "applied", 1));
        let answer = stand.replay(&["--resume", &action, "-o", "json"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.json()["results"], serde_json::json!({"applied": 1}));
    });
    assert_eq!(stand.replayed().len(), 1, "nothing was published again");
}
