//! What the public port tells whom: methods, paths, headers and bodies of answers.

use super::{PATH, exchange, posted, refusing, status};
use crate::client::{OTHER, event, request, send, signature, signed};

/// Every body of an answer that there is.
const BODIES: [&str; 7] = [
    "",
    "refused\n",
    "too slow\n",
    "too large\n",
    "not stored, send again\n",
    "POST only\n",
    "nothing here\n",
];

#[test]
fn other_methods_than_post_are_refused_on_the_route() {
    let stand = refusing();
    let body = event("evt_1", 300);
    for method in [
        "TRACE", "PUT", "GET", "DELETE", "PATCH", "OPTIONS", "PROPFIND",
    ] {
        let headers = format!(
            "Stripe-Signature: {}\r\n",
            signature(crate::client::SECRET, &body)
        );
        let answer = send(stand.address, &request(method, PATH, &headers, &body));
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("\r\nallow: post"), "{}", answer.head);
        // A TRACE that echoes would show what a proxy added.
        assert_eq!(answer.body, "POST only\n", "{method}");
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn nothing_else_is_found_on_the_public_port() {
    let stand = refusing();
    let paths = [
        "/",
        "/metrics",
        "/admin",
        "/debug",
        "/debug/pprof",
        "/healthz",
        "/livez",
        "/readyz",
        "/.env",
        "/webhooks",
        "/webhooks/stripe/",
        "//webhooks/stripe",
        "/webhooks//stripe",
        "/webhooks/stripe/..",
        "/WEBHOOKS/STRIPE",
        "/%2e%2e/metrics",
        "/webhooks/stripe%00",
        "http://localhost/metrics",
    ];
    for path in paths {
        for method in ["GET", "POST"] {
            let answer = send(stand.address, &request(method, path, "", b""));
            assert_eq!(
                (answer.status, &*answer.body),
                (404, "nothing here\n"),
                "{path}"
            );
        }
    }
    assert_eq!(stand.appends(), 0);
}

#[test]
fn no_answer_names_the_server_or_repeats_the_request() {
    let (stand, body) = (refusing(), event("evt_marker", 300));
    let forged = posted(&signature(OTHER, &body), &body);
    let requests = [
        signed(&body),
        forged,
        request("POST", PATH, "Stripe-Signature: marker\r\n", &body),
        request("GET", "/marker", "X-Marker: marker\r\n", b""),
        request("TRACE", PATH, "X-Marker: marker\r\n", b""),
        b"GET /marker HTTP/9.9\r\n\r\n".to_vec(),
        b"marker marker marker\r\n\r\n".to_vec(),
        b"POST /webhooks/stripe HTTP/1.1\r\nContent-Length: marker\r\n\r\n".to_vec(),
        format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n").into_bytes(),
        format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nmarker").into_bytes(),
    ];
    for request in requests {
        let answer = exchange(stand.address, &request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect(&shown);
        let head = head.to_lowercase();
        for named in ["server:", "x-powered-by", "actix", "marker", "via:"] {
            assert!(!head.contains(named), "{shown}: {head}");
        }
        assert!(BODIES.contains(&body), "{shown}: {body:?}");
        let allowed = [400, 404, 405, 408, 413, 431, 503, 505];
        let status = status(&answer).expect(&shown);
        assert!(allowed.contains(&status), "{shown}: {status}");
    }
}
