//! `reconciler backfill` beside live traffic, and of one account alone.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use shared::kafka::headers::RecordHeaders;

use crate::commands::{eventually, reconciler};
use crate::end_to_end::processor;
use crate::support::{Rig, intent, now};

const DAY: i64 = 86_400;

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn backfill(rig: &Rig) -> Command {
    let mut command = reconciler(rig);
    command
        .env("BACKFILL_RATE", "50")
        .env("BARRIER_TIMEOUT", "20s")
        .arg("backfill")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Paid payment intents that no event tells of any more.
fn old(rig: &Rig, account: Option<&str>, count: usize, age_days: i64) {
    for n in 0..count {
        let mut object = intent(&format!("pi_old_{age_days}_{n}"), "succeeded", 10_000 + n);
        object["created"] = (now() - age_days * DAY - i64::try_from(n).unwrap()).into();
        rig.stripe.put_object(account, object);
    }
}

#[tokio::test]
async fn a_live_event_is_applied_while_the_backfill_runs() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    old(&rig, None, 500, 60);
    let _processor = processor(&rig, dir.path()).await;
    let _backfill = Running(backfill(&rig).spawn().unwrap());
    eventually("it has begun", async || rig.topic.count().await > 20).await;
    let body = json!({
        "id": "evt_live", "object": "event", "type": "payment_intent.succeeded",
        "created": now(), "livemode": false, "data": {"object": intent("pi_live", "succeeded", 1)},
    })
    .to_string();
    let (producer, name) = (rig.topic.producer(), rig.topic.name.clone());
    let append = move || {
        let headers = RecordHeaders::default().to_kafka();
        producer
            .append_raw_blocking(&name, "B-1", body.as_bytes(), headers)
            .unwrap()
    };
    tokio::task::spawn_blocking(append).await.unwrap();
    let begun = std::time::Instant::now();
    eventually("the live event is applied", async || {
        rig.database
            .number("SELECT count(*) AS n FROM events WHERE id = 'evt_live'")
            == 1
    })
    .await;
    let (took, published) = (begun.elapsed(), rig.topic.count().await);
    assert!(published < 500, "the backfill was still running");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn an_account_that_is_named_is_filled_and_no_other() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    old(&rig, Some("acct_1"), 3, 60);
    old(&rig, None, 2, 70);
    let _processor = processor(&rig, dir.path()).await;
    let mut command = backfill(&rig);
    command.args(["--account", "acct_1"]);
    let status = tokio::task::spawn_blocking(move || command.status().unwrap());
    assert_eq!(status.await.unwrap().code(), Some(0));
    let whose = "SELECT string_agg(DISTINCT account, ',') || ' ' || count(*) AS t FROM objects";
    assert_eq!(rig.database.text(whose).as_deref(), Some("acct_1 3"));
    let others = "SELECT count(*) AS n FROM backfills WHERE account <> 'acct_1'";
    assert_eq!(rig.database.number(others), 0);
}
