//! A reconciler killed at each point between a page and its cursor loses nothing and, but for what
//! was on its way, publishes nothing twice.

use std::process::{Child, Stdio};

use diesel::connection::SimpleConnection;
use testbed::stripe::ApiFault;

use crate::commands::{eventually, one_shot, reconciler};
use crate::support::Rig;

const LOST: i64 = 240;
const CURSOR: &str = "SELECT count(*) AS n FROM cursors WHERE sweep = 'tail'";
const FINDINGS: &str = "SELECT count(*) AS n FROM findings";

async fn rig() -> Rig {
    let rig = Rig::new().await;
    for n in 0..LOST {
        rig.lose(usize::try_from(n).unwrap(), 100 + n % 7);
    }
    rig
}

/// Starts a reconciler with these settings, waits for `point`, and kills it.
async fn killed_at(
    rig: &Rig,
    settings: &[(&str, &str)],
    point: &str,
    mut reached: impl AsyncFnMut() -> bool,
) {
    let mut command = reconciler(rig);
    command
        .envs(settings.iter().copied())
        .env("BARRIER_TIMEOUT", "10s")
        .env("SWEEP_SPAN", "40d")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child: Child = command.spawn().unwrap();
    eventually(point, async || reached().await).await;
    child.kill().unwrap();
    child.wait().unwrap();
    // Its session, and with it its locks, ends when the server notices.
    eventually("its sessions are gone", async || {
        let sessions = "SELECT count(*) AS n FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE '%reconciler%'";
        rig.database.number(sessions) == 0
    })
    .await;
}

/// Sweeps until nothing is missing: every event is in the ledger once, and how many records it took.
async fn healed(rig: &Rig) -> i64 {
    rig.apply_log().await;
    let (code, text) = one_shot(rig, &["sweep"]).await;
    assert_eq!(code, Some(0), "{text}");
    rig.apply_log().await;
    let (code, text) = one_shot(rig, &["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        rig.database.number("SELECT count(*) AS n FROM events"),
        LOST
    );
    let published = rig.topic.count().await;
    let (code, text) = one_shot(rig, &["sweep", "--from", "2000-01-01T00:00:00Z"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("missing 0  repaired 0"), "{text}");
    assert_eq!(rig.topic.count().await, published);
    published
}

#[tokio::test]
async fn killed_with_a_page_fetched_it_has_published_nothing_and_loses_nothing() {
    let rig = rig().await;
    // The answers are slow: the first page has come, the last has not.
    rig.stripe.add_api_fault(ApiFault {
        slow_ms: 400,
        times: 1_000,
        ..ApiFault::default()
    });
    let swept = "SELECT count(*) AS n FROM sweeps WHERE finished_at IS NULL";
    let calls = "SELECT coalesce(sum(calls), 0)::bigint AS n FROM api_calls WHERE purpose = 'live'";
    killed_at(&rig, &[], "a page is fetched", async || {
        rig.database.number(swept) == 1 && rig.database.number(calls) >= 3
    })
    .await;
    assert_eq!(
        (rig.topic.count().await, rig.database.number(CURSOR)),
        (0, 0)
    );
    rig.stripe.clear_api_faults();
    assert_eq!(healed(&rig).await, LOST);
}

#[tokio::test]
async fn killed_with_half_of_it_published_it_publishes_the_other_half() {
    let rig = rig().await;
    killed_at(
        &rig,
        &[("REPAIR_RATE", "20")],
        "half of it is published",
        async || rig.topic.count().await >= LOST / 2,
    )
    .await;
    let half = rig.topic.count().await;
    assert!(half < LOST, "{half}");
    assert_eq!(rig.database.number(CURSOR), 0);
    assert_eq!(healed(&rig).await, LOST);
}

#[tokio::test]
async fn killed_with_all_acknowledged_and_the_cursor_not_saved_it_publishes_nothing_again() {
    let rig = rig().await;
    // Whoever wants to certify waits for this lock, and so the sweep can't be recorded.
    let mut blocker = rig.database.connect();
    blocker
        .batch_execute("BEGIN; LOCK TABLE certificates IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    killed_at(
        &rig,
        &[],
        "all is published, nothing recorded",
        async || {
            let waits = "SELECT count(*) AS n FROM pg_stat_activity \
             WHERE wait_event_type = 'Lock' AND application_name LIKE '%reconciler%' \
             AND query LIKE '%INSERT INTO certificates%'";
            rig.topic.count().await == LOST && rig.database.number(waits) >= 1
        },
    )
    .await;
    blocker.batch_execute("ROLLBACK").unwrap();
    assert_eq!(rig.database.number(CURSOR), 0);
    assert_eq!(rig.database.number(FINDINGS), LOST);
    assert_eq!(healed(&rig).await, LOST);
    let open = "SELECT count(*) AS n FROM findings WHERE repaired_at IS NULL";
    assert_eq!(rig.database.number(open), 0);
}

#[tokio::test]
async fn killed_with_the_cursor_saved_it_goes_on_behind_it() {
    let rig = rig().await;
    killed_at(&rig, &[], "the cursor is saved", async || {
        rig.database.number(CURSOR) == 1
    })
    .await;
    assert_eq!(rig.topic.count().await, LOST);
    assert_eq!(healed(&rig).await, LOST);
}

#[tokio::test]
async fn whichever_of_two_is_killed_the_other_publishes_the_rest_and_nothing_twice() {
    let rig = rig().await;
    let start = || {
        reconciler(&rig)
            .env("REPAIR_RATE", "20")
            .env("BARRIER_TIMEOUT", "10s")
            .env("SWEEP_SPAN", "40d")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut one, mut other) = (start(), start());
    eventually("some of it is published", async || {
        rig.topic.count().await >= LOST / 3
    })
    .await;
    // Nobody knows which of them leads: both are killed, one after the other has come back.
    one.kill().unwrap();
    one.wait().unwrap();
    let mut third = start();
    other.kill().unwrap();
    other.wait().unwrap();
    eventually("the third publishes the rest", async || {
        rig.apply_log().await;
        rig.database.number("SELECT count(*) AS n FROM events") == LOST
    })
    .await;
    third.kill().unwrap();
    third.wait().unwrap();
    assert_eq!(healed(&rig).await, LOST);
}
