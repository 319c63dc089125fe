//! Stored rows against the ledger, with the real processor's rows.

use shared::folding::money::Policy;
use testbed::services::Service;
use testbed::stripe::{Order, When};

use crate::commands::eventually;
use crate::end_to_end::processor;
use crate::support::Rig;

const BOOKINGS: u64 = 12;

/// A system that was filled by sweeps, and its processor.
async fn filled(rig: &Rig, dir: &std::path::Path) -> Service {
    rig.stripe.create_bookings(&Order {
        count: BOOKINGS,
        when: When::JustNow,
        ..Order::default()
    });
    let processor = processor(rig, dir).await;
    let engine = rig.engine().await;
    eventually("the window is complete", async || {
        let reports = engine.tail(None).await.unwrap();
        let shown = rig
            .database
            .number("SELECT count(*) AS n FROM bookings WHERE version > 0");
        reports.is_empty() && shown >= i64::try_from(BOOKINGS).unwrap()
    })
    .await;
    processor
}

async fn found(rig: &Rig) -> (i64, String) {
    let noted = "FROM findings WHERE kind = 'booking_differs' \
                 AND evidence ->> 'what' = 'ledger_refold_differs' AND repaired_at IS NULL";
    let count = rig
        .database
        .number(&format!("SELECT count(*) AS n {noted}"));
    let told = rig
        .database
        .text(&format!("SELECT max(evidence::text) AS t {noted}"));
    (count, told.unwrap_or_default())
}

#[tokio::test]
async fn altered_rows_are_found_named_and_left_to_a_person_and_untouched_ones_are_not() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let _processor = filled(&rig, dir.path()).await;
    let engine = rig.engine().await;
    let checked = engine.check_ledger(100, Policy::default()).await.unwrap();
    assert!(checked.bookings >= usize::try_from(BOOKINGS).unwrap());
    assert_eq!((checked.differing, checked.skipped), (0, 0), "{checked:?}");
    assert_eq!(
        rig.database
            .number("SELECT count(*) AS n FROM findings WHERE kind = 'booking_differs'"),
        0
    );

    let before = rig.topic.count().await;
    rig.database.execute(
        "UPDATE bookings SET amount_paid = amount_paid + 1 \
         WHERE id = (SELECT min(id) FROM bookings WHERE version > 0)",
    );
    let checked = engine.check_ledger(100, Policy::default()).await.unwrap();
    assert_eq!(checked.differing, 1);
    let (count, told) = found(&rig).await;
    assert_eq!(count, 1);
    assert!(told.contains("amount_paid"), "{told}");
    assert!(told.contains("bookend refold --booking"), "{told}");
    assert_eq!(rig.topic.count().await, before, "nothing is repaired here");

    // Found again it is the same finding; mended it is closed.
    engine.check_ledger(100, Policy::default()).await.unwrap();
    assert_eq!(found(&rig).await.0, 1);
    rig.database.execute(
        "UPDATE bookings SET amount_paid = amount_paid - 1 \
         WHERE id = (SELECT min(id) FROM bookings WHERE version > 0)",
    );
    assert_eq!(
        engine
            .check_ledger(100, Policy::default())
            .await
            .unwrap()
            .differing,
        0
    );
    assert_eq!(found(&rig).await.0, 0);
}

#[tokio::test]
async fn altered_object_is_found_by_its_booking() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let _processor = filled(&rig, dir.path()).await;
    rig.database.execute(
        "UPDATE objects SET status = 'tampered' WHERE id = (SELECT min(id) FROM objects \
         WHERE type = 'payment_intent' AND booking_id IS NOT NULL AND version > 0)",
    );
    let checked = rig
        .engine()
        .await
        .check_ledger(100, Policy::default())
        .await
        .unwrap();
    assert_eq!(checked.differing, 1);
    let (_, told) = found(&rig).await;
    assert!(told.contains(r#"["status"]"#), "{told}");
    assert!(!told.contains("tampered"), "{told}");
}

#[tokio::test]
async fn what_is_applied_meanwhile_is_no_difference() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let _processor = processor(&rig, dir.path()).await;
    rig.stripe.create_bookings(&Order {
        count: 150,
        when: When::JustNow,
        ..Order::default()
    });
    let (engine, checker) = tokio::join!(rig.engine(), rig.engine());
    let sweeping = async {
        eventually("the window is complete", async || {
            engine.tail(None).await.unwrap().is_empty()
        })
        .await;
    };
    let checking = async {
        let mut checked = 0;
        while checked < 400 {
            let pass = checker.check_ledger(50, Policy::default()).await.unwrap();
            assert_eq!(pass.differing, 0);
            checked += pass.bookings;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(sweeping, checking);
}
