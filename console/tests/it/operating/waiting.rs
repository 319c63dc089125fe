//! Results that do not come, and people who do not wait for them.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testbed::testing::eventually;

use super::Desk;

#[test]
fn a_result_that_does_not_come_in_time_ends_with_124_and_can_be_seen_later() {
    let mut desk = Desk::new();
    desk.parked("bk_1", "evt_p", 1, Some("constraint"));
    let answer = desk.execute(&["parked", "release", "bk_1", "--timeout", "1s"]);
    let action = desk.action();
    answer.failed(124, &format!("bookend action show {action}"));
    assert!(answer.err.contains("1 of 1 in the log"), "{answer:?}");
    assert_eq!(desk.actions(), "parked release running");
    assert_eq!(desk.published().len(), 1, "it is in the log all the same");

    crate::replay::play_results(&desk.stand.ledger.url, "applied", 1);
    let later = desk.run(&["action", "show", &action, "-o", "json"]).json();
    assert_eq!(later["results"]["applied"], 1, "{later}");
    assert_eq!(later["items"][0]["subject"], "bk_1");
}

#[test]
fn an_interrupted_action_ends_with_130_and_says_how_far_it_came() {
    let mut desk = Desk::new();
    for number in 0..5 {
        desk.dead(&format!("evt_{number}"), "bk_1", "aa", "open");
    }
    let child = desk.spawn(&["dead", "replay", "--group", "aa", "--rate", "1"]);
    let count = "SELECT count(*) FROM operator_action_items WHERE state = 'published'";
    eventually(Duration::from_secs(30), "one is published", || {
        desk.text(count) != "0"
    });
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(
        err.contains("of 5 published; see bookend action show act_"),
        "{err}"
    );
    assert_eq!(desk.actions(), "dead replay interrupted");
    let published = desk.text(count);
    assert_eq!(desk.published().len().to_string(), published);
    assert_eq!(
        desk.text("SELECT result->>'published' FROM operator_actions"),
        published
    );
}

#[test]
fn who_stops_waiting_for_the_result_ends_with_130_and_the_command_is_carried_out() {
    let mut desk = Desk::new();
    desk.parked("bk_1", "evt_p", 1, Some("constraint"));
    let child = desk.spawn(&["parked", "release", "bk_1"]);
    let count = "SELECT count(*) FROM operator_action_items WHERE state = 'published'";
    eventually(Duration::from_secs(30), "it is published", || {
        desk.text(count) == "1"
    });
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.contains("which the processor will carry out"), "{err}");
    assert_eq!(desk.actions(), "parked release running");
}
