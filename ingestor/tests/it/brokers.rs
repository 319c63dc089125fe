//! The way to the broker breaks, in each way that a way can break; and brokers die.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use testbed::faults::{Direction, Fault};
use testbed::stack::{Kafka, RunDir};
use testbed::testing::{TestTopics, eventually};

use crate::client::{event, send, signed};
use crate::process::{PATIENCE, address, with_secret};
use crate::topic::records;

#[test]
fn a_broker_refused_blackholed_reset_or_silent_means_503_in_time_and_recovers_alone() {
    let dir = RunDir::create("ingestor-broker-faults").expect("dir");
    let (kafka, proxies) = Kafka::start_behind_proxies(dir.path(), 1).expect("Kafka");
    let mut topics = TestTopics::on(kafka.brokers());
    // Read once: the broker knows the topic that was made this moment.
    assert!(records(&topics).is_empty());
    let direct = std::mem::replace(&mut topics.brokers, proxies[0].address().to_string());
    let service = with_secret(dir.path(), &topics);
    topics.brokers = direct;
    let to = address(&service);
    let mut stored = Vec::new();
    let faults = [
        Fault::Refuse,
        Fault::Blackhole(Direction::Both),
        Fault::Blackhole(Direction::ToClient),
        Fault::Reset,
        Fault::Silent,
    ];
    for (turn, fault) in faults.into_iter().enumerate() {
        proxies[0].set(fault.clone());
        let slowest = told_503(to, turn);
        println!("{fault:?}: 32 answers of 503, the slowest after {slowest:?}");
        eventually(PATIENCE, "unready", || {
            service.get("/readyz").is_some_and(|answer| answer.0 == 503)
        });
        proxies[0].set(Fault::Reset);
        proxies[0].set(Fault::None);
        let id = format!("evt_healed_{turn}");
        eventually(PATIENCE, "stored again", || {
            send(to, &signed(&event(&id, 1_000))).status == 200
        });
        stored.push(id);
        eventually(PATIENCE, "ready again", || {
            service.get("/readyz").is_some_and(|answer| answer.0 == 200)
        });
    }
    let bodies: BTreeSet<Vec<u8>> = records(&topics).into_iter().map(|one| one.value).collect();
    for id in stored {
        assert!(bodies.contains(&event(&id, 1_000)), "{id} is lost");
    }
}

/// 32 senders at once are all told 503 in time; the longest that one waited.
fn told_503(to: SocketAddr, turn: usize) -> Duration {
    let one = move |number: usize| {
        let body = event(&format!("evt_{turn}_{number}"), 1_000);
        let began = Instant::now();
        let answer = send(to, &signed(&body));
        assert_eq!(answer.status, 503, "{}", answer.head);
        assert!(answer.head.contains("retry-after:"), "{}", answer.head);
        assert!(
            began.elapsed() < Duration::from_secs(6),
            "{:?}",
            began.elapsed()
        );
        began.elapsed()
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..32).map(|n| scope.spawn(move || one(n))).collect();
        let all = all.into_iter().map(|sender| sender.join().expect("sender"));
        all.max().expect("some")
    })
}

/// Event `number` of the one object of sender `name`: all under one key.
fn body(name: usize, number: usize) -> Vec<u8> {
    format!(
        r#"{{"id":"evt_{name}_{number}","object":"event","type":"payment_intent.created","created":1790000000,"livemode":false,"data":{{"object":{{"id":"pi_{name}","object":"payment_intent"}}}},"number":{number}}}"#
    )
    .into_bytes()
}

/// Sends the next event only when the last was stored, as often as it takes; how many were.
fn sender(name: usize, to: SocketAddr, done: &AtomicBool, stored: &AtomicUsize) -> usize {
    let mut number = 0;
    while !done.load(Ordering::SeqCst) {
        if send(to, &signed(&body(name, number))).status == 200 {
            number += 1;
            stored.fetch_add(1, Ordering::SeqCst);
        }
    }
    number
}

#[test]
fn each_of_three_brokers_killed_in_turn_loses_no_acknowledged_event_and_no_order() {
    let dir = RunDir::create("ingestor-three-brokers").expect("dir");
    let mut kafka = Kafka::start(dir.path(), 3).expect("Kafka");
    let topics = TestTopics::on(kafka.brokers());
    let service = with_secret(dir.path(), &topics);
    let (to, done, stored) = (
        address(&service),
        AtomicBool::new(false),
        AtomicUsize::new(0),
    );
    let counts: Vec<usize> = thread::scope(|scope| {
        let (done, stored) = (&done, &stored);
        let senders: Vec<_> = (0..8)
            .map(|name| scope.spawn(move || sender(name, to, done, stored)))
            .collect();
        for node in 0..3 {
            more(stored, 300);
            end(&mut kafka, node);
            more(stored, 300);
            kafka.start_node_again(node).expect("back");
        }
        more(stored, 300);
        done.store(true, Ordering::SeqCst);
        let ends = senders.into_iter();
        ends.map(|sender| sender.join().expect("sender")).collect()
    });
    let mut seen: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for record in records(&topics) {
        let of_key = seen.entry(record.key).or_default();
        if !of_key.contains(&record.value) {
            of_key.push(record.value);
        }
    }
    for (name, count) in counts.iter().enumerate() {
        let wanted: Vec<Vec<u8>> = (0..*count).map(|number| body(name, number)).collect();
        let found = &seen[&format!("payment_intent:pi_{name}")];
        assert_eq!(found[..*count], wanted[..], "sender {name}");
    }
    println!(
        "{} events stored while each broker died once",
        counts.iter().sum::<usize>()
    );
    // Below min.insync.replicas nobody is told 200.
    end(&mut kafka, 0);
    end(&mut kafka, 1);
    for number in 0..5 {
        let lonely = event(&format!("evt_lonely_{number}"), 500);
        assert_eq!(send(to, &signed(&lonely)).status, 503);
    }
}

fn more(stored: &AtomicUsize, many: usize) {
    let wanted = stored.load(Ordering::SeqCst) + many;
    eventually(PATIENCE, "more are stored", || {
        stored.load(Ordering::SeqCst) >= wanted
    });
}

fn end(kafka: &mut Kafka, node: usize) {
    let process = kafka.node(node).expect("a node");
    process
        .end(Signal::SIGKILL, Duration::from_secs(10))
        .expect("killed");
}
