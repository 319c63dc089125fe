//! Whom a real process talks to while it is attacked: the brokers, and nobody else.

use std::collections::BTreeSet;
use std::fs;

use testbed::testing::{TestTopics, eventually};

use super::{PATIENCE, posted};
use crate::client::{OTHER, event, send, signature, signed};
use crate::process::{address, with_secret};

/// The far ends of a process's TCP connections that it opened itself, as ports.
fn asked(pid: i32, own: &[u16]) -> BTreeSet<u16> {
    let sockets: BTreeSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("its files")
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_string_lossy().into_owned();
            let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let port = |end: &str| u16::from_str_radix(end.rsplit(':').next()?, 16).ok();
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).expect("connections");
        for line in table.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (local, far) = (port(columns[1]), port(columns[2]));
            if let (Some(local), Some(far)) = (local, far)
                && sockets.contains(columns[9])
                && far != 0
                && !own.contains(&local)
            {
                found.insert(far);
            }
        }
    }
    found
}

#[test]
fn the_ingestor_is_connected_with_the_brokers_and_nobody_else() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = with_secret(dir.path(), &topics);
    let to = address(&service);
    let ops = service.ops_url();
    let ops: u16 = ops.rsplit(':').next().expect("port").parse().expect("port");
    let brokers: BTreeSet<u16> = topics
        .brokers
        .split(',')
        .map(|broker| {
            broker
                .rsplit(':')
                .next()
                .expect("port")
                .parse()
                .expect("port")
        })
        .collect();
    for number in 0..500 {
        let body = event(&format!("evt_{number}"), 300);
        assert_eq!(
            send(to, &posted(&signature(OTHER, &body), &body)).status,
            400
        );
        if number % 100 == 0 {
            assert_eq!(send(to, &signed(&body)).status, 200);
            let asked = asked(service.pid(), &[to.port(), ops]);
            assert_eq!(asked, brokers);
        }
    }
    let threads: Vec<String> = fs::read_dir(format!("/proc/{}/task", service.pid()))
        .expect("its threads")
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .collect();
    assert!(!threads.is_empty());
    for name in &threads {
        for foreign in ["postgres", "reqwest", "hyper", "pq"] {
            assert!(!name.contains(foreign), "{threads:?}");
        }
    }
    eventually(PATIENCE, "all are counted", || {
        let metrics = service.get("/metrics")?.1;
        let line = r#"bookend_webhook_received_total{outcome="hmac_mismatch"} 500"#;
        metrics.contains(line).then_some(())
    });
}
