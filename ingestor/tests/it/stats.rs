//! What an ingestor tells of itself: every request once, whatever happens around it.

use std::fs;
use std::io::Write;
use std::path::Path;

use shared::stats::{Answered, Stats};
use testbed::services::Service;
use testbed::stack::{Kafka, RunDir};
use testbed::testing::{TestTopics, eventually};

use crate::client::{OTHER, SECRET, connect, event, request, send, signed, signed_by};
use crate::process::{PATIENCE, address, builder, ready};
use crate::stand::MIB;
use crate::topic::counts;

fn started(dir: &Path, topics: &TestTopics, more: &[(&str, &str)]) -> Service {
    let builder = builder(topics).env("STRIPE_WEBHOOK_SECRETS", SECRET);
    let more = more.iter();
    ready(
        dir,
        more.fold(builder, |b, (name, value)| b.env(name, *value)),
    )
}

fn stopped(mut service: Service) {
    assert_eq!(service.terminate().expect("ended"), Some(0));
}

fn total(told: &[Stats], label: &str) -> u64 {
    told.iter().map(|stats| stats.counts[label]).sum()
}

fn assert_consecutive(told: &[Stats]) {
    for (number, stats) in told.iter().enumerate() {
        assert_eq!(stats.seq, number as u64, "{told:#?}");
        assert_eq!(stats.instance, told[0].instance, "{told:#?}");
    }
    for pair in told.windows(2) {
        assert_eq!(pair[0].to, pair[1].from, "{told:#?}");
    }
    let (last, others) = told.split_last().expect("records");
    assert!(
        last.last && others.iter().all(|stats| !stats.last),
        "{told:#?}"
    );
}

#[test]
fn a_flood_adds_no_record_and_each_request_is_counted_as_it_ended() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = started(dir.path(), &topics, &[("BODY_DEADLINE", "300ms")]);
    let to = address(&service);
    let body = event("evt_counted", 300);
    for _ in 0..3 {
        assert_eq!(send(to, &signed(&body)).status, 200);
    }
    let post = |headers: &str, body: &[u8]| request("POST", "/webhooks/stripe", headers, body);
    assert_eq!(send(to, &post("", &body)).status, 400);
    assert_eq!(
        send(to, &post("Stripe-Signature: x\r\n", &body)).status,
        400
    );
    assert_eq!(send(to, &signed(&vec![b'x'; MIB + 1])).status, 413);
    let mut slow = connect(to);
    let whole = signed(&body);
    slow.write_all(&whole[..whole.len() - 1]).expect("sent");
    assert_eq!(crate::client::answer(&mut slow).status, 408);
    for _ in 0..400 {
        assert_eq!(send(to, &signed_by(OTHER, &body)).status, 400);
    }
    stopped(service);
    let told = counts(&topics);
    assert_eq!(told.len(), 2, "the first and the last: {told:#?}");
    assert_consecutive(&told);
    let wanted = [
        ("ok", 3),
        ("no_header", 1),
        ("bad_header", 1),
        ("too_large", 1),
        ("body_timeout", 1),
        ("hmac_mismatch", 400),
        ("publish_failed", 0),
    ];
    for (label, count) in wanted {
        assert_eq!(total(&told, label), count, "{label}: {told:#?}");
    }
    let refused = |stats: &Stats| stats.answered(Answered::Refused);
    assert_eq!(told.iter().map(refused).sum::<u64>(), 404);
}

#[test]
fn quiet_spans_are_told_one_after_the_other_and_an_orderly_stop_says_that_it_is_the_last() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = started(dir.path(), &topics, &[("STATS_INTERVAL", "1s")]);
    let to = address(&service);
    eventually(PATIENCE, "three records", || counts(&topics).len() >= 3);
    assert_eq!(send(to, &signed(&event("evt_late", 300))).status, 200);
    stopped(service);
    let told = counts(&topics);
    assert_consecutive(&told);
    assert_eq!(total(&told, "ok"), 1);
    assert!(
        told[1].counts.values().all(|count| *count == 0),
        "{told:#?}"
    );
}

#[test]
fn a_killed_ingestor_has_told_no_last_record_and_the_next_is_another_instance() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let mut service = started(dir.path(), &topics, &[]);
    eventually(PATIENCE, "it has begun", || counts(&topics).len() == 1);
    service.start_again().expect("killed and started");
    eventually(PATIENCE, "the next has begun", || {
        counts(&topics).len() == 2
    });
    let told = counts(&topics);
    assert!(told.iter().all(|stats| !stats.last && stats.seq == 0));
    assert_ne!(told[0].instance, told[1].instance);
}

#[test]
fn without_its_topic_webhooks_are_answered_200_and_it_is_told_once() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let none = [("STATS_TOPIC", "no.such.topic"), ("STATS_INTERVAL", "1s")];
    let service = started(dir.path(), &topics, &none);
    let to = address(&service);
    let log = service.log().to_path_buf();
    let warnings = || {
        let log = fs::read_to_string(&log).expect("log");
        log.matches("counts not stored").count()
    };
    eventually(PATIENCE, "it is told", || {
        assert_eq!(send(to, &signed(&event("evt_on", 300))).status, 200);
        warnings() == 1
    });
    stopped(service);
    assert_eq!(warnings(), 1);
}

#[test]
fn counts_of_an_outage_are_told_once_the_broker_is_back() {
    let dir = RunDir::create("ingestor-counts").expect("dir");
    let mut kafka = Kafka::start(dir.path(), 1).expect("Kafka");
    let topics = TestTopics::on(kafka.brokers());
    let often = [("STATS_INTERVAL", "1s"), ("APPEND_DEADLINE", "1s")];
    let service = started(dir.path(), &topics, &often);
    let to = address(&service);
    assert_eq!(send(to, &signed(&event("evt_before", 300))).status, 200);
    kafka.kill().expect("killed");
    let mut unavailable = 0;
    for number in 0..5 {
        let event = event(&format!("evt_down_{number}"), 300);
        assert_eq!(send(to, &signed(&event)).status, 503);
        unavailable += 1;
    }
    kafka.start_again().expect("Kafka is back");
    eventually(PATIENCE, "stored again", || {
        let status = send(to, &signed(&event("evt_after", 300))).status;
        unavailable += u64::from(status == 503);
        status == 200
    });
    let before = counts(&topics).len();
    eventually(PATIENCE, "counts are stored again", || {
        counts(&topics).len() > before
    });
    stopped(service);
    // One that was not acknowledged may be there all the same: the longest of its number counts.
    let mut told = counts(&topics);
    told.sort_by_key(|stats| (stats.seq, std::cmp::Reverse(stats.to)));
    told.dedup_by_key(|stats| stats.seq);
    assert_consecutive(&told);
    let told: u64 = told
        .iter()
        .map(|stats| stats.answered(Answered::Unavailable))
        .sum();
    assert_eq!(told, unavailable);
}
