//! Requests whose length two readers may see differently. The marker behind or inside each is a
//! genuine request: if it were handled, the log would be asked.

use super::vectors::vectors;
use super::{exchange, kept_open};
use crate::client::{SECRET, event};
use crate::stand::{Log, Stand};

#[test]
fn no_request_of_two_readings_lets_another_through() {
    let stand = Stand::keeping(Log::Failing, "nowhere");
    let marker = kept_open(SECRET, &event("evt_marker", 300));
    // By itself it is handled, over and over: what follows can fail.
    let twice = [&marker[..], &marker, b"GET /end HTTP/1.1\r\n\r\n"].concat();
    assert_eq!(
        exchange(stand.address, &twice)
            .matches("HTTP/1.1 503")
            .count(),
        2
    );
    assert_eq!(stand.appends(), 2);

    let mut failures = Vec::new();
    for vector in vectors(&marker) {
        let before = stand.appends();
        let answer = exchange(stand.address, &vector.bytes);
        let refused = statuses(&answer)
            .iter()
            .all(|status| [100, 400, 404, 405, 408, 413, 431, 501, 505].contains(status));
        if !refused || stand.appends() != before {
            failures.push(format!("{}: {answer:?}", vector.name));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(stand.counts().get("publish_failed"), Some(&2));
}

/// Of every answer on the connection.
fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.").skip(1);
    lines
        .filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
        .collect()
}

#[test]
fn what_follows_a_malformed_request_on_its_connection_is_never_read() {
    let stand = Stand::keeping(Log::Failing, "nowhere");
    let marker = kept_open(SECRET, &event("evt_marker", 300));
    let (mut failures, mut malformed) = (Vec::new(), 0);
    for vector in vectors(b"GET /inner HTTP/1.1\r\nHost: localhost\r\n\r\n") {
        let before = stand.appends();
        let answer = exchange(stand.address, &[vector.bytes, marker.clone()].concat());
        // Its own refusals have a body.
        if !answer.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-length: 0") {
            continue;
        }
        malformed += 1;
        if statuses(&answer) != [400] || stand.appends() != before {
            failures.push(format!("{}: {answer:?}", vector.name));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(malformed > 30, "only {malformed} were malformed");
}

#[test]
fn what_follows_a_refused_request_on_its_connection_is_never_served() {
    let stand = Stand::keeping(Log::Failing, "nowhere");
    let forged = kept_open(crate::client::OTHER, &event("evt_forged", 300));
    let genuine = kept_open(SECRET, &event("evt_marker", 300));
    let answer = exchange(stand.address, &[forged, genuine].concat());
    assert!(
        statuses(&answer).iter().all(|status| *status == 400),
        "{answer}"
    );
    assert_eq!(stand.appends(), 0);
}

#[test]
fn the_body_of_a_request_that_finds_no_place_is_no_request() {
    let stand = Stand::full();
    let inner = kept_open(SECRET, &event("evt_marker", 300));
    let answer = exchange(stand.address, &kept_open(SECRET, &inner));
    assert_eq!(statuses(&answer), [503]);
    assert_eq!(stand.counts().get("overloaded"), Some(&1));
}
