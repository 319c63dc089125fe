//! The history file tells every attempt, cause before effect.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};
use testbed::stripe::{FakeConfig, Faults, When};

use crate::support::{Reply, Sink, config, eventually, get, lot, start};

fn lines(path: &std::path::Path) -> Vec<Value> {
    parsed(&std::fs::read_to_string(path).unwrap())
}

/// The lines that are whole while another delivery writes its own: part of an append may be seen.
fn lines_so_far(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let (whole, _being_written) = text.rsplit_once('\n').unwrap();
    parsed(whole)
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn every_attempt_is_an_invoke_and_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let file = path.clone();
    // The sink looks into the file while it holds the request: the invoke must be there.
    let sink = Sink::start(move |n, received| {
        let known = lines_so_far(&file)
            .iter()
            .any(|line| line["sig"] == received.signature.as_str() && line["type"] == "invoke");
        assert!(known, "a request without its invoke");
        Reply::Status(if n % 5 == 0 { 503 } else { 200 })
    });
    let fake = start(FakeConfig {
        target: Some(sink.url()),
        history: Some(path.clone()),
        faults: Faults {
            lost: 0.2,
            answered_but_lost: 0.2,
            duplicated: 0.2,
            ..Faults::default()
        },
        ..config()
    });
    fake.create_bookings(&lot(6, When::JustNow));
    eventually("idle", || fake.is_idle()).await;
    get(&fake, "/v1/events?limit=3").await;
    let lines = lines(&path);
    let numbers: Vec<u64> = lines
        .iter()
        .map(|line| line["n"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>());
    let mut open: BTreeMap<(String, u64), String> = BTreeMap::new();
    let (mut ends, mut unknown) = (0, 0);
    for line in lines.iter().filter(|line| line["op"] == "deliver") {
        let key = (line["event"].to_string(), line["attempt"].as_u64().unwrap());
        let sha256 = line["sha256"].as_str().unwrap().to_owned();
        if line["type"] == "invoke" {
            assert!(line["status"].is_null() && open.insert(key, sha256).is_none());
            continue;
        }
        assert_eq!(open.remove(&key), Some(sha256), "an end without its invoke");
        assert!(line["ms"].is_u64());
        match line["type"].as_str().unwrap() {
            "ok" => assert_eq!(line["status"], 200),
            "fail" => assert_eq!(line["status"], 503),
            _ => unknown += 1,
        }
        ends += 1;
    }
    let stats = fake.stats();
    assert!(open.is_empty());
    assert_eq!((ends, unknown), (stats.attempts, stats.answered_but_lost));
    let lost = lines.iter().filter(|line| line["op"] == "lost").count() as u64;
    assert_eq!(lost, stats.lost);
    let read = lines.iter().find(|line| line["op"] == "list").unwrap();
    assert_eq!(
        (&read["path"], read["ids"].as_array().unwrap().len()),
        (&"/v1/events?limit=3".into(), 3)
    );
    let body = &sink.received()[0].body;
    let sha256 = hex::encode(Sha256::digest(body));
    assert!(lines.iter().any(|line| line["sha256"] == sha256.as_str()));
}

#[test]
fn an_existing_history_is_continued_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    std::fs::write(&path, "{\"n\":1}\n").unwrap();
    let fake = start(FakeConfig {
        history: Some(path.clone()),
        ..config()
    });
    fake.roll_secret("whsec_x", std::time::Duration::ZERO);
    let lines = lines(&path);
    assert_eq!((lines.len(), &lines[1]["op"]), (2, &"roll".into()));
}

#[test]
fn a_history_that_cannot_be_opened_stops_the_start() {
    let history = Some(std::path::PathBuf::from("/nonexistent/history.jsonl"));
    let result = testbed::stripe::Fake::start(FakeConfig {
        history,
        ..config()
    });
    assert!(result.is_err());
}
