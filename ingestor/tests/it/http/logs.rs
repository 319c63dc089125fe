//! What a real process writes into its log, with everything switched on, when strangers choose
//! the words.

use std::fs;

use serde_json::Value;
use testbed::services::Service;
use testbed::stripe::signature_header;
use testbed::testing::TestTopics;

use super::{PATH, exchange, posted, status};
use crate::client::{OTHER, SECRET, event, now, request, send, signature};
use crate::process::{address, builder, ready};

fn tracing_everything(dir: &std::path::Path, topics: &TestTopics) -> Service {
    let secret = format!("main={SECRET}");
    let service = builder(topics).env("STRIPE_WEBHOOK_SECRETS", &secret);
    ready(dir, service.env("RUST_LOG", "trace"))
}

/// The log after an orderly end; each line is one JSON object.
fn log_of(mut service: Service) -> String {
    service.terminate().expect("ended");
    let log = fs::read_to_string(service.log()).expect("text");
    for line in log.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(parsed.is_object(), "{line}");
    }
    assert!(log.contains(r#""level":"TRACE""#), "nothing is logged");
    log
}

#[test]
fn whatever_a_signed_event_calls_itself_each_line_of_the_log_is_one_object() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = tracing_everything(dir.path(), &topics);
    let to = address(&service);
    let odd = [
        r#"x\n{\"level\":\"ERROR\",\"message\":\"forged\"}"#,
        r"\u001b[2J\u001b[31m",
        r"x\r\n\u0000\u0008\u009b",
        r"\u2028\u2029\u202e",
        r"'; DROP TABLE events; --",
        "%s%n${jndi:ldap://x}",
    ];
    for text in odd {
        let fields = [
            format!(r#""id":"evt_1","type":"{text}""#),
            format!(r#""id":"evt_{text}","type":"charge.updated""#),
            format!(r#""id":"evt_1","type":"charge.updated","account":"{text}""#),
        ];
        for field in fields {
            let body = format!(
                r#"{{{field},"object":"event","created":1790000000,"livemode":false,"data":{{"object":{{"id":"ch_1","object":"charge","metadata":{{"booking_id":"{text}"}}}}}}}}"#
            );
            let signed = posted(&signature(SECRET, body.as_bytes()), body.as_bytes());
            assert_eq!(send(to, &signed).status, 200, "{body}");
        }
    }
    let log = log_of(service);
    assert!(
        !log.contains('\u{1b}') && !log.contains('\u{9b}'),
        "an escape is in the log"
    );
    let forged = log.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["message"] == "forged"
    });
    assert_eq!(forged.count(), 0);
}

#[test]
fn whatever_a_stranger_sends_each_line_of_the_log_is_one_object() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = tracing_everything(dir.path(), &topics);
    let odd = "\u{1b}[2J\u{9b}1m{\"level\":\"ERROR\"}";
    let requests = [
        request(
            "POST",
            PATH,
            &format!("Stripe-Signature: {odd}\r\n"),
            odd.as_bytes(),
        ),
        request("POST", PATH, &format!("User-Agent: {odd}\r\n"), b"{}"),
        request("GET", &format!("/{odd}"), "", b""),
        request(odd, PATH, "", b""),
        format!("{odd}\r\n\r\n").into_bytes(),
        format!("POST {PATH} HTTP/1.1\r\n{odd}: 1\r\n\r\n").into_bytes(),
    ];
    for request in requests {
        let told = exchange(address(&service), &request);
        assert_ne!(status(&told), Some(200), "{told}");
    }
    let log = log_of(service);
    assert!(
        !log.contains('\u{1b}') && !log.contains('\u{9b}'),
        "an escape is in the log"
    );
}

#[test]
fn no_secret_body_signature_or_address_is_logged_even_when_everything_is() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let service = tracing_everything(dir.path(), &topics);
    let to = address(&service);
    let marked = |id: &str| {
        format!(
            r#"{{"id":"{id}","object":"event","type":"charge.updated","created":1790000000,"livemode":false,"data":{{"object":{{"id":"ch_1","object":"charge","description":"marker_of_the_body","billing_details":{{"email":"jenny.rosen@example.invalid"}}}}}}}}"#
        )
    };
    let (good, bad) = (marked("evt_seen"), marked("evt_seen").replace('}', ""));
    let genuine = signature(SECRET, good.as_bytes());
    let old = signature_header(&[SECRET], now() - 1_000, good.as_bytes(), false);
    let forged = signature(OTHER, good.as_bytes());
    for (header, body, expected) in [
        (&genuine, &good, 200),
        (&signature(SECRET, bad.as_bytes()), &bad, 200),
        (&forged, &good, 400),
        (&old, &good, 400),
        (&format!("{genuine},t=1"), &good, 400),
    ] {
        assert_eq!(send(to, &posted(header, body.as_bytes())).status, expected);
    }
    let in_path = format!(
        "/{}?email=jenny.rosen@example.invalid",
        "marker_of_the_body"
    );
    assert_eq!(send(to, &request("GET", &in_path, "", b"")).status, 404);
    assert_eq!(
        send(
            to,
            &request("POST", PATH, "", &event("marker_of_the_body", 300))
        )
        .status,
        400
    );
    let log = log_of(service);
    // What may be logged is: the test would see what is not.
    assert!(log.contains("evt_seen"), "the event's id is not logged");
    let macs = [&genuine, &forged, &old].map(|header| {
        let mac = header.split("v1=").nth(1).expect("a MAC");
        mac.to_owned()
    });
    let hidden = [
        SECRET,
        &SECRET[6..],
        "marker_of_the_body",
        "jenny.rosen",
        "example.invalid",
    ];
    for hidden in hidden.into_iter().chain(macs.iter().map(String::as_str)) {
        let line = log.lines().find(|line| line.contains(hidden));
        assert_eq!(line, None, "{hidden} is logged");
    }
}
