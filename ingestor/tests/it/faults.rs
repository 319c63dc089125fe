//! The whole process, killed and without its broker.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use testbed::services::Service;
use testbed::stack::{Kafka, RunDir};
use testbed::testing::{TestTopics, eventually};

use crate::client::{SECRET, event, send, signed, try_answer};
use crate::process::{PATIENCE, address, builder, ready, with_secret};
use crate::topic::records;

/// Sends event after event, killed or not; the ids that were answered 200.
fn sender(name: usize, to: SocketAddr, done: &AtomicBool, answered: &AtomicUsize) -> Vec<String> {
    let mut stored = Vec::new();
    for number in 0.. {
        if done.load(Ordering::SeqCst) {
            break;
        }
        let id = format!("evt_{name}_{number}");
        let Ok(mut stream) = TcpStream::connect(to) else {
            thread::yield_now();
            continue;
        };
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("timeout");
        if stream.write_all(&signed(&event(&id, 400))).is_err() {
            continue;
        }
        if try_answer(&mut stream).is_some_and(|answer| answer.status == 200) {
            stored.push(id);
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }
    stored
}

/// The lines of the log about an event: where the process says that it is.
fn told_of(service: &Service, id: &str) -> String {
    let log = fs::read_to_string(service.log()).expect("log");
    let field = format!("\"{id}\"");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&field)).collect();
    format!("{id}: {}", lines.join(" | "))
}

#[test]
fn whatever_was_answered_200_is_in_the_topic_however_often_the_process_is_killed() {
    const KILLS: usize = 6;
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let started = builder(&topics)
        .env("STRIPE_WEBHOOK_SECRETS", format!("main={SECRET}"))
        .env("LINE_ONE_IN", "1");
    let mut service = ready(dir.path(), started);
    let (to, done) = (address(&service), AtomicBool::new(false));
    let answered = AtomicUsize::new(0);
    let stored: Vec<String> = thread::scope(|scope| {
        let (done, answered) = (&done, &answered);
        let senders: Vec<_> = (0..4)
            .map(|name| scope.spawn(move || sender(name, to, done, answered)))
            .collect();
        for _ in 0..KILLS {
            let more = answered.load(Ordering::SeqCst) + rand::rng().random_range(20..200);
            eventually(PATIENCE, "more were answered", || {
                answered.load(Ordering::SeqCst) >= more
            });
            service.start_again().expect("killed and started");
            service.wait_ready(PATIENCE).expect("ready again");
        }
        done.store(true, Ordering::SeqCst);
        let ends = senders.into_iter();
        ends.flat_map(|sender| sender.join().expect("sender"))
            .collect()
    });
    let bodies: BTreeSet<Vec<u8>> = records(&topics)
        .into_iter()
        .map(|record| record.value)
        .collect();
    assert!(stored.len() > 100, "only {} were stored", stored.len());
    let lost = stored.iter().filter(|id| !bodies.contains(&event(id, 400)));
    let lost: Vec<String> = lost.map(|id| told_of(&service, id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} answered 200 are not among the {} in the topic; the log says of them:\n{}",
        lost.len(),
        stored.len(),
        bodies.len(),
        lost.join("\n")
    );
    println!(
        "{} answered 200, {} in the topic",
        stored.len(),
        bodies.len()
    );
}

pub(crate) fn resident_kib(pid: i32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .expect("VmRSS");
    let number = line.split_whitespace().nth(1).expect("number");
    number.parse().expect("KiB")
}

#[test]
fn without_a_broker_all_are_told_in_time_and_it_recovers_by_itself() {
    let dir = RunDir::create("ingestor-outage").expect("dir");
    let mut kafka = Kafka::start(dir.path(), 1).expect("Kafka");
    let topics = TestTopics::on(kafka.brokers());
    let service = with_secret(dir.path(), &topics);
    let to = address(&service);
    assert_eq!(send(to, &signed(&event("evt_before", 1_000))).status, 200);
    let before = resident_kib(service.pid());
    kafka.kill().expect("killed");
    thread::scope(|scope| {
        for number in 0..64 {
            scope.spawn(move || {
                let body = event(&format!("evt_down_{number}"), 100_000);
                let started = Instant::now();
                assert_eq!(send(to, &signed(&body)).status, 503);
                assert!(
                    started.elapsed() < Duration::from_secs(6),
                    "{:?}",
                    started.elapsed()
                );
            });
        }
    });
    eventually(PATIENCE, "unready", || {
        service.get("/readyz").is_some_and(|a| a.0 == 503)
    });
    let after = resident_kib(service.pid());
    assert!(after < before + 65_536, "{before} KiB grew to {after} KiB");
    kafka.start_again().expect("Kafka is back");
    eventually(PATIENCE, "stored again", || {
        send(to, &signed(&event("evt_after", 1_000))).status == 200
    });
    eventually(PATIENCE, "ready", || {
        service.get("/readyz").is_some_and(|a| a.0 == 200)
    });
    println!("RSS {before} KiB before, {after} KiB after 64 unstored events of 100 kB");
}
