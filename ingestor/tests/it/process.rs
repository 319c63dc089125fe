//! The whole process on a real Kafka.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testbed::services::{Service, ServiceBuilder, binary};
use testbed::stack::topics::{Topic, create};
use testbed::testing::{TestTopics, eventually};

use crate::client::{OTHER, SECRET, answer, connect, event, send, signed, signed_by};
use crate::topic::records;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn builder(topics: &TestTopics) -> ServiceBuilder {
    ServiceBuilder::new("ingestor")
        .env("KAFKA_BROKERS", &topics.brokers)
        .env("EVENTS_TOPIC", &topics.events)
        .env("STATS_TOPIC", &topics.stats)
}

pub(crate) fn ready(dir: &Path, builder: ServiceBuilder) -> Service {
    let mut service = builder.spawn(dir).expect("ingestor starts");
    service.wait_ready(PATIENCE).expect("ingestor is ready");
    service
}

fn start(dir: &Path, topics: &TestTopics, secrets: (&str, &str)) -> Service {
    ready(dir, builder(topics).env(secrets.0, secrets.1))
}

pub(crate) fn with_secret(dir: &Path, topics: &TestTopics) -> Service {
    start(
        dir,
        topics,
        ("STRIPE_WEBHOOK_SECRETS", &format!("main={SECRET}")),
    )
}

pub(crate) fn address(service: &Service) -> SocketAddr {
    let url = service.url();
    url.trim_start_matches("http://").parse().expect("address")
}

#[test]
fn a_record_holds_the_bytes_and_the_evidence() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = with_secret(dir.path(), &topics);
    let body = event("evt_evidence", 500);
    assert_eq!(send(address(&service), &signed(&body)).status, 200);
    let found = records(&topics);
    assert_eq!(found.len(), 1);
    let record = &found[0];
    assert_eq!(record.value, body);
    assert!(record.key.contains("pi_evt_evidence"), "{}", record.key);
    let header = |name: &str| record.headers.get(name).cloned().unwrap_or_default();
    assert_eq!(header("x-verified-by"), "main", "{:?}", record.headers);
    assert!(
        header("stripe-signature").starts_with("t="),
        "{:?}",
        record.headers
    );
    assert_eq!(header("ce_id"), "evt_evidence");
    assert_eq!(header("ce_type"), "com.stripe.payment_intent.created");
    let trace = header("traceparent");
    let trace = shared::telemetry::trace_id_of(&trace);
    assert!(trace.is_some(), "{:?}", record.headers);
}

#[test]
fn a_terminated_process_answers_what_is_in_flight_and_ends_with_0() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let mut service = with_secret(dir.path(), &topics);
    let mut stream = connect(address(&service));
    let request = signed(&event("evt_last", 2_000));
    let (first, rest) = request.split_at(request.len() - 100);
    stream.write_all(first).expect("sent");
    eventually(PATIENCE, "the connection is counted", || {
        let metrics = service.get("/metrics")?.1;
        metrics
            .lines()
            .any(|l| l.starts_with("bookend_webhook_connections_open") && l.ends_with(" 1"))
            .then_some(())
    });
    let (pid, ops) = (service.pid(), address(&service));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGTERM,
    )
    .expect("signalled");
    eventually(PATIENCE, "no new connection is taken", || {
        std::net::TcpStream::connect(ops).is_err()
    });
    stream.write_all(rest).expect("sent");
    assert_eq!(answer(&mut stream).status, 200);
    assert_eq!(service.terminate().expect("ended"), Some(0));
    assert_eq!(records(&topics).len(), 1);
}

#[test]
fn a_rolled_secret_is_taken_without_a_restart_and_a_weak_one_never() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let file = dir.path().join("secrets");
    fs::write(&file, format!("old={SECRET}\n")).expect("written");
    let path = file.to_string_lossy();
    let service = start(dir.path(), &topics, ("STRIPE_WEBHOOK_SECRETS_FILE", &path));
    let to = address(&service);
    let status = |secret: &str| send(to, &signed_by(secret, &event("evt_roll", 300))).status;
    assert_eq!((status(SECRET), status(OTHER)), (200, 400));
    fs::write(&file, "weak=whsec_short\n").expect("written");
    eventually(PATIENCE, "the weak secret is refused and counted", || {
        let metrics = service.get("/metrics")?.1;
        metrics
            .contains("bookend_secret_reload_failures")
            .then_some(())
    });
    assert_eq!((status(SECRET), status(OTHER)), (200, 400));
    fs::write(&file, format!("new={OTHER}\n")).expect("written");
    eventually(PATIENCE, "the new secret is in force", || {
        status(OTHER) == 200
    });
    eventually(PATIENCE, "the old one is out of force", || {
        status(SECRET) == 400
    });
}

#[test]
fn a_topic_that_is_not_fit_ends_the_start_and_everything_wrong_is_named() {
    let topics = TestTopics::create();
    let unfit = Topic {
        name: topics.later(),
        partitions: 6,
        settings: vec![
            ("cleanup.policy", "compact"),
            ("max.message.bytes", "1048588"),
            ("retention.ms", "604800000"),
            ("unclean.leader.election.enable", "true"),
        ],
    };
    create(&topics.brokers, std::slice::from_ref(&unfit)).expect("created");
    // One that starts all the same would serve for ever: it is stopped, and has another exit code.
    let output = Command::new("/usr/bin/timeout")
        .arg("60")
        .arg(binary("ingestor"))
        .env_clear()
        .env("DEPLOYMENT", "development")
        .env("KAFKA_BROKERS", &topics.brokers)
        .env("EVENTS_TOPIC", &unfit.name)
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("OPS_ADDR", "127.0.0.1:0")
        .env("STRIPE_WEBHOOK_SECRETS", format!("main={SECRET}"))
        .output()
        .expect("ingestor runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("6 partitions"), "{told}");
    for (wrong, _) in unfit.settings {
        assert!(told.contains(wrong), "{wrong} is not named: {told}");
    }
}

#[test]
fn an_ingestor_that_is_there_before_its_topic_waits_for_it() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let later = topics.later();
    let mut service = ServiceBuilder::new("ingestor")
        .env("KAFKA_BROKERS", &topics.brokers)
        .env("EVENTS_TOPIC", &later)
        .env("STRIPE_WEBHOOK_SECRETS", SECRET)
        .spawn(dir.path())
        .expect("ingestor starts");
    eventually(PATIENCE, "it says what it waits for", || {
        let (status, body) = service.get("/readyz")?;
        (status == 503 && body.contains("does not exist")).then_some(())
    });
    topics.create_later();
    service.wait_ready(PATIENCE).expect("ingestor is ready");
}

#[test]
fn a_weak_secret_is_refused_by_name_and_never_shown() {
    let output = Command::new(binary("ingestor"))
        .arg("check-config")
        .env("DEPLOYMENT", "development")
        .env("KAFKA_BROKERS", "127.0.0.1:1")
        .env("MAX_BODY_BYTES", "7")
        .env("STATS_INTERVAL", "61s")
        .env("STRIPE_WEBHOOK_SECRETS", "endpoint_a=whsec_feeble")
        .output()
        .expect("ingestor runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("endpoint_a"), "{told}");
    assert!(told.contains("MAX_BODY_BYTES"), "{told}");
    assert!(told.contains("STATS_INTERVAL"), "{told}");
    assert!(!told.contains("feeble"), "{told}");
}
