//! Watching the sender: its endpoint, its silence, its limits.

use std::time::Duration;

use reconciler::sweep::tail::{Heard, Memory};
use testbed::stripe::{Fake, FakeConfig};

use crate::support::{Rig, now};

const OURS: &str = "http://127.0.0.1:9/webhooks/stripe";

/// A rig whose fake delivers to our address.
async fn rig() -> Rig {
    let mut rig = Rig::new().await;
    rig.stripe = Fake::start(FakeConfig {
        target: Some(OURS.to_owned()),
        ..FakeConfig::default()
    })
    .unwrap();
    rig
}

/// Changes the first endpoint, as an operator does in the Dashboard.
async fn change(rig: &Rig, form: &str) {
    let id = rig
        .database
        .text("SELECT min(id) AS t FROM webhook_endpoints WHERE ours")
        .unwrap();
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/webhook_endpoints/{id}", rig.stripe.url()))
        .bearer_auth(rig.stripe.api_key())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .send()
        .await
        .unwrap();
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap()
    );
}

fn standing(rig: &Rig) -> String {
    let sql = "SELECT coalesce(string_agg(alarm, ' ' ORDER BY alarm), '') AS t FROM sender_alarms \
         WHERE cleared_at IS NULL";
    rig.database.text(sql).unwrap()
}

#[tokio::test]
async fn an_endpoint_that_is_disabled_or_changed_is_an_alarm_until_it_is_right_again() {
    let rig = rig().await;
    let engine = rig.engine().await;
    let look = async || {
        engine
            .look_at_endpoints(Some(OURS.to_owned()))
            .await
            .unwrap()
    };
    look().await;
    assert_eq!(standing(&rig), "");
    change(&rig, "disabled=true").await;
    look().await;
    assert_eq!(standing(&rig), "endpoint_disabled no_endpoint");
    change(&rig, "disabled=false&enabled_events[]=charge.succeeded").await;
    look().await;
    assert_eq!(standing(&rig), "types_changed");
    change(&rig, "enabled_events[]=*").await;
    look().await;
    assert_eq!(standing(&rig), "");
    rig.stripe
        .set_target(Some("http://127.0.0.1:9/elsewhere".to_owned()));
    look().await;
    assert_eq!(standing(&rig), "url_changed");
    let cleared = "SELECT count(*) AS n FROM sender_alarms WHERE cleared_at IS NOT NULL";
    assert_eq!(rig.database.number(cleared), 3, "what is over is kept");
}

#[tokio::test]
async fn an_address_that_no_endpoint_has_is_an_alarm() {
    let rig = rig().await;
    let engine = rig.engine().await;
    let ours = Some("https://bookings.example/webhooks/stripe".to_owned());
    engine.look_at_endpoints(ours).await.unwrap();
    assert_eq!(standing(&rig), "no_endpoint");
}

#[tokio::test]
async fn who_named_no_address_is_told_nothing_about_endpoints() {
    let rig = rig().await;
    let engine = rig.engine().await;
    engine.look_at_endpoints(None).await.unwrap();
    assert_eq!(standing(&rig), "");
    let seen = "SELECT count(*) AS n FROM webhook_endpoints WHERE NOT ours";
    assert_eq!(rig.database.number(seen), 1);
}

/// The same without what stands because nothing is proven: nobody applies what is repaired here.
fn standing_of_tail(rig: &Rig) -> String {
    let named = standing(rig);
    let others = named
        .split(' ')
        .filter(|it| !["horizon", "retries_end"].contains(it));
    others.collect::<Vec<_>>().join(" ")
}

async fn heard(rig: &Rig) -> Heard {
    let engine = rig.engine().await;
    let mut left = 100;
    let step = engine
        .tail_step(None, now(), &mut left, &mut Memory::default())
        .await
        .unwrap();
    engine
        .judge_tail(None, Some(&step.heard), now(), Duration::from_secs(60))
        .await
        .unwrap();
    step.heard
}

#[tokio::test]
async fn events_that_are_listed_and_do_not_arrive_are_a_silence_until_one_arrives() {
    let rig = Rig::new().await;
    for n in 0..5 {
        rig.lose(n, 100);
    }
    let first = heard(&rig).await;
    assert_eq!((first.listed, first.arrived), (5, 0));
    assert_eq!(standing_of_tail(&rig), "silence");
    rig.apply_log().await;
    rig.database
        .execute("UPDATE events SET copies = 1; DELETE FROM cursors");
    let second = heard(&rig).await;
    assert_eq!((second.listed, second.arrived), (5, 5));
    assert_eq!(standing_of_tail(&rig), "");
}

#[tokio::test]
async fn a_night_without_events_neither_begins_nor_ends_a_silence() {
    let rig = Rig::new().await;
    heard(&rig).await;
    assert_eq!(standing_of_tail(&rig), "");
    rig.database
        .execute("INSERT INTO sender_alarms (alarm, detail) VALUES ('silence', 'test')");
    rig.database.execute("DELETE FROM cursors");
    heard(&rig).await;
    assert_eq!(standing_of_tail(&rig), "silence");
}

#[tokio::test]
async fn events_of_the_other_mode_are_an_alarm() {
    let mut rig = Rig::new().await;
    rig.stripe = Fake::start(FakeConfig {
        livemode: true,
        ..FakeConfig::default()
    })
    .unwrap();
    rig.lose(1, 100);
    heard(&rig).await;
    assert_eq!(standing_of_tail(&rig), "other_mode");
}

#[tokio::test]
async fn what_is_not_proven_for_days_is_an_alarm_before_stripe_gives_up() {
    let rig = Rig::new().await;
    let engine = rig.engine().await;
    let judge = async |days: i64| {
        rig.database.execute(&format!(
            "DELETE FROM proofs; INSERT INTO proofs (proven_from, proven_to) \
             VALUES (now() - interval '29 days', now() - interval '{days} days')"
        ));
        engine
            .judge_tail(None, None, now(), Duration::from_secs(60))
            .await
            .unwrap();
        standing(&rig)
    };
    assert_eq!(judge(1).await, "");
    assert_eq!(judge(2).await, "retries_end");
    assert_eq!(judge(26).await, "horizon retries_end");
    assert_eq!(judge(1).await, "");
}

#[tokio::test]
async fn alarms_about_an_account_that_is_swept_no_more_are_over() {
    let rig = Rig::new().await;
    let engine = rig.engine().await;
    rig.database.execute(
        "INSERT INTO sender_alarms (alarm, subject, detail) \
         VALUES ('silence', '', 'test'), ('silence', 'acct_9', 'test'), ('no_endpoint', 'x', 'test')",
    );
    engine
        .reader
        .store
        .run("forget", |connection| {
            reconciler::store::sender::forget_others(connection, &[None])
        })
        .await
        .unwrap();
    assert_eq!(standing(&rig), "no_endpoint silence");
}
