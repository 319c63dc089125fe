//! The deep sweep: all thirty days in pieces, resumed where it stood, and what it proves.

use std::time::Duration;

use reconciler::store::sweeps::Outcome;
use reconciler::sweep::Limits;
use shared::windows::oldest_listed;

use crate::support::{Rig, limits, now};

const DAY: Duration = Duration::from_secs(86_400);
const POSITION: &str = "SELECT coalesce(max(extract(epoch FROM position))::bigint, 0) AS n FROM cursors WHERE sweep = 'deep'";

fn in_days() -> Limits {
    Limits {
        span_s: 86_400,
        ..limits()
    }
}

#[tokio::test]
async fn a_pass_repairs_what_was_lost_weeks_ago_and_goes_on_in_another_process_where_it_stood() {
    let rig = Rig::new().await;
    for (n, days) in [29, 20, 11, 1].into_iter().enumerate() {
        rig.lose(n, days * 86_400);
    }
    let first = rig
        .engine_with(std::sync::Arc::new(rig.topic.producer()), in_days())
        .await;
    let mut left = 100;
    for _ in 0..15 {
        first
            .deep_step(None, DAY, &mut left)
            .await
            .unwrap()
            .unwrap();
        rig.apply_log().await;
    }
    drop(first);
    assert_eq!(rig.topic.count().await, 2);
    let stood = rig.database.number(POSITION);
    assert!(stood < now() - 14 * 86_400);

    let second = rig
        .engine_with(std::sync::Arc::new(rig.topic.producer()), in_days())
        .await;
    let mut pieces = 0;
    while second
        .deep_step(None, DAY, &mut left)
        .await
        .unwrap()
        .is_some()
    {
        rig.apply_log().await;
        pieces += 1;
    }
    assert_eq!(pieces, 15, "half of the days were done before");
    assert_eq!(rig.topic.count().await, 4);
    assert_eq!(left, limits().repair_cap - 4);
    assert!(rig.database.number(POSITION) > now() - 60);
    assert_eq!(
        second
            .deep_step(None, DAY, &mut left)
            .await
            .unwrap()
            .map(|_| ()),
        None
    );
}

#[tokio::test]
async fn the_first_pass_is_the_tails_and_the_next_is_due_a_day_later() {
    let rig = Rig::new().await;
    let engine = rig.engine().await;
    assert!(
        !engine.deep_begun(None).await.unwrap(),
        "the tail has not been there"
    );
    assert_eq!(rig.database.number(POSITION), 0);
    engine.tail(None).await.unwrap();
    assert!(!engine.deep_begun(None).await.unwrap());
    assert!(engine.deep_begun(None).await.unwrap());
    let mut left = 1;
    let step = engine.deep_step(None, DAY, &mut left).await.unwrap();
    assert!(step.is_none());
    let soon = Duration::from_secs(1);
    rig.database.execute(
        "UPDATE cursors SET position = position - interval '5 s', target = target - interval '5 s'",
    );
    assert!(
        engine
            .deep_step(None, soon, &mut left)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn where_the_tails_way_is_not_proven_the_first_pass_begins_at_once() {
    let rig = Rig::new().await;
    let engine = rig.engine().await;
    engine.tail(None).await.unwrap();
    // As on a system that is older than the proofs.
    rig.database.execute("DELETE FROM proofs");
    assert!(engine.deep_begun(None).await.unwrap());
    let mut left = 1;
    let step = engine.deep_step(None, DAY, &mut left).await.unwrap();
    assert!(step.is_some());
    let proven = "SELECT count(*) AS n FROM proofs WHERE proven_to > now() - interval '60 s'";
    assert_eq!(rig.database.number(proven), 1);
}

#[tokio::test]
async fn what_is_proven_reaches_from_the_oldest_listed_second_to_the_newest_swept() {
    let rig = Rig::new().await;
    rig.lose(1, 12 * 86_400);
    let mut engine = rig
        .engine_with(std::sync::Arc::new(rig.topic.producer()), in_days())
        .await;
    engine.reader.barrier = rig.barrier(Duration::from_secs(20));
    let mut left = 100;
    let all = async {
        while engine
            .deep_step(None, DAY, &mut left)
            .await
            .unwrap()
            .is_some()
        {}
    };
    let apply = async {
        loop {
            rig.apply_log().await;
        }
    };
    tokio::select! {
        () = all => {}
        () = apply => {}
    }
    let from = rig
        .database
        .number("SELECT extract(epoch FROM proven_from)::bigint AS n FROM proofs");
    let to = rig
        .database
        .number("SELECT extract(epoch FROM proven_to)::bigint AS n FROM proofs");
    assert!((from - oldest_listed(now())).abs() < 60, "{from}");
    assert!(to > now() - 60, "{to}");
    let twice = "SELECT count(*) AS n FROM certificates a JOIN certificates b \
         USING (account, window_from, window_to) WHERE NOT a.complete AND b.complete AND b.id > a.id";
    assert_eq!(
        rig.database.number(twice),
        1,
        "what was repaired was compared again"
    );
}

#[tokio::test]
async fn a_window_that_differs_takes_the_proof_back_to_its_begin() {
    let rig = Rig::new().await;
    let lost = rig.lose(1, 3 * 86_400);
    let engine = rig
        .engine_with(std::sync::Arc::new(rig.topic.producer()), in_days())
        .await;
    let mut left = 100;
    while engine
        .deep_step(None, DAY, &mut left)
        .await
        .unwrap()
        .is_some()
    {
        rig.apply_log().await;
    }
    rig.database.execute("DELETE FROM cursors");
    while engine
        .deep_step(None, DAY, &mut left)
        .await
        .unwrap()
        .is_some()
    {}
    let to = "SELECT extract(epoch FROM proven_to)::bigint AS n FROM proofs";
    assert!(rig.database.number(to) > now() - 60);

    rig.database
        .execute(&format!("DELETE FROM events WHERE id = '{lost}'"));
    rig.database.execute("DELETE FROM cursors");
    while let Some(reports) = engine.deep_step(None, DAY, &mut left).await.unwrap() {
        if reports.iter().any(|report| report.outcome == Outcome::Open) {
            break;
        }
    }
    let proven = rig.database.number(to);
    assert!(
        proven <= now() - 3 * 86_400 && proven > now() - 5 * 86_400,
        "{proven}"
    );
}

#[tokio::test]
async fn a_window_that_holds_more_than_a_sweep_may_list_costs_no_page_twice() {
    let rig = Rig::new().await;
    for n in 0..450 {
        rig.lose(n, 1_000 + i64::try_from(n).unwrap());
    }
    let small = Limits {
        max_events: 200,
        ..limits()
    };
    let reader = rig.reader(small).await;
    let window = shared::windows::Window::new(now() - 10_000, now() - 5).unwrap();
    let mut verified = reader.verify(&[None], window).await.unwrap();
    verified.findings.sort();
    verified.findings.dedup();
    assert_eq!(verified.findings.len(), 450);
    assert_eq!(verified.stripe_count, 450, "each event was counted once");
}
