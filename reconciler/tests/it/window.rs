//! Sweeps and comparisons of a window on demand.

use shared::diffs::Finding;
use shared::ids::AccountId;
use shared::windows::Window;

use reconciler::store::sweeps::{Kind, Outcome};

use crate::support::{Rig, limits, now};

fn last(seconds: i64) -> Window {
    Window::new(now() - seconds, now() - 5).unwrap()
}

#[tokio::test]
async fn deleted_ledger_row_is_found_and_repaired() {
    let rig = Rig::new().await;
    let ids: Vec<_> = (0..3).map(|n| rig.lose(n, 50)).collect();
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    rig.apply_log().await;
    let verified = engine.reader.verify(&[None], last(100)).await.unwrap();
    assert!(
        !verified.has_drift() && verified.stripe_count == 3,
        "{verified}"
    );

    rig.database
        .execute(&format!("DELETE FROM events WHERE id = '{}'", ids[1]));
    let verified = engine.reader.verify(&[None], last(100)).await.unwrap();
    assert_eq!(verified.findings, [Finding::Missing(ids[1].clone())]);

    let swept = engine
        .sweep(Kind::Window, None, last(100), None)
        .await
        .unwrap();
    assert_eq!(
        (swept[0].outcome, swept[0].counts.repaired),
        (Outcome::Repaired, 1)
    );
    rig.apply_log().await;
    assert!(
        !engine
            .reader
            .verify(&[None], last(100))
            .await
            .unwrap()
            .has_drift()
    );
}

#[tokio::test]
async fn row_that_stripe_does_not_list_is_drift_and_is_left_alone() {
    let rig = Rig::new().await;
    rig.lose(1, 50);
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    rig.apply_log().await;
    rig.database.execute(
        "INSERT INTO events (id, created, record_kind, livemode, type, payload, payload_sha256, \
         source, topic, partition, \"offset\", received_at, disposition, fold_version) \
         SELECT 'evt_forged', created, record_kind, livemode, type, payload, payload_sha256, \
         source, topic, partition, \"offset\", received_at, disposition, fold_version FROM events",
    );
    let verified = engine.reader.verify(&[None], last(100)).await.unwrap();
    assert_eq!(verified.findings.len(), 1);
    assert!(matches!(&verified.findings[0], Finding::Unlisted(id) if id.as_str() == "evt_forged"));
    let swept = engine
        .sweep(Kind::Window, None, last(100), None)
        .await
        .unwrap();
    assert_eq!(swept[0].counts.missing, 0);
    assert_eq!(rig.topic.count().await, 1);
}

#[tokio::test]
async fn dead_and_long_parked_rows_are_drift_and_are_not_published_again() {
    let rig = Rig::new().await;
    let (dead, parked) = (rig.lose(1, 50), rig.lose(2, 50));
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    rig.apply_log().await;
    rig.database.rewrite(&format!(
        "UPDATE events SET disposition = 'dead' WHERE id = '{dead}'; \
         UPDATE events SET disposition = 'parked', received_at = now() - interval '2 hours' WHERE id = '{parked}'"
    ));
    let mut found = engine
        .reader
        .verify(&[None], last(100))
        .await
        .unwrap()
        .findings;
    found.sort();
    assert_eq!(found, [Finding::Dead(dead), Finding::ParkedTooLong(parked)]);
    engine
        .sweep(Kind::Window, None, last(100), None)
        .await
        .unwrap();
    engine
        .sweep(Kind::Window, None, last(100), None)
        .await
        .unwrap();
    assert_eq!(rig.topic.count().await, 2);
    let noted =
        "SELECT count(*) AS n FROM findings WHERE kind = 'not_applied' AND repaired_at IS NULL";
    assert_eq!(rig.database.number(noted), 2);
}

#[tokio::test]
async fn altered_booking_is_drift() {
    let rig = Rig::new().await;
    rig.lose(1, 50);
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    rig.apply_log().await;
    rig.database.rewrite(
        "UPDATE events SET booking_id = 'B-1'; \
         INSERT INTO bookings (id, status, amount, currency, amount_paid, version, updated_by) \
         VALUES ('B-1', 'confirmed', 1000, 'eur', 1000, 1, 'test'); \
         INSERT INTO booking_transitions (booking_id, version, cause_kind, cause_id, to_status, after, fold_version) \
         VALUES ('B-1', 1, 'event', 'evt_1', 'confirmed', '{\"status\":\"confirmed\",\"amount\":1000,\"currency\":\"eur\",\"amount_paid\":1000,\"amount_refunded\":0,\"hold\":null}', 1)",
    );
    assert!(
        !engine
            .reader
            .verify(&[None], last(100))
            .await
            .unwrap()
            .has_drift()
    );
    rig.database
        .execute("UPDATE bookings SET amount_paid = 999");
    let verified = engine.reader.verify(&[None], last(100)).await.unwrap();
    assert_eq!(verified.bookings, ["B-1"]);
    assert!(verified.has_drift());

    // The newer amounts, which the old transition lacks: absent is 0.
    rig.database
        .execute("UPDATE bookings SET amount_paid = 1000");
    for column in [
        "amount_authorized",
        "amount_in_flight",
        "amount_settled_elsewhere",
        "amount_from_balance",
        "amount_credited",
        "amount_refund_pending_action",
        "amount_disputed",
        "amount_lost",
        "amount_net",
        "payments",
    ] {
        let set = |value: i64| {
            rig.database
                .execute(&format!("UPDATE bookings SET {column} = {value}"));
        };
        set(1);
        let verified = engine.reader.verify(&[None], last(100)).await.unwrap();
        assert_eq!(verified.bookings, ["B-1"], "{column}");
        rig.database.execute(&format!(
            "UPDATE booking_transitions SET after = (after::jsonb || '{{\"{column}\": 1}}')::json"
        ));
        let verified = engine.reader.verify(&[None], last(100)).await.unwrap();
        assert!(verified.bookings.is_empty(), "{column}");
    }
}

#[tokio::test]
async fn window_with_more_events_than_a_sweep_holds_is_swept_in_parts() {
    let rig = Rig::new().await;
    for n in 0..300 {
        rig.lose(n, 20 + (n as i64) / 10);
    }
    let small = reconciler::sweep::Limits {
        max_events: 100,
        ..limits()
    };
    let producer = std::sync::Arc::new(rig.topic.producer());
    let mut engine = rig.engine_with(producer, small).await;
    engine.reader.barrier = rig.barrier(std::time::Duration::from_secs(30));
    let patient = {
        // Each part waits for the one before it to be applied; so apply as they come.
        let swept = engine.sweep(Kind::Window, None, last(100), None);
        tokio::pin!(swept);
        loop {
            tokio::select! {
                swept = &mut swept => break swept.unwrap(),
                () = rig.apply_log() => {}
            }
        }
    };
    assert!(patient.len() >= 3);
    assert_eq!(
        patient
            .iter()
            .map(|report| report.counts.repaired)
            .sum::<usize>(),
        300
    );
    assert_eq!(rig.topic.count().await, 300);
}

#[tokio::test]
async fn connected_accounts_events_come_from_its_own_list_under_its_own_key() {
    let rig = Rig::new().await;
    rig.lose(1, 50);
    let theirs = rig.lose_of(Some("acct_9"), 2, 50);
    let engine = rig.engine().await;
    let account = AccountId::parse("acct_9").unwrap();
    let swept = engine
        .sweep(Kind::Window, Some(&account), last(100), None)
        .await
        .unwrap();
    assert_eq!(swept[0].counts.repaired, 1);
    let records = rig.topic.records().await;
    assert_eq!(records[0].header("ce_id"), Some(theirs.as_str()));
    assert_eq!(records[0].header("x-account"), Some("acct_9"));
    assert_eq!(records[0].key, "acct_9/B-2");
    rig.apply_log().await;
    let verified = engine
        .reader
        .verify(&[Some(account)], last(100))
        .await
        .unwrap();
    assert!(
        !verified.has_drift() && verified.ledger_count == 1,
        "{verified}"
    );
    assert_eq!(
        engine
            .reader
            .verify(&[None], last(100))
            .await
            .unwrap()
            .findings
            .len(),
        1
    );
}

#[tokio::test]
async fn two_sweeps_of_one_window_at_once_publish_each_event_once() {
    let rig = Rig::new().await;
    for n in 0..10 {
        rig.lose(n, 50);
    }
    let (one, other) = tokio::join!(rig.engine(), rig.engine());
    let (first, second) = tokio::join!(
        one.sweep(Kind::Window, None, last(100), None),
        other.sweep(Kind::Window, None, last(100), None),
    );
    let outcomes = [first.unwrap()[0].outcome, second.unwrap()[0].outcome];
    assert!(
        outcomes.contains(&Outcome::Repaired) && outcomes.contains(&Outcome::Open),
        "{outcomes:?}"
    );
    assert_eq!(rig.topic.count().await, 10);
}
