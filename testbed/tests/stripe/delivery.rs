//! Delivery without faults of our own: what counts as delivered, and what happens if not.

use std::time::Duration;

use testbed::stripe::{API_VERSION, DeliveryPolicy, FakeConfig, Story};

use crate::support::{Received, Reply, Sink, config, delivering, eventually, one, start};

#[tokio::test]
async fn every_event_is_posted_once_to_a_healthy_endpoint() {
    let sink = Sink::ok();
    let fake = delivering(&sink, 1);
    fake.create_bookings(&one(Story::FullRefund));
    eventually("idle", || fake.is_idle()).await;
    let mut sent = sink.ids();
    let mut made: Vec<_> = fake
        .events()
        .iter()
        .map(|e| e["id"].as_str().unwrap().to_owned())
        .collect();
    sent.sort();
    made.sort();
    assert_eq!(sent, made);
    let first = sink.received()[0].json();
    assert_eq!(first["api_version"], API_VERSION);
    assert!(first["data"]["object"].is_object());
    assert!(
        sink.received()[0].body.starts_with(b"{\n  \""),
        "indented like Stripe's"
    );
}

#[tokio::test]
async fn a_refused_event_comes_again_with_a_fresh_time_and_signature() {
    let sink = Sink::start(|n, _| Reply::Status(if n < 3 { 503 } else { 200 }));
    let fake = start(FakeConfig {
        target: Some(sink.url()),
        delivery: DeliveryPolicy {
            // Half a pause at the least: 200 + 400 + 800 ms, so that the second has changed.
            retry_base: Duration::from_millis(400),
            retry_cap: Duration::from_secs(60),
            ..config().delivery
        },
        ..config()
    });
    fake.create_bookings(&one(Story::Abandoned));
    eventually("accepted", || fake.is_idle()).await;
    let received = sink.received();
    assert_eq!(received.len(), 4);
    let times: Vec<i64> = received.iter().map(|r| r.parts().0).collect();
    assert!(times.first() < times.last(), "{times:?}");
    for request in &received {
        let (t, v1) = request.parts();
        let expected = fake.sign_with(fake.first_secret(), t, &request.body);
        assert_eq!(format!("t={t},v1={}", v1[0]), expected);
    }
}

#[tokio::test]
async fn pauses_between_retries_grow() {
    let sink = Sink::start(|n, _| Reply::Status(if n < 4 { 500 } else { 200 }));
    let fake = start(FakeConfig {
        target: Some(sink.url()),
        delivery: DeliveryPolicy {
            retry_base: Duration::from_millis(50),
            retry_cap: Duration::from_secs(60),
            ..config().delivery
        },
        ..config()
    });
    fake.create_bookings(&one(Story::Abandoned));
    eventually("accepted", || fake.is_idle()).await;
    let at: Vec<_> = sink.received().iter().map(|r| r.at).collect();
    // Nominally 25–50, 50–100, 100–200, 200–400 ms.
    assert!(at[4] - at[3] >= Duration::from_millis(200));
}

#[tokio::test]
async fn any_2xx_is_a_success_and_nothing_else_is() {
    for (status, again) in [
        (200, false),
        (204, false),
        (299, false),
        (400, true),
        (404, true),
        (410, true),
        (500, true),
    ] {
        let sink = Sink::start(move |n, _| Reply::Status(if n == 0 { status } else { 200 }));
        let fake = delivering(&sink, 1);
        fake.create_bookings(&one(Story::Abandoned));
        eventually("idle", || fake.is_idle()).await;
        assert_eq!(sink.received().len(), if again { 2 } else { 1 }, "{status}");
    }
}

#[tokio::test]
async fn redirects_are_failures_and_are_not_followed() {
    let elsewhere = Sink::ok();
    let port = elsewhere.port;
    let sink = Sink::start(move |n, _| match n {
        0 => Reply::RedirectTo(port),
        _ => Reply::Status(200),
    });
    let fake = delivering(&sink, 1);
    fake.create_bookings(&one(Story::Abandoned));
    eventually("idle", || fake.is_idle()).await;
    assert_eq!((sink.received().len(), elsewhere.received().len()), (2, 0));
    assert_eq!(fake.deliveries()[0].answers, [302, 200]);
}

#[tokio::test]
async fn no_answer_is_a_failure() {
    for reply in [Reply::Hangup, Reply::Silence] {
        let sink = Sink::start(move |n, _| if n == 0 { reply } else { Reply::Status(200) });
        let fake = start(FakeConfig {
            target: Some(sink.url()),
            delivery: DeliveryPolicy {
                timeout: Duration::from_secs(2),
                ..config().delivery
            },
            ..config()
        });
        fake.create_bookings(&one(Story::Abandoned));
        eventually("idle", || fake.is_idle()).await;
        assert_eq!(fake.deliveries()[0].answers, [0, 200], "{reply:?}");
    }
}

#[tokio::test]
async fn an_absent_endpoint_is_tried_again_until_it_is_there() {
    let fake = start(config());
    fake.create_bookings(&one(Story::Abandoned));
    eventually("tried in vain", || fake.stats().unanswered >= 2).await;
    let sink = Sink::ok();
    fake.set_target(Some(sink.url()));
    eventually("delivered", || fake.is_idle()).await;
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn after_three_days_it_is_never_sent_again() {
    let sink = Sink::start(|_, _| Reply::Status(500));
    let fake = start(FakeConfig {
        target: Some(sink.url()),
        delivery: DeliveryPolicy {
            retry_base: Duration::from_secs(3_600),
            retry_cap: Duration::from_secs(12 * 3_600),
            ..config().delivery
        },
        ..config()
    });
    fake.create_bookings(&one(Story::Abandoned));
    eventually("first attempt", || sink.received().len() == 1).await;
    fake.advance(Duration::from_secs(4_000));
    eventually("second attempt", || sink.received().len() == 2).await;
    for _ in 0..20 {
        fake.advance(Duration::from_secs(12 * 3_600));
        eventually("settled", || fake.is_idle() || fake.stats().in_flight == 1).await;
    }
    eventually("given up", || fake.stats().gave_up == 1).await;
    let attempts = sink.received().len();
    fake.advance(Duration::from_secs(10 * 86_400));
    assert!(fake.is_idle());
    assert_eq!(sink.received().len(), attempts);
}

#[tokio::test]
async fn pending_webhooks_is_zero_only_after_delivery() {
    let sink = Sink::ok();
    let fake = delivering(&sink, 1);
    fake.create_bookings(&one(Story::Abandoned));
    eventually("idle", || fake.is_idle()).await;
    let sent: Vec<Received> = sink.received();
    assert_eq!(sent[0].json()["pending_webhooks"], 1);
    assert_eq!(fake.events()[0]["pending_webhooks"], 0);
}
