//! The client of Stripe's API against servers that misbehave.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reconciler::stripe::{Client, Lister, Query, Settings, StripeError};
use shared::ids::AccountId;
use shared::windows::Window;
use testbed::stripe::{ApiFault, Fake, FakeConfig, FakeHandle, NewObjectEvent};

use crate::support::http::{Act, Server};
use crate::support::{intent, now, stripe_settings, unbounded};

fn client(servers: &[&Server]) -> Client {
    let bases = servers.iter().map(|server| server.url.clone()).collect();
    unbounded(stripe_settings(bases, "rk_test_x"))
}

#[tokio::test]
async fn every_call_names_key_version_and_account() {
    let server = Server::new(vec![Act::ok("{}")]).await;
    let account = AccountId::parse("acct_1").unwrap();
    client(&[&server])
        .get("/v1/x", &[("a[b]", "1".into())], Some(&account))
        .await
        .unwrap();
    let asked = server.asked().concat().to_lowercase();
    assert!(asked.starts_with("get /v1/x?a%5bb%5d=1 "), "{asked}");
    assert!(asked.contains("authorization: bearer rk_test_x\r\n"));
    assert!(asked.contains("stripe-version: 2026-10-28.endive\r\n"));
    assert!(asked.contains("stripe-account: acct_1\r\n"));
}

#[tokio::test]
async fn absent_server_sends_us_to_the_next_address_and_back() {
    let gone = Server::new(vec![Act::json("503 Service Unavailable", "", "{}")]).await;
    let there = Server::new(vec![Act::ok("{\"a\":1}")]).await;
    let reply = client(&[&gone, &there])
        .get("/v1/x", &[], None)
        .await
        .unwrap();
    assert_eq!(reply.body, b"{\"a\":1}");
    assert_eq!((gone.asked().len(), there.asked().len()), (1, 1));
}

#[tokio::test]
async fn refused_connection_sends_us_to_the_next_address() {
    let there = Server::new(vec![Act::ok("{}")]).await;
    // Port 1 of the loopback has no listener.
    let bases = vec!["http://127.0.0.1:1".to_owned(), there.url.clone()];
    let client = unbounded(stripe_settings(bases, "rk_test_x"));
    client.get("/v1/x", &[], None).await.unwrap();
}

#[tokio::test]
async fn truncated_and_cut_answers_are_asked_for_again() {
    let server = Server::new(vec![
        Act::ok("{\"data\":[{\"id\":"),
        Act::Cut,
        Act::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"short\":1}".to_vec()),
        Act::ok("{}"),
    ])
    .await;
    let reply = client(&[&server]).get("/v1/x", &[], None).await.unwrap();
    assert_eq!(
        (reply.body.as_slice(), server.asked().len()),
        (b"{}".as_slice(), 4)
    );
}

#[tokio::test]
async fn stripes_no_ends_the_attempts_at_once() {
    let no = Act::json(
        "500 Oops",
        "Stripe-Should-Retry: false\r\n",
        "{\"error\":{\"code\":\"x\"}}",
    );
    let server = Server::new(vec![no]).await;
    let error = client(&[&server])
        .get("/v1/x", &[], None)
        .await
        .unwrap_err();
    assert!(matches!(&error, StripeError::Refused { status: 500, kind, .. } if kind == "x"));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn rate_limit_is_waited_for_as_long_as_stripe_asks() {
    let slow = "Stripe-Rate-Limited-Reason: endpoint-rate\r\nRetry-After: 1\r\n";
    let server = Server::new(vec![Act::json("429 Slow", slow, "{}"), Act::ok("{}")]).await;
    let started = Instant::now();
    client(&[&server]).get("/v1/x", &[], None).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn attempts_on_a_server_that_fails_for_ever_are_bounded() {
    let server = Server::new(vec![Act::json("500 Oops", "", "no json")]).await;
    let error = client(&[&server])
        .get("/v1/x", &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, StripeError::Refused { status: 500, .. }));
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn redirect_is_never_followed_and_takes_the_key_nowhere() {
    let thief = Server::new(vec![Act::ok("{}")]).await;
    let location = format!("Location: {}/v1/x\r\n", thief.url);
    let server = Server::new(vec![Act::json("307 Moved", &location, "")]).await;
    let error = client(&[&server])
        .get("/v1/x", &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, StripeError::Refused { status: 307, .. }));
    assert_eq!((server.asked().len(), thief.asked().len()), (1, 0));
}

#[tokio::test]
async fn answer_beyond_its_bound_is_refused_and_not_asked_for_again() {
    let server = Server::new(vec![Act::ok(&format!("\"{}\"", "x".repeat(2_000)))]).await;
    let settings = Settings {
        body_limit: 1_000,
        ..stripe_settings(vec![server.url.clone()], "rk_test_x")
    };
    let error = unbounded(settings)
        .get("/v1/x", &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, StripeError::TooLarge { limit: 1_000 }) && error.is_permanent());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn silent_server_costs_one_timeout_an_attempt_and_no_more() {
    let server = Server::new(vec![Act::Silence]).await;
    let settings = Settings {
        timeout: Duration::from_millis(200),
        attempts: 2,
        ..stripe_settings(vec![server.url.clone()], "rk_test_x")
    };
    let started = Instant::now();
    let error = unbounded(settings)
        .get("/v1/x", &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, StripeError::Unreachable(_)));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn errors_tell_neither_the_key_nor_the_address() {
    let bases = vec!["http://127.0.0.1:1".to_owned()];
    let settings = Settings {
        attempts: 1,
        ..stripe_settings(bases, "rk_test_canary")
    };
    let error = unbounded(settings)
        .get("/v1/x", &[], None)
        .await
        .unwrap_err();
    let told = format!("{error:?} {}", shared::error::chain(&error));
    assert!(
        !told.contains("canary") && !told.contains("127.0.0.1:1/"),
        "{told}"
    );
}

fn fake_with(events: usize, created: i64) -> FakeHandle {
    let fake = Fake::start(FakeConfig::default()).unwrap();
    for n in 0..events {
        fake.add_event(&NewObjectEvent {
            kind: "payment_intent.created".to_owned(),
            object: intent(&format!("pi_{n}"), "processing", n),
            previous_attributes: None,
            created: Some(created),
            id: None,
            account: None,
            deliver: false,
        });
    }
    fake
}

async fn list(fake: &FakeHandle, window: Window) -> Result<Vec<String>, StripeError> {
    let client = unbounded(stripe_settings(vec![fake.url()], fake.api_key()));
    let query = Query {
        account: None,
        window,
        types: &[],
        delivered: None,
        max_events: 10_000,
    };
    let (mut lister, mut ids) = (Lister::new(&client, query), Vec::new());
    while let Some(page) = lister.next_page().await? {
        for event in page {
            let value: serde_json::Value = serde_json::from_slice(&event.raw).unwrap();
            assert_eq!(value["id"], event.id.as_str());
            ids.push(event.id.to_string());
        }
    }
    Ok(ids)
}

#[tokio::test]
async fn second_with_more_events_than_a_page_is_listed_whole_and_once() {
    let created = now() - 100;
    let fake = fake_with(250, created);
    let ids = list(&fake, Window::new(created, created + 1).unwrap())
        .await
        .unwrap();
    let truth: BTreeSet<String> = fake
        .events()
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 250);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), truth);
}

#[tokio::test]
async fn window_leaves_out_its_end_and_takes_in_its_begin() {
    let created = now() - 100;
    let fake = fake_with(3, created);
    let of = |from, to| Window::new(created + from, created + to).unwrap();
    assert_eq!(list(&fake, of(0, 1)).await.unwrap().len(), 3);
    assert_eq!(list(&fake, of(-9, 0)).await.unwrap().len(), 0);
    assert_eq!(list(&fake, of(1, 9)).await.unwrap().len(), 0);
}

#[tokio::test]
async fn fault_in_the_middle_of_a_walk_skips_nothing() {
    let created = now() - 100;
    let fake = fake_with(250, created);
    for status in [500, 409, 503] {
        fake.add_api_fault(ApiFault {
            status,
            rate_limited_reason: None,
            should_retry: None,
            retry_after_s: None,
            times: 1,
            ..ApiFault::default()
        });
    }
    let ids = list(&fake, Window::new(created, created + 1).unwrap())
        .await
        .unwrap();
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), 250);
}
