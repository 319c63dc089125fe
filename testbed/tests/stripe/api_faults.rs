//! What the API can do wrong on demand, and who may ask it at all.

use serde_json::json;
use testbed::stripe::{ApiFault, Cut, Story};

use crate::support::{answer, config, get, one, start};

fn fault(status: u16) -> ApiFault {
    ApiFault {
        status,
        ..ApiFault::default()
    }
}

#[tokio::test]
async fn without_the_key_everything_is_refused() {
    let fake = start(config());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/events", fake.url());
    let none = answer(client.get(&url)).await;
    let wrong = answer(client.get(&url).bearer_auth("rk_test_other")).await;
    let basic = answer(client.get(&url).basic_auth(fake.api_key(), Some(""))).await;
    assert_eq!((none.status, wrong.status, basic.status), (401, 401, 200));
    assert_eq!(none.body["error"]["type"], "invalid_request_error");
    assert!(none.headers.contains_key("request-id"));
    assert!(
        !wrong.message().contains("rk_test_other"),
        "keys are not echoed"
    );
}

#[tokio::test]
async fn rate_limits_come_with_their_reason_or_without() {
    let fake = start(config());
    fake.add_api_fault(ApiFault {
        rate_limited_reason: Some("endpoint-rate".to_owned()),
        times: 2,
        ..fault(429)
    });
    fake.add_api_fault(fault(429));
    for _ in 0..2 {
        let limited = get(&fake, "/v1/events").await;
        assert_eq!(limited.status, 429);
        assert_eq!(
            limited.headers["stripe-rate-limited-reason"],
            "endpoint-rate"
        );
    }
    let locked = get(&fake, "/v1/events").await;
    assert_eq!(
        (locked.status, &locked.body["error"]["code"]),
        (429, &json!("lock_timeout"))
    );
    assert!(!locked.headers.contains_key("stripe-rate-limited-reason"));
    assert_eq!(get(&fake, "/v1/events").await.status, 200);
}

#[tokio::test]
async fn server_errors_say_whether_to_retry() {
    let fake = start(config());
    fake.add_api_fault(fault(500));
    fake.add_api_fault(ApiFault {
        should_retry: Some(true),
        ..fault(503)
    });
    fake.add_api_fault(ApiFault {
        should_retry: Some(false),
        retry_after_s: Some(2),
        ..fault(503)
    });
    let plain = get(&fake, "/v1/events").await;
    assert_eq!(
        (plain.status, &plain.body["error"]["type"]),
        (500, &json!("api_error"))
    );
    assert!(!plain.headers.contains_key("stripe-should-retry"));
    assert_eq!(
        get(&fake, "/v1/events").await.headers["stripe-should-retry"],
        "true"
    );
    let last = get(&fake, "/v1/events").await;
    assert_eq!(last.headers["stripe-should-retry"], "false");
    assert_eq!(last.headers["retry-after"], "2");
}

#[tokio::test]
async fn request_ids_differ_and_the_date_is_the_fakes() {
    let fake = start(config());
    fake.create_bookings(&one(Story::Paid));
    let first = get(&fake, "/v1/events").await;
    fake.advance(std::time::Duration::from_secs(86_400));
    let second = get(&fake, "/v1/events").await;
    assert_ne!(first.headers["request-id"], second.headers["request-id"]);
    assert_ne!(first.headers["date"], second.headers["date"]);
    assert_eq!(second.headers.get_all("date").iter().count(), 1);
}

#[tokio::test]
async fn nothing_can_be_written() {
    let fake = start(config());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/refunds", fake.url());
    let refused = answer(client.post(url).bearer_auth(fake.api_key())).await;
    assert_eq!(refused.status, 404);
    assert!(refused.message().contains("POST"));
}

#[tokio::test]
async fn a_slow_answer_is_the_right_one_only_later() {
    let fake = start(config());
    fake.create_bookings(&one(Story::Paid));
    let right = get(&fake, "/v1/events").await.body;
    fake.add_api_fault(ApiFault {
        slow_ms: 300,
        ..ApiFault::default()
    });
    let began = std::time::Instant::now();
    assert_eq!(get(&fake, "/v1/events").await.body, right);
    assert!(began.elapsed().as_millis() >= 300);
}

#[tokio::test]
async fn a_truncated_or_reset_answer_is_no_answer_and_the_next_is() {
    let fake = start(config());
    fake.create_bookings(&one(Story::Paid));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/events", fake.url());
    for cut in [Cut::Truncated, Cut::Reset] {
        fake.add_api_fault(ApiFault {
            cut: Some(cut),
            ..ApiFault::default()
        });
        let request = client.get(&url).bearer_auth(fake.api_key());
        let broken = async { request.send().await?.bytes().await };
        assert!(broken.await.is_err(), "{cut:?}");
        assert_eq!(get(&fake, "/v1/events").await.status, 200);
    }
}

#[tokio::test]
async fn a_repeated_page_is_the_page_before_whatever_was_asked() {
    let fake = start(config());
    fake.create_bookings(&one(Story::Paid));
    let first = get(&fake, "/v1/events?limit=2").await;
    let next = format!("/v1/events?limit=2&starting_after={}", first.ids()[1]);
    fake.add_api_fault(ApiFault {
        repeats_page: true,
        ..ApiFault::default()
    });
    assert_eq!(get(&fake, &next).await.ids(), first.ids());
    assert_ne!(get(&fake, &next).await.ids(), first.ids());
}
