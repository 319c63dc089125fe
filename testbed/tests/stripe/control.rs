//! The control API does what the handle does.

use serde_json::{Value, json};
use testbed::stripe::{FakeHandle, signature_header};

use crate::support::{Answer, Sink, answer, delivering, eventually};

async fn call(fake: &FakeHandle, method: &str, path: &str, body: &Value) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let method = method.parse().unwrap();
    let request = client
        .request(method, format!("{}/_control/{path}", fake.url()))
        .header("content-type", "application/json")
        .body(body.to_string());
    answer(request).await
}

#[tokio::test]
async fn bookings_are_created_held_and_played() {
    let sink = Sink::ok();
    let fake = delivering(&sink, 1);
    let order = json!({"count": 3, "story": "abandoned", "when": "held"});
    let made = call(&fake, "POST", "bookings", &order).await.body;
    assert_eq!(made["bookings"].as_array().unwrap().len(), 3);
    assert_eq!(fake.stats().events, 0);
    call(&fake, "POST", "play", &json!({})).await;
    eventually("played", || sink.received().len() == 3).await;
    let truth = call(&fake, "GET", "truth", &json!({})).await.body;
    let id = made["bookings"][0]["id"].as_str().unwrap();
    assert_eq!(truth["bookings"][id]["status"], "pending");
    eventually("idle", || fake.is_idle()).await;
    let stats = call(&fake, "GET", "stats", &json!({})).await.body;
    assert_eq!(
        (&stats["events"], &stats["accepted"]),
        (&json!(3), &json!(3))
    );
    let all = call(&fake, "GET", "deliveries", &json!({})).await.body;
    assert_eq!(all["deliveries"][0]["answers"], json!([200]));
}

#[tokio::test]
async fn faults_secrets_target_and_time_are_set() {
    let sink = Sink::ok();
    let fake = delivering(&sink, 1);
    let abandoned = json!({"count": 1, "story": "abandoned", "when": "just_now"});
    call(&fake, "PUT", "faults", &json!({"lost": 1.0})).await;
    call(&fake, "POST", "bookings", &abandoned).await;
    assert_eq!(fake.stats().lost, 1);
    call(&fake, "PUT", "faults", &json!({})).await;
    let roll = json!({"secret": "whsec_next", "overlap_ms": 0});
    call(&fake, "POST", "secrets/roll", &roll).await;
    call(&fake, "POST", "bookings", &abandoned).await;
    eventually("delivered", || sink.received().len() == 1).await;
    let received = sink.received().remove(0);
    let expected = signature_header(&["whsec_next"], received.parts().0, &received.body, false);
    assert_eq!(received.signature, expected);
    let before = call(&fake, "POST", "advance", &json!({"ms": 0})).await.body;
    let after = call(&fake, "POST", "advance", &json!({"ms": 5_000}))
        .await
        .body;
    let moved = after["now_ms"].as_i64().unwrap() - before["now_ms"].as_i64().unwrap();
    assert!(moved >= 5_000);
    call(&fake, "PUT", "target", &json!({"url": null})).await;
    assert!(
        crate::support::get(&fake, "/v1/webhook_endpoints")
            .await
            .ids()
            .is_empty()
    );
    call(&fake, "POST", "api-faults", &json!({"status": 429})).await;
    assert_eq!(crate::support::get(&fake, "/v1/events").await.status, 429);
}

#[tokio::test]
async fn any_bytes_can_be_sent_signed() {
    let sink = Sink::ok();
    let fake = delivering(&sink, 1);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let raw = b"\xff not json".to_vec();
    let url = format!("{}/_control/send", fake.url());
    let sent = answer(client.post(url).body(raw.clone())).await;
    assert_eq!(sent.body["status"], 200);
    let received = sink.received().remove(0);
    assert_eq!(
        (&received.body, received.path.as_str()),
        (&raw, "/webhooks/stripe")
    );
    let t = received.parts().0;
    assert_eq!(
        received.signature,
        fake.sign_with(fake.first_secret(), t, &raw)
    );
}

#[tokio::test]
async fn an_event_can_be_put_in_by_hand_without_being_delivered() {
    let sink = Sink::ok();
    let fake = delivering(&sink, 1);
    let object = json!({"id": "pi_by_hand", "object": "payment_intent", "status": "canceled"});
    let event = json!({"type": "payment_intent.canceled", "object": object, "deliver": false});
    let id = call(&fake, "POST", "events", &event).await.body["id"].clone();
    let listed = crate::support::get(&fake, "/v1/events").await;
    assert_eq!(listed.body["data"][0]["id"], id);
    assert!(sink.received().is_empty());
    let retrieved = crate::support::get(&fake, "/v1/payment_intents/pi_by_hand").await;
    assert_eq!(retrieved.body, object);
}
