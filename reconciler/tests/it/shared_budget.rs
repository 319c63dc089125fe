//! One budget of calls for all processes: a row in Postgres.

use std::time::{Duration, Instant};

use reconciler::budget::{Purpose, Rate};
use reconciler::store::Store;
use reconciler::stripe::{Budget, Client};
use secrecy::SecretString;
use testbed::stripe::ApiFault;

use crate::support::{Rig, stripe_settings};

/// A client as another process would have it.
async fn client(rig: &Rig, per_second: u32) -> Client {
    let store = Store::connect(SecretString::from(rig.database.reconciler_url()))
        .await
        .unwrap();
    let budget = Budget::Shared {
        store,
        rate: Rate::per_second(per_second),
    };
    let settings = stripe_settings(vec![rig.stripe.url()], rig.stripe.api_key());
    Client::new(settings, budget).unwrap()
}

async fn calls(client: &Client, count: usize) {
    for _ in 0..count {
        client.get("/v1/events", &[], None).await.unwrap();
    }
}

#[tokio::test]
async fn two_processes_together_call_no_more_often_than_one_may() {
    let rig = Rig::new().await;
    let (one, other) = tokio::join!(client(&rig, 10), client(&rig, 10));
    let started = Instant::now();
    tokio::join!(calls(&one, 12), calls(&other, 12));
    // 24 calls at 10 a second, of which 3 may be made at once.
    assert!(
        started.elapsed() >= Duration::from_millis(1_900),
        "{:?}",
        started.elapsed()
    );
    let counted = "SELECT sum(calls)::bigint AS n FROM api_calls WHERE purpose = 'live'";
    assert_eq!(rig.database.number(counted), 24);
}

#[tokio::test]
async fn a_refusal_for_the_rate_holds_back_every_process() {
    let rig = Rig::new().await;
    let (one, other) = tokio::join!(client(&rig, 20), client(&rig, 20));
    rig.stripe.add_api_fault(ApiFault {
        status: 429,
        rate_limited_reason: Some("global-rate".to_owned()),
        retry_after_s: Some(2),
        ..ApiFault::default()
    });
    let refused = tokio::spawn(async move { calls(&one, 1).await });
    let held = "SELECT count(*) AS n FROM api_budget \
         WHERE held_until_us > extract(epoch FROM clock_timestamp()) * 1000000";
    crate::commands::eventually("everyone is held back", async || {
        rig.database.number(held) == 1
    })
    .await;
    calls(&other, 1).await;
    assert_eq!(
        rig.database.number(held),
        0,
        "the other waited until it was over"
    );
    refused.await.unwrap();
}

#[tokio::test]
async fn background_calls_wait_while_live_ones_use_the_budget_up() {
    let rig = Rig::new().await;
    let live = client(&rig, 10).await;
    let quiet = client(&rig, 10).await.for_purpose(Purpose::Background);
    let background = tokio::spawn(async move { calls(&quiet, 5).await });
    let busy = async {
        let bursts = (0..30).map(|_| live.get("/v1/events", &[], None));
        futures_util::future::try_join_all(bursts).await.unwrap();
    };
    busy.await;
    let done =
        "SELECT coalesce(sum(calls), 0)::bigint AS n FROM api_calls WHERE purpose = 'background'";
    assert!(
        rig.database.number(done) <= 2,
        "they took what was there before, and no more"
    );
    background.await.unwrap();
    assert_eq!(rig.database.number(done), 5);
}
