//! What the log lost before it was applied is asked of Stripe.

use reconciler::sweep::holes::Swept;

use crate::support::Rig;

async fn hole(rig: &Rig, found_ago_s: i64) {
    rig.database.execute(&format!(
        "INSERT INTO log_holes (topic, partition, from_offset, to_offset, kind, found_at) \
         VALUES ('{}', 0, 0, 3, 'hole', now() - interval '{found_ago_s} seconds')",
        rig.topic.name
    ));
}

fn unswept(rig: &Rig) -> i64 {
    rig.database
        .number("SELECT count(*) AS n FROM log_holes WHERE swept_at IS NULL")
}

#[tokio::test]
async fn what_a_hole_held_is_published_once_and_the_hole_is_marked() {
    let rig = Rig::new().await;
    // One that was created before the three days of Stripe's retries counts, too.
    for (n, ago) in [(0, 60), (1, 3_600), (2, 2 * 86_400)] {
        rig.lose(n, ago);
    }
    hole(&rig, 20).await;
    let engine = rig.engine().await;
    let swept = engine.hole(&rig.topic.name, &[None], 0).await.unwrap();
    let Swept::Done(_, reports) = swept else {
        panic!("{swept:?}");
    };
    assert_eq!(
        reports
            .iter()
            .map(|report| report.counts.repaired)
            .sum::<usize>(),
        3
    );
    assert_eq!(unswept(&rig), 0);
    rig.apply_log().await;
    assert_eq!(rig.database.number("SELECT count(*) AS n FROM events"), 3);
    let again = engine.hole(&rig.topic.name, &[None], 0).await.unwrap();
    assert!(matches!(again, Swept::None), "{again:?}");
}

#[tokio::test]
async fn a_hole_that_was_found_just_now_waits_until_stripe_lists_all_of_it() {
    let rig = Rig::new().await;
    rig.lose(0, 60);
    hole(&rig, 0).await;
    let engine = rig.engine().await;
    let swept = engine.hole(&rig.topic.name, &[None], 0).await.unwrap();
    assert!(matches!(swept, Swept::Later(..)), "{swept:?}");
    assert_eq!(unswept(&rig), 1);
}

#[tokio::test]
async fn a_hole_that_stripe_lists_nothing_of_any_more_is_marked_and_asks_nothing() {
    let rig = Rig::new().await;
    hole(&rig, 40 * 86_400).await;
    let engine = rig.engine().await;
    let swept = engine.hole(&rig.topic.name, &[None], 0).await.unwrap();
    assert!(
        matches!(&swept, Swept::Done(_, reports) if reports.is_empty()),
        "{swept:?}"
    );
    assert_eq!(unswept(&rig), 0);
}

#[tokio::test]
async fn a_hole_that_can_not_be_swept_holds_up_no_other() {
    let rig = Rig::new().await;
    rig.lose(0, 60);
    hole(&rig, 20).await;
    hole(&rig, 20).await;
    let engine = rig.engine().await;
    engine.reader.client.now().await.unwrap();
    rig.stripe.add_api_fault(testbed::stripe::ApiFault {
        status: 403,
        ..testbed::stripe::ApiFault::default()
    });
    let first = engine.hole(&rig.topic.name, &[None], 0).await.unwrap();
    let Swept::Later(tried, _) = first else {
        panic!("{first:?}");
    };
    let second = engine
        .hole(&rig.topic.name, &[None], tried.id)
        .await
        .unwrap();
    assert!(matches!(&second, Swept::Done(done, _) if done.id != tried.id));
    rig.apply_log().await;
    let third = engine.hole(&rig.topic.name, &[None], 0).await.unwrap();
    assert!(matches!(third, Swept::Done(done, _) if done.id == tried.id));
    assert_eq!(unswept(&rig), 0);
}

#[tokio::test]
async fn account_that_stripe_refuses_keeps_no_hole_open() {
    let rig = Rig::new().await;
    rig.lose(0, 60);
    hole(&rig, 20).await;
    let accounts = ["acct_1"].map(|id| shared::ids::AccountId::parse(id).ok());
    let engine = rig.engine().await;
    engine.reader.client.now().await.unwrap();
    rig.stripe.add_api_fault(testbed::stripe::ApiFault {
        status: 403,
        ..testbed::stripe::ApiFault::default()
    });
    let [refused] = accounts;
    let both = [refused, None];
    let swept = engine.hole(&rig.topic.name, &both, 0).await.unwrap();
    assert!(matches!(swept, Swept::Done(..)), "{swept:?}");
    assert_eq!((unswept(&rig), rig.topic.count().await), (0, 1));
    let told = "SELECT count(*) AS n FROM sweeps WHERE account = 'acct_1' AND outcome = 'failed'";
    assert_eq!(rig.database.number(told), 1);
}
