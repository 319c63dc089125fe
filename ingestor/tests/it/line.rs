//! The line a request gets, by field, from a real process.

use std::fs;

use serde_json::Value;
use testbed::services::Service;
use testbed::testing::{TestTopics, eventually};

use crate::client::{OTHER, SECRET, event, now, request, send, signed, signed_by};
use crate::process::{PATIENCE, address, builder, ready};
use testbed::stripe::signature_header;

fn lines(service: &Service) -> Vec<Value> {
    let log = fs::read_to_string(service.log()).expect("log");
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["target"] == "bookend::request")
        .collect()
}

fn wait_for(service: &Service, count: usize) -> Vec<Value> {
    eventually(PATIENCE, "the lines are written", || {
        let found = lines(service);
        (found.len() >= count).then_some(found)
    })
}

#[test]
fn an_accepted_request_is_told_with_every_field_and_nothing_of_its_body() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = ready(
        dir.path(),
        builder(&topics)
            .env("STRIPE_WEBHOOK_SECRETS", format!("main={SECRET}"))
            .env("STRIPE_WEBHOOK_IPS", "127.0.0.1")
            .env("LINE_ONE_IN", "1"),
    );
    let body = String::from_utf8(event("evt_line", 3_000)).expect("text");
    let body = body.replace(
        "\"pad\":",
        "\"api_version\":\"2026-10-28.endive\",\"email\":\"ada@example.com\",\"pad\":",
    );
    let header = signature_header(&[SECRET], now() - 7, body.as_bytes(), false);
    let headers = format!(
        "Stripe-Signature: {header}\r\nUser-Agent: Stripe/1.0\r\nContent-Type: application/json\r\n"
    );
    let answer = send(
        address(&service),
        &request("POST", "/webhooks/stripe", &headers, body.as_bytes()),
    );
    assert_eq!(answer.status, 200);
    let found = wait_for(&service, 1);
    let line = &found[0];
    for (field, expected) in [
        ("outcome", "ok"),
        ("peer_net", "127.0.0.0/24"),
        ("agent", "stripe"),
        ("content_type", "json"),
        ("secret", "main"),
        ("event.id", "evt_line"),
        ("event.type", "payment_intent.created"),
        ("api_version", "2026-10-28.endive"),
    ] {
        assert_eq!(line[field], expected, "{line}");
    }
    assert_eq!(
        (&line["stripe_ip"], &line["livemode"]),
        (&true.into(), &false.into()),
        "{line}"
    );
    assert_eq!(
        (&line["status"], &line["size"]),
        (&200.into(), &4096.into()),
        "{line}"
    );
    assert_eq!(line["created"], 1_790_000_000, "{line}");
    assert!(
        line["skew_s"]
            .as_i64()
            .is_some_and(|skew| (7..60).contains(&skew)),
        "{line}"
    );
    assert!(
        line["head_ms"].is_number() && line["body_ms"].is_number(),
        "{line}"
    );
    assert!(
        line["partition"].is_number() && line["offset"] == 0,
        "{line}"
    );
    assert_eq!(line["headers"].as_str().map(str::len), Some(8), "{line}");
    assert_eq!(line["trace_id"].as_str().map(str::len), Some(32), "{line}");
    let log = fs::read_to_string(service.log()).expect("log");
    assert!(!log.contains("ada@example.com") && !log.contains(&header) && !log.contains("xxxx"));
}

#[test]
fn refused_requests_are_all_told_up_to_a_rate_and_the_counters_are_exact() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = ready(
        dir.path(),
        builder(&topics)
            .env("STRIPE_WEBHOOK_SECRETS", format!("main={SECRET}"))
            .env("LINES_A_SECOND", "5")
            .env("LINE_ONE_IN", "0"),
    );
    let to = address(&service);
    let began = std::time::Instant::now();
    for number in 0..60 {
        let forged = signed_by(OTHER, &event(&format!("evt_{number}"), 300));
        assert_eq!(send(to, &forged).status, 400);
    }
    assert_eq!(send(to, &signed(&event("evt_good", 300))).status, 200);
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("seconds") + 2;
    let metrics = service.get("/metrics").expect("metrics").1;
    let counted = |outcome: &str| {
        let label = format!("outcome=\"{outcome}\"");
        let line = metrics.lines().find(|line| {
            line.starts_with("bookend_webhook_received_total") && line.contains(&label)
        });
        line.and_then(|line| line.rsplit(' ').next())
            .map(str::to_owned)
    };
    for gauge in [
        "bookend_ingestor_held_bytes 0",
        "\nbookend_ingestor_places ",
    ] {
        assert!(metrics.contains(gauge), "{gauge}: {metrics}");
    }
    assert_eq!(counted("hmac_mismatch").as_deref(), Some("60"), "{metrics}");
    assert_eq!(counted("ok").as_deref(), Some("1"), "{metrics}");
    let found = lines(&service);
    assert!(
        found.len() <= 5 * seconds,
        "{} lines in {seconds} s",
        found.len()
    );
    assert!(!found.is_empty(), "no line at all");
    for line in &found {
        assert_eq!(
            (&line["outcome"], &line["event.id"]),
            (&"hmac_mismatch".into(), &Value::Null),
            "{line}"
        );
    }
}
