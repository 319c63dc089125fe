//! The binary: exit codes, the service's life, and a kill in the middle of it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testbed::testing::brokers;

use crate::support::{Rig, topic};

pub(crate) fn reconciler(rig: &Rig) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciler"));
    command
        .env_clear()
        .env("DEPLOYMENT", "development")
        .env("KAFKA_BROKERS", brokers())
        .env("EVENTS_TOPIC", &rig.topic.name)
        .env("EVENTS_PARTITIONS", topic::PARTITIONS.to_string())
        .env("DATABASE_URL", rig.database.reconciler_url())
        .env("STRIPE_API_KEY", rig.stripe.api_key())
        .env("STRIPE_API_BASE", rig.stripe.url())
        .env("STRIPE_LIVEMODE", "false")
        .env("SWEEP_LAG", "2s")
        .env("SWEEP_OVERLAP", "60s")
        .env("SWEEP_INTERVAL", "200ms")
        .env("BARRIER_TIMEOUT", "1s")
        .env("OPS_ADDR", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end: its exit code and what it printed.
async fn run(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

pub(crate) async fn one_shot(rig: &Rig, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = reconciler(rig);
    command.args(arguments);
    run(command).await
}

#[tokio::test]
async fn verify_tells_drift_until_it_is_repaired_and_changes_nothing_itself() {
    let rig = Rig::new().await;
    for n in 0..3 {
        rig.lose(n, 50);
    }
    let (code, text) = one_shot(&rig, &["verify"]).await;
    assert_eq!(code, Some(7), "{text}");
    assert!(text.contains(r#""kind":"missing""#), "{text}");
    assert_eq!(rig.topic.count().await, 0);
    assert_eq!(rig.database.number("SELECT count(*) AS n FROM sweeps"), 0);

    let (code, text) = one_shot(&rig, &["sweep"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("repaired 3"), "{text}");
    let (code, text) = one_shot(&rig, &["verify"]).await;
    assert_eq!(code, Some(124), "the log is not applied yet: {text}");

    rig.apply_log().await;
    let (code, text) = one_shot(&rig, &["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = one_shot(&rig, &["sweep", "--from", "2000-01-01T00:00:00Z"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("missing 0  repaired 0"), "{text}");
}

#[tokio::test]
async fn bad_configuration_names_every_problem_and_ends_with_78() {
    let rig = Rig::new().await;
    let mut command = reconciler(&rig);
    command
        .arg("check-config")
        .env("DEPLOYMENT", "production")
        .env("STRIPE_LIVEMODE", "true");
    let (code, text) = run(command).await;
    assert_eq!(code, Some(78), "{text}");
    for named in [
        "SWEEP_LAG",
        "SWEEP_OVERLAP",
        "STRIPE_API_KEY",
        "STRIPE_API_BASE",
        "TLS",
    ] {
        assert!(text.contains(named), "{named}: {text}");
    }
    assert!(!text.contains(rig.stripe.api_key()));
    let mut command = reconciler(&rig);
    command.arg("check-config").env_remove("STRIPE_LIVEMODE");
    assert_eq!(run(command).await.0, Some(78));
    assert_eq!(one_shot(&rig, &["check-config"]).await.0, Some(0));
    assert_eq!(one_shot(&rig, &["--version"]).await.0, Some(0));
    assert_eq!(one_shot(&rig, &["dance"]).await.0, Some(2));
}

/// A running reconciler; killed when dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn start(rig: &Rig) -> Running {
    start_with(rig, &[])
}

pub(crate) fn start_with(rig: &Rig, settings: &[(&str, &str)]) -> Running {
    Running(
        reconciler(rig)
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    )
}

pub(crate) async fn eventually(what: &str, probe: impl AsyncFnMut() -> bool) {
    testbed::testing::eventually_async(Duration::from_secs(60), what, probe).await;
}

#[tokio::test]
async fn running_reconciler_repairs_what_is_lost_and_its_successor_takes_over_when_it_is_killed() {
    let rig = Rig::new().await;
    rig.lose(1, 50);
    let mut first = start(&rig);
    eventually("the first repairs", async || rig.topic.count().await == 1).await;
    rig.apply_log().await;
    let second = start(&rig);
    first.0.kill().unwrap();
    first.0.wait().unwrap();

    rig.lose(2, 10);
    eventually("the second repairs", async || rig.topic.count().await == 2).await;
    rig.apply_log().await;
    let complete = "SELECT count(*) AS n FROM certificates WHERE complete AND stripe_count = 2";
    eventually("the window is certified", async || {
        rig.database.number(complete) > 0
    })
    .await;
    assert_eq!(rig.topic.count().await, 2);
    drop(second);
}

#[tokio::test]
async fn topic_with_other_partitions_than_configured_is_refused() {
    let rig = Rig::new().await;
    let mut command = reconciler(&rig);
    command.env("EVENTS_PARTITIONS", "5");
    let (code, text) = run(command).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("EVENTS_PARTITIONS"), "{text}");
    assert_eq!(rig.database.number("SELECT count(*) AS n FROM cursors"), 0);
}

#[tokio::test]
async fn reconciler_that_is_asked_to_stop_ends_with_0() {
    let rig = Rig::new().await;
    let mut running = start(&rig);
    eventually("it sweeps", async || {
        rig.database.number("SELECT count(*) AS n FROM cursors") == 1
    })
    .await;
    let pid = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = tokio::task::spawn_blocking(move || running.0.wait().unwrap())
        .await
        .unwrap();
    assert_eq!(status.code(), Some(0));
}
