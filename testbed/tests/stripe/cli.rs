//! `testbed stripe` by itself: it answers, and ends when it is told to.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::answer;

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_runs_alone_and_ends_on_sigterm() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .args([
            "stripe",
            "--listen",
            "127.0.0.1:0",
            "--secret",
            "whsec_alone",
        ])
        .args([
            "--target",
            "http://127.0.0.1:9/webhooks/stripe",
            "--seed",
            "4",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line.split_whitespace().nth(2).unwrap().to_owned();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let stats = answer(client.get(format!("{url}/_control/stats"))).await;
    assert_eq!((stats.status, &stats.body["events"]), (200, &0.into()));
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_a_secret_it_does_not_start() {
    let output = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .arg("stripe")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
