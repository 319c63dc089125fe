//! The servers' handles: what is stopped comes back with its data, what a dead run left goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use nix::sys::signal::Signal;
use testbed::stack::postgres::execute;
use testbed::stack::process::Process;
use testbed::stack::topics::{Topic, brokers_up, create};
use testbed::stack::{Kafka, Mode, Postgres, leftovers};
use testbed::testing::{TestDatabase, TestTopics, eventually};

#[test]
fn postgres_stopped_at_once_comes_back_with_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(dir.path()).unwrap();
    let url = postgres.url("postgres");
    execute(&url, "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    postgres.stop(Mode::Immediate).unwrap();
    assert!(execute(&url, "SELECT 1").is_err());
    postgres.start_again().unwrap();
    execute(&url, "INSERT INTO t SELECT n FROM t").unwrap();
}

#[test]
fn killed_kafka_comes_back_on_its_port() {
    let dir = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(dir.path(), 1).unwrap();
    let brokers = kafka.brokers();
    kafka.kill().unwrap();
    assert_eq!(brokers_up(&brokers), 0);
    kafka.start_again().unwrap();
    assert_eq!(brokers_up(&brokers), 1);
    assert_eq!(kafka.brokers(), brokers);
}

#[test]
fn three_nodes_go_on_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(dir.path(), 3).unwrap();
    let node = kafka.node(2).unwrap();
    node.end(Signal::SIGKILL, Duration::ZERO).unwrap();
    let live = kafka.brokers();
    eventually(Duration::from_secs(30), "a node is missing", || {
        brokers_up(&live) == 2
    });
    create(&live, &[Topic::facts("after", 3)]).unwrap();
    kafka.stop().unwrap();
    kafka.start_again().unwrap();
    assert_eq!(brokers_up(&live), 3);
}

#[test]
fn only_processes_that_match_their_pid_file_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let spawn = |name: &str, marker: &str| {
        let mut command = std::process::Command::new("sleep");
        command.arg("600.25");
        Process::spawn(dir.path(), name, marker, &command).unwrap()
    };
    let (mut ours, mut reused) = (spawn("ours", "600.25"), spawn("reused", "another program"));
    eventually(Duration::from_secs(5), "sleep runs", || {
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", ours.pid())).unwrap();
        String::from_utf8_lossy(&cmdline).starts_with("sleep")
    });
    leftovers::kill_named(dir.path());
    assert!(!ours.is_running());
    assert!(reused.is_running());
}

#[test]
fn databases_of_two_tests_share_the_template_and_nothing_else() {
    let migrate = |url: &str| execute(url, "CREATE TABLE t (n int)").unwrap();
    let (one, two) = (
        TestDatabase::create(migrate),
        TestDatabase::create(|_| panic!("a template is migrated once")),
    );
    execute(&one.url(), "DROP TABLE t").unwrap();
    execute(&two.url(), "INSERT INTO t VALUES (1)").unwrap();
    let gone = one.url();
    drop(one);
    assert!(execute(&gone, "SELECT 1").is_err());
}

#[test]
fn topics_of_two_tests_differ() {
    let (one, two) = (TestTopics::create(), TestTopics::create());
    assert_ne!(one.events, two.events);
    assert_ne!(one.group, two.group);
}
