//! Repairs above the cap: nothing is published until a person approves, and then so much and no more.

use reconciler::store::plans::Progress;
use reconciler::store::sweeps::Outcome;
use reconciler::sweep::Limits;

use crate::support::{Rig, limits};

const OPEN: &str = "SELECT count(*) AS n FROM repair_plans WHERE state = 'open'";
const UNREPAIRED: &str = "SELECT count(*) AS n FROM findings WHERE repaired_at IS NULL";

async fn engine(
    rig: &Rig,
    cap: usize,
) -> reconciler::sweep::Engine<shared::kafka::producer::Producer> {
    let limits = Limits {
        repair_cap: cap,
        ..limits()
    };
    rig.engine_with(std::sync::Arc::new(rig.topic.producer()), limits)
        .await
}

fn approve(rig: &Rig) {
    rig.database.execute(
        "UPDATE repair_plans SET state = 'approved', action_id = 'act_1', approved_at = now() \
         WHERE state = 'open'",
    );
}

fn state(rig: &Rig) -> String {
    rig.database
        .text("SELECT string_agg(state, ' ' ORDER BY created_at, id) AS t FROM repair_plans")
        .unwrap()
}

#[tokio::test]
async fn above_the_cap_nothing_is_published_and_a_plan_waits_for_a_person() {
    let rig = Rig::new().await;
    for n in 0..8 {
        rig.lose(n, 100);
    }
    let engine = engine(&rig, 5).await;
    let swept = engine.tail(None).await.unwrap();
    assert_eq!(swept[0].outcome, Outcome::Planned);
    assert!(
        swept[0]
            .to_string()
            .contains("bookend sweep repair --plan plan_")
    );
    assert_eq!(rig.topic.count().await, 0);
    assert_eq!(rig.database.number(OPEN), 1);
    let waiting = "SELECT count(*) AS n FROM findings f JOIN repair_plans p ON p.id = f.plan_id \
         WHERE p.missing = 8 AND p.cap = 5 AND f.repaired_at IS NULL";
    assert_eq!(rig.database.number(waiting), 8);
    let proven = "SELECT count(*) AS n FROM proofs WHERE proven_to > now() - interval '1 hour'";
    assert_eq!(rig.database.number(proven), 0, "what waits is not proven");

    // The tail goes on behind the plan: what is lost later is repaired at once, and what waits in
    // the plan is neither published nor planned again.
    rig.database
        .execute("UPDATE cursors SET position = position - interval '200 seconds'");
    rig.lose(20, 90);
    let later = engine.tail(None).await.unwrap();
    assert_eq!(
        (later[0].outcome, later[0].counts.repaired),
        (Outcome::Repaired, 1)
    );
    assert_eq!(rig.database.number(OPEN), 1);
    assert_eq!(engine.plan().await.unwrap(), None, "nobody has approved it");
    rig.apply_log().await;

    approve(&rig);
    let (_, progress) = engine.plan().await.unwrap().unwrap();
    assert_eq!(progress, Progress::Done);
    assert_eq!(state(&rig), "done");
    assert_eq!(rig.topic.count().await, 9);
    let published = "SELECT published::bigint AS n FROM repair_plans";
    assert_eq!(rig.database.number(published), 8);
    assert_eq!(rig.database.number(UNREPAIRED), 0);
    assert_eq!(engine.plan().await.unwrap(), None, "it is carried out once");
}

#[tokio::test]
async fn an_approval_permits_what_was_shown_and_more_makes_a_new_plan() {
    let rig = Rig::new().await;
    for n in 0..8 {
        rig.lose(n, 100);
    }
    let engine = engine(&rig, 5).await;
    engine.tail(None).await.unwrap();
    for n in 8..10 {
        rig.lose(n, 100);
    }
    approve(&rig);
    let (_, progress) = engine.plan().await.unwrap().unwrap();
    assert!(matches!(progress, Progress::Failed(why) if why.starts_with("10 events")));
    assert_eq!(rig.topic.count().await, 0);
    assert_eq!(rig.database.number(OPEN), 1);
    approve(&rig);
    let (_, progress) = engine.plan().await.unwrap().unwrap();
    assert_eq!(progress, Progress::Done);
    assert_eq!(rig.topic.count().await, 10);
}

#[tokio::test]
async fn a_plan_whose_processor_is_behind_waits_and_says_so() {
    let rig = Rig::new().await;
    for n in 0..8 {
        rig.lose(n, 100);
    }
    let capped = engine(&rig, 5).await;
    capped.tail(None).await.unwrap();
    let other = rig.lose_of(Some("acct_9"), 30, 100);
    let account = shared::ids::AccountId::parse("acct_9").unwrap();
    capped.tail(Some(&account)).await.unwrap();
    assert_eq!(
        rig.topic.count().await,
        1,
        "{other} lies in the log, not in the ledger"
    );
    approve(&rig);
    let (_, progress) = capped.plan().await.unwrap().unwrap();
    assert!(matches!(progress, Progress::Waits(why) if why.contains("1 records behind")));
    assert_eq!(state(&rig), "approved");
    rig.apply_log().await;
    let (_, progress) = capped.plan().await.unwrap().unwrap();
    assert_eq!(progress, Progress::Done);
}

#[tokio::test]
async fn a_plan_whose_window_stripe_has_forgotten_fails_and_says_so() {
    let rig = Rig::new().await;
    for n in 0..8 {
        rig.lose(n, 100);
    }
    let engine = engine(&rig, 5).await;
    engine.tail(None).await.unwrap();
    approve(&rig);
    rig.database.execute(
        "UPDATE repair_plans SET window_from = window_from - interval '60 days', \
         window_to = window_to - interval '60 days'",
    );
    let (_, progress) = engine.plan().await.unwrap().unwrap();
    assert!(matches!(progress, Progress::Failed(why) if why.contains("no longer lists")));
    assert_eq!(state(&rig), "failed");
}
