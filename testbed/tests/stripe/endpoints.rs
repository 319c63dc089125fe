//! Webhook endpoints: made, changed, disabled and deleted through the API; several at once.

use serde_json::{Value, json};
use testbed::stripe::{FakeHandle, NewObjectEvent, Story, signature_header};

use crate::support::{
    Answer, Reply, Sink, answer, config, delivering, eventually, get, one, start,
};

const FIRST: &str = "we_1MrgZlJDPojXS6LNrp4lFpKh";

async fn write(fake: &FakeHandle, method: &str, path: &str, form: &str) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .request(
            method.parse().unwrap(),
            format!("{}/v1/webhook_endpoints{path}", fake.url()),
        )
        .bearer_auth(fake.api_key())
        .body(form.to_owned());
    answer(request).await
}

async fn created(fake: &FakeHandle, url: &str, more: &str) -> Value {
    let url = url.replace(':', "%3A").replace('/', "%2F");
    let form = format!("url={url}&enabled_events[0]=*{more}");
    let made = write(fake, "POST", "", &form).await;
    assert_eq!(made.status, 200, "{}", made.body);
    made.body
}

#[tokio::test]
async fn an_endpoint_is_made_shown_changed_and_deleted() {
    let fake = start(config());
    let made = created(&fake, "http://127.0.0.1:1/a", "&description=second").await;
    let id = made["id"].as_str().unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("/v1/webhook_endpoints/{id}");
    let shown = get(&fake, &path).await.body;
    assert_eq!(
        (&shown["status"], &shown["description"]),
        (&json!("enabled"), &json!("second"))
    );
    assert!(shown.get("secret").is_none(), "told once only");
    let below = format!("/{id}");
    let changed = write(
        &fake,
        "POST",
        &below,
        "disabled=true&enabled_events[]=charge.*",
    )
    .await;
    assert_eq!(changed.body["status"], "disabled");
    assert_eq!(changed.body["enabled_events"], json!(["charge.*"]));
    assert_eq!(get(&fake, "/v1/webhook_endpoints").await.ids(), [id]);
    assert_eq!(
        write(&fake, "DELETE", &below, "").await.body["deleted"],
        true
    );
    assert_eq!(get(&fake, &path).await.status, 404);
    for (form, param) in [("", "url"), ("url=x", "enabled_events"), ("urll=x", "urll")] {
        let refused = write(&fake, "POST", "", form).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["param"]),
            (400, &json!(param))
        );
    }
}

#[tokio::test]
async fn delivery_success_is_told_only_when_every_endpoint_has_taken_it() {
    let first = Sink::ok();
    let second = Sink::start(|n, _| Reply::Status(if n == 0 { 500 } else { 503 }));
    let fake = delivering(&first, 1);
    let made = created(&fake, &second.url(), "").await;
    fake.create_bookings(&one(Story::Abandoned));
    eventually("both were asked", || {
        !first.received().is_empty() && second.received().len() > 2
    })
    .await;
    let all = get(&fake, "/v1/events").await.ids();
    let success = |wanted: bool| format!("/v1/events?delivery_success={wanted}");
    assert_eq!(get(&fake, &success(true)).await.ids(), [""; 0]);
    assert_eq!(get(&fake, &success(false)).await.ids(), all);
    let pending = &get(&fake, "/v1/events").await.body["data"][0]["pending_webhooks"];
    assert_eq!(pending, 1);
    // Each signs with its own secret.
    let (to_second, secret) = (&second.received()[0], made["secret"].as_str().unwrap());
    let expected = signature_header(&[secret], to_second.parts().0, &to_second.body, false);
    assert_eq!(to_second.signature, expected);
}

#[tokio::test]
async fn pending_webhooks_falls_from_one_rendering_to_the_next() {
    let (first, second) = (
        Sink::ok(),
        Sink::start(|n, _| Reply::Status(if n < 2 { 500 } else { 200 })),
    );
    let fake = delivering(&first, 1);
    created(&fake, &second.url(), "").await;
    fake.create_bookings(&one(Story::Abandoned));
    eventually("delivered", || fake.is_idle()).await;
    let told: Vec<u64> = second
        .received()
        .iter()
        .map(|request| request.json()["pending_webhooks"].as_u64().unwrap())
        .collect();
    assert_eq!(told.first().zip(told.last()), Some((&told[0], &1)));
    assert!(told[0] >= 1, "{told:?}");
    let listed = &get(&fake, "/v1/events").await.body["data"][0]["pending_webhooks"];
    assert_eq!(listed, 0, "the same event, other bytes");
    assert_eq!(
        get(&fake, "/v1/events?delivery_success=true")
            .await
            .ids()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_disabled_endpoint_gets_nothing_and_its_retries_end() {
    let sink = Sink::start(|_, _| Reply::Status(500));
    let fake = delivering(&sink, 1);
    fake.create_bookings(&one(Story::Abandoned));
    eventually("tried", || sink.received().len() > 1).await;
    let path = format!("/{FIRST}");
    let disabled = write(&fake, "POST", &path, "disabled=true").await;
    assert_eq!(disabled.body["status"], "disabled");
    eventually("given up", || fake.stats().gave_up == 1).await;
    let tried = sink.received().len();
    fake.create_bookings(&one(Story::Abandoned));
    eventually("idle", || fake.is_idle()).await;
    assert_eq!(sink.received().len(), tried);
    assert_eq!(
        get(&fake, "/v1/events").await.ids().len(),
        2,
        "it happened all the same"
    );
}

#[tokio::test]
async fn an_endpoint_pinned_to_an_older_version_gets_an_older_shape_than_the_list() {
    let (first, pinned) = (Sink::ok(), Sink::ok());
    let fake = delivering(&first, 1);
    created(&fake, &pinned.url(), "&api_version=2024-06-20").await;
    let object = json!({"id": "sub_1", "object": "subscription",
        "items": {"data": [{"id": "si_1", "current_period_end": 1_800_000_000}]}});
    let id = fake.add_event(&NewObjectEvent {
        kind: "customer.subscription.updated".to_owned(),
        object,
        deliver: true,
        ..NewObjectEvent::default()
    });
    eventually("delivered", || fake.is_idle()).await;
    let delivered = pinned.received()[0].json();
    let listed = get(&fake, &format!("/v1/events/{id}")).await.body;
    assert_eq!(delivered["id"], listed["id"]);
    assert_eq!(delivered["api_version"], "2024-06-20");
    assert_ne!(listed["api_version"], "2024-06-20");
    let period = |event: &Value, at: &str| event["data"]["object"].pointer(at).cloned();
    let (new, old) = ("/items/data/0/current_period_end", "/current_period_end");
    assert_eq!(period(&delivered, old), Some(json!(1_800_000_000)));
    assert_eq!(period(&delivered, new), None);
    assert_eq!(period(&listed, new), Some(json!(1_800_000_000)));
    assert_eq!(period(&listed, old), None);
}

#[tokio::test]
async fn metadata_and_the_connect_flag_are_kept_and_the_flag_shows_as_an_application() {
    let fake = start(config());
    let more = "&connect=true&metadata[team]=billing&metadata[gone]=soon";
    let made = created(&fake, "http://127.0.0.1:1/a", more).await;
    assert_eq!(made["metadata"], json!({"team": "billing", "gone": "soon"}));
    assert!(made["application"].as_str().unwrap().starts_with("ca_"));
    assert!(made.get("connect").is_none(), "{made}");
    let path = format!("/{}", made["id"].as_str().unwrap());
    let form = "metadata[gone]=&metadata[since]=7&connect=true";
    assert_eq!(write(&fake, "POST", &path, form).await.status, 400);
    let changed = write(&fake, "POST", &path, "metadata[gone]=&metadata[since]=7").await;
    assert_eq!(
        changed.body["metadata"],
        json!({"team": "billing", "since": "7"})
    );
}

#[tokio::test]
async fn the_same_idempotency_key_gets_the_same_answer_and_makes_nothing_twice() {
    let fake = start(config());
    let asked = async |form: &'static str| {
        let request = reqwest::Client::new()
            .post(format!("{}/v1/webhook_endpoints", fake.url()))
            .bearer_auth(fake.api_key())
            .header("Idempotency-Key", "roll-1")
            .body(form);
        answer(request).await
    };
    let form = "url=http%3A%2F%2F127.0.0.1%3A1%2Fa&enabled_events[0]=*";
    let (first, second) = (asked(form).await, asked(form).await);
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.body, second.body, "its secret, too");
    let all = get(&fake, "/v1/webhook_endpoints").await.ids();
    assert_eq!(all, [first.body["id"].as_str().unwrap()]);
    let other = asked("url=http%3A%2F%2F127.0.0.1%3A1%2Fb&enabled_events[0]=*").await;
    assert_eq!(other.status, 400, "{}", other.body);
}
