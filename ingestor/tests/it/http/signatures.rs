//! Headers, bodies and MACs that are not as Stripe makes them.

use testbed::stripe::signature_header;
use testbed::testing::TestTopics;

use super::{PATH, exchange, posted, refusing, status, stored};
use crate::client::{OTHER, SECRET, connect, event, now, request, send, signature};
use crate::stand::{Log, Stand, kafka};
use crate::topic::records;

/// The signature's only item with this key.
fn item<'h>(header: &'h str, key: &str) -> &'h str {
    let mut values = header.split(',').filter_map(|item| item.strip_prefix(key));
    values.next().expect("the item")
}

/// `t` and `v1` of a good header for `body`.
fn parts(body: &[u8]) -> (String, String) {
    let header = signature(SECRET, body);
    (
        item(&header, "t=").to_owned(),
        item(&header, "v1=").to_owned(),
    )
}

#[test]
fn a_post_without_the_header_is_refused() {
    let stand = refusing();
    let answer = send(
        stand.address,
        &request("POST", PATH, "", &event("evt_1", 300)),
    );
    assert_eq!((answer.status, &*answer.body), (400, "refused\n"));
    assert_eq!(stand.appends(), 0);
}

#[test]
fn other_schemes_than_v1_are_no_signature() {
    let (stand, body) = (refusing(), event("evt_1", 300));
    let (t, mac) = parts(&body);
    for scheme in ["v0", "v2", "V1", "v1 ", " v1", "v10", "1"] {
        let answer = send(
            stand.address,
            &posted(&format!("t={t},{scheme}={mac}"), &body),
        );
        assert_eq!(answer.status, 400, "{scheme}");
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn a_good_signature_counts_wherever_it_stands_among_others() {
    let (stand, body) = (refusing(), event("evt_1", 300));
    let (t, mac) = parts(&body);
    let zeros = "0".repeat(64);
    let headers = [
        format!("t={t},v1={mac}"),
        format!("v1={mac},t={t}"),
        format!("v0={zeros},t={t},v1={mac}"),
        format!("t={t},v1={zeros},v1={mac},v0={mac}"),
        format!("t={t},v1={mac},v1={zeros}"),
        format!("t={t},v1=potato,v1={mac},v2={zeros}"),
    ];
    for header in &headers {
        let answer = send(stand.address, &posted(header, &body));
        // The signature held: it came as far as the log, which said no.
        assert_eq!(answer.status, 503, "{header}");
    }
    assert_eq!(stand.appends(), headers.len());
}

#[test]
fn two_signature_headers_are_refused_whichever_is_good() {
    let (stand, body) = (refusing(), event("evt_1", 300));
    let good = signature(SECRET, &body);
    let bad = signature(OTHER, &body);
    for (first, second) in [(&good, &good), (&good, &bad), (&bad, &good)] {
        let headers = format!("Stripe-Signature: {first}\r\nstripe-signature: {second}\r\n");
        let answer = send(stand.address, &request("POST", PATH, &headers, &body));
        assert_eq!(answer.status, 400);
        // As some proxies join them.
        let answer = send(stand.address, &posted(&format!("{first}, {second}"), &body));
        assert_eq!(answer.status, 400);
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn a_signature_header_that_is_too_long_is_refused() {
    let (stand, body) = (refusing(), event("evt_1", 300));
    let good = signature(SECRET, &body);
    let padded = |bytes: usize| format!("{good},x={}", "y".repeat(bytes - good.len() - 3));
    assert_eq!(
        send(stand.address, &posted(&padded(4_096), &body)).status,
        503
    );
    assert_eq!(
        send(stand.address, &posted(&padded(4_097), &body)).status,
        400
    );
    assert_eq!(stand.appends(), 1);
}

#[test]
fn a_signature_header_of_too_many_items_is_refused() {
    let (stand, body) = (refusing(), event("evt_1", 300));
    let good = signature(SECRET, &body);
    let more = |items: usize| format!("{good}{}", ",x".repeat(items));
    assert_eq!(send(stand.address, &posted(&more(14), &body)).status, 503);
    assert_eq!(send(stand.address, &posted(&more(15), &body)).status, 400);
    assert_eq!(stand.appends(), 1);
}

#[test]
fn a_signature_header_that_is_not_ascii_is_refused() {
    let (stand, body) = (refusing(), event("evt_1", 300));
    let good = signature(SECRET, &body);
    for odd in ["é", "\u{a0}", "１"] {
        let answer = send(stand.address, &posted(&format!("{good},x={odd}"), &body));
        assert_eq!(answer.status, 400, "{odd}");
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn every_flipped_bit_of_a_body_is_refused() {
    let (stand, body) = (refusing(), event("evt_1", 150));
    let header = signature(SECRET, &body);
    for bit in 0..body.len() * 8 {
        let mut other = body.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            send(stand.address, &posted(&header, &other)).status,
            400,
            "bit {bit}"
        );
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn every_flipped_bit_of_a_mac_is_refused() {
    let (stand, body) = (refusing(), event("evt_1", 150));
    let (t, mac) = parts(&body);
    let mac = (0..32).map(|at| u8::from_str_radix(&mac[at * 2..at * 2 + 2], 16).expect("hex"));
    let mac: Vec<u8> = mac.collect();
    for bit in 0..mac.len() * 8 {
        let mut other = mac.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let hex: String = other.iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = send(stand.address, &posted(&format!("t={t},v1={hex}"), &body));
        assert_eq!(answer.status, 400, "bit {bit}");
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn a_time_that_is_not_the_signed_one_is_refused() {
    let (stand, body) = (refusing(), event("evt_1", 300));
    let (t, mac) = parts(&body);
    let t: i64 = t.parse().expect("seconds");
    for other in [t - 1, t + 1, -t, 0] {
        let answer = send(
            stand.address,
            &posted(&format!("t={other},v1={mac}"), &body),
        );
        assert_eq!(answer.status, 400, "{other}");
    }
    let ahead = signature_header(&[SECRET], now() + 400, &body, false);
    assert_eq!(send(stand.address, &posted(&ahead, &body)).status, 400);
    assert_eq!(stand.appends(), 0);
}

#[test]
fn the_same_bytes_a_thousand_times_are_taken_a_thousand_times() {
    let topics = TestTopics::create();
    let stand = Stand::keeping(kafka(&topics, true), &topics.events);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let mut stream = connect(stand.address);
                let body = event("evt_again", 300);
                (0..100).for_each(|_| stored(&mut stream, &body));
            });
        }
    });
    // Deduplication is the ledger's: each copy is evidence of a delivery.
    assert_eq!(records(&topics).len(), 1_000);
}

#[test]
fn events_of_the_other_mode_and_of_other_accounts_are_stored() {
    let topics = TestTopics::create();
    let stand = Stand::start(kafka(&topics, true), &topics.events);
    let bodies = [
        r#"{"id":"evt_live","object":"event","type":"charge.refunded","created":1790000000,"livemode":true,"data":{"object":{"id":"ch_1","object":"charge"}}}"#,
        r#"{"id":"evt_acct","object":"event","account":"acct_1","type":"charge.refunded","created":1790000000,"livemode":false,"data":{"object":{"id":"ch_1","object":"charge"}}}"#,
    ];
    for body in bodies {
        let signed = posted(&signature(SECRET, body.as_bytes()), body.as_bytes());
        assert_eq!(
            status(&exchange(stand.address, &signed)),
            Some(200),
            "{body}"
        );
    }
    assert_eq!(records(&topics).len(), bodies.len());
}

#[test]
fn ten_thousand_forged_requests_ask_the_log_nothing() {
    let stand = Stand::start(Log::Failing, "nowhere");
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let to = stand.address;
            scope.spawn(move || {
                for number in 0..2_500 {
                    let body = event(&format!("evt_{sender}_{number}"), 300);
                    let forged = posted(&signature(OTHER, &body), &body);
                    assert_eq!(send(to, &forged).status, 400);
                }
            });
        }
    });
    assert_eq!(stand.appends(), 0);
    assert_eq!(stand.counts().get("hmac_mismatch"), Some(&10_000));
}
