//! The tail sweep: its cursor, and what a crash or a refusal at each point leaves behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use reconciler::store::sweeps::Outcome;
use shared::windows::STRIPE_RETENTION_S;
use tokio::sync::Notify;

use crate::support::logs::{Refusing, Silent};
use crate::support::{Rig, limits, now};

const CURSOR: &str =
    "SELECT coalesce(max(extract(epoch FROM position))::bigint, 0) AS n FROM cursors";
const OPEN_FINDINGS: &str = "SELECT count(*) AS n FROM findings WHERE repaired_at IS NULL";

#[tokio::test]
async fn lost_events_are_published_byte_for_byte_and_a_second_sweep_finds_nothing() {
    let rig = Rig::new().await;
    let ids: Vec<_> = (0..20).map(|n| rig.lose(n, 100)).collect();
    let engine = rig.engine().await;

    let first = engine.tail(None).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].outcome, Outcome::Repaired);
    assert_eq!(
        (first[0].counts.missing, first[0].counts.repaired),
        (20, 20)
    );
    let records = rig.topic.records().await;
    let listed: BTreeMap<String, serde_json::Value> = rig
        .stripe
        .events()
        .into_iter()
        .map(|event| (event["id"].as_str().unwrap().to_owned(), event))
        .collect();
    assert_eq!(records.len(), ids.len());
    for record in &records {
        let id = record.header("ce_id").unwrap();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&record.value).unwrap(),
            listed[id]
        );
        assert_eq!(record.header("x-source"), Some("reconciler"));
        assert!(record.key.starts_with("B-"), "{}", record.key);
    }
    let placed = "SELECT count(*) AS n FROM findings WHERE topic IS NOT NULL AND \"offset\" IS NOT NULL AND repaired_at IS NOT NULL";
    assert_eq!(rig.database.number(placed), 20);

    rig.apply_log().await;
    rig.database.execute("DELETE FROM cursors");
    let second = engine.tail(None).await.unwrap();
    assert_eq!(second[0].outcome, Outcome::Complete);
    assert_eq!(rig.topic.count().await, 20);
    let complete = "SELECT count(*) AS n FROM certificates WHERE complete AND stripe_count = 20 AND ids_hash = ledger_hash";
    assert_eq!(rig.database.number(complete), 1);
}

#[tokio::test]
async fn backlog_is_not_a_gap_and_is_not_published_again() {
    let rig = Rig::new().await;
    for n in 0..5 {
        rig.lose(n, 100);
    }
    let engine = rig.engine().await;
    assert_eq!(engine.tail(None).await.unwrap()[0].counts.repaired, 5);
    let cursor = rig.database.number(CURSOR);
    rig.database.execute("DELETE FROM cursors");

    // The processor is stopped: the five lie in the log, not in the ledger.
    let open = engine.tail(None).await.unwrap();
    assert_eq!(open[0].outcome, Outcome::Open);
    assert_eq!(open[0].lag.unwrap().records, 5);
    assert_eq!(rig.topic.count().await, 5);
    assert_eq!(rig.database.number(CURSOR), 0);

    rig.apply_log().await;
    let done = engine.tail(None).await.unwrap();
    assert_eq!(done[0].outcome, Outcome::Complete);
    assert!(rig.database.number(CURSOR) >= cursor);
}

#[tokio::test]
async fn death_between_publishing_and_the_cursor_publishes_nothing_twice() {
    let rig = Rig::new().await;
    for n in 0..7 {
        rig.lose(n, 100);
    }
    let all_there = Arc::new(Notify::new());
    let log = Silent {
        producer: rig.topic.producer(),
        expected: 7,
        appended: AtomicUsize::new(0),
        all_there: Arc::clone(&all_there),
    };
    let dying = rig.engine_with(Arc::new(log), limits()).await;
    tokio::select! {
        _ = dying.tail(None) => panic!("it never gets an acknowledgement"),
        () = all_there.notified() => {}
    }
    drop(dying);
    assert_eq!(rig.database.number(CURSOR), 0);
    assert_eq!(rig.database.number(OPEN_FINDINGS), 7);

    let next = rig.engine().await;
    assert_eq!(next.tail(None).await.unwrap()[0].outcome, Outcome::Open);
    rig.apply_log().await;
    assert_eq!(next.tail(None).await.unwrap()[0].outcome, Outcome::Complete);
    assert_eq!(rig.topic.count().await, 7);
    assert_eq!(rig.database.number(OPEN_FINDINGS), 0);
    assert!(rig.database.number(CURSOR) > 0);
}

#[tokio::test]
async fn cursor_stays_when_one_repair_is_not_acknowledged() {
    let rig = Rig::new().await;
    for n in 0..4 {
        rig.lose(n, 100);
    }
    let log = Refusing {
        producer: rig.topic.producer(),
        nth: 2,
        asked: AtomicUsize::new(0),
    };
    let engine = rig.engine_with(Arc::new(log), limits()).await;
    let failed = engine.tail(None).await.unwrap();
    assert_eq!(failed[0].outcome, Outcome::Failed);
    assert_eq!(
        (failed[0].counts.missing, failed[0].counts.repaired),
        (4, 3)
    );
    assert_eq!(rig.database.number(CURSOR), 0);

    rig.apply_log().await;
    let repaired = engine.tail(None).await.unwrap();
    assert_eq!(
        (repaired[0].counts.missing, repaired[0].counts.repaired),
        (1, 1)
    );
    assert_eq!(rig.topic.count().await, 4);
}

#[tokio::test]
async fn cursor_never_moves_back_and_windows_overlap_it() {
    let rig = Rig::new().await;
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    let cursor = rig.database.number(CURSOR);
    assert!(cursor > now() - 60 && cursor <= now() - 5);
    // Created before the cursor, listed after it: what a late event looks like.
    rig.lose(1, now() - cursor + 30);
    rig.database
        .execute("UPDATE cursors SET position = position - interval '1 second'");
    let late = engine.tail(None).await.unwrap();
    assert_eq!(late[0].counts.repaired, 1);
    assert!(rig.database.number(CURSOR) >= cursor);
}

#[tokio::test]
async fn time_that_stripe_no_longer_lists_is_a_finding_and_no_silent_jump() {
    let rig = Rig::new().await;
    let old = now() - STRIPE_RETENTION_S - 86_400;
    rig.database.execute(&format!(
        "INSERT INTO cursors (account, sweep, position) VALUES ('', 'tail', to_timestamp({old}))"
    ));
    rig.engine().await.tail(None).await.unwrap();
    let told = rig.database.text("SELECT evidence ->> 'from' AS t FROM findings WHERE evidence ->> 'what' = 'aged_out_before_compared'");
    assert_eq!(told, Some(old.to_string()));
    assert!(rig.database.number(CURSOR) > now() - 60);
}

#[tokio::test]
async fn stripe_away_leaves_cursor_and_window_for_later() {
    let rig = Rig::new().await;
    rig.lose(1, 100);
    let engine = rig.engine().await;
    engine.reader.client.now().await.unwrap();
    for status in [400, 400] {
        rig.stripe.add_api_fault(testbed::stripe::ApiFault {
            status,
            rate_limited_reason: None,
            should_retry: None,
            retry_after_s: None,
            times: 1,
            ..testbed::stripe::ApiFault::default()
        });
    }
    assert!(engine.tail(None).await.is_err());
    assert_eq!(rig.database.number(CURSOR), 0);
    assert_eq!(
        rig.database
            .number("SELECT count(*) AS n FROM sweeps WHERE outcome = 'failed'"),
        1
    );
    assert!(engine.tail(None).await.is_err());
    assert_eq!(engine.tail(None).await.unwrap()[0].counts.repaired, 1);
}

#[tokio::test]
async fn event_that_the_processor_never_answers_is_not_published_for_ever() {
    let rig = Rig::new().await;
    let id = rig.lose(1, 100);
    let engine = rig.engine().await;
    for _ in 0..6 {
        rig.database.execute("DELETE FROM cursors");
        engine.tail(None).await.unwrap();
        rig.apply_log().await;
        rig.database
            .execute(&format!("DELETE FROM events WHERE id = '{id}'"));
    }
    assert_eq!(rig.topic.count().await, 3);
    assert_eq!(rig.database.number(OPEN_FINDINGS), 1);
}
