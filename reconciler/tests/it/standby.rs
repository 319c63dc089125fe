//! One leads, others stand by; and what the role of the reconciler may not do.

use reconciler::store::{Lock, Store, StoreError};
use secrecy::SecretString;

use crate::support::Rig;

async fn store(rig: &Rig) -> Store {
    Store::connect(SecretString::from(rig.database.reconciler_url()))
        .await
        .unwrap()
}

#[tokio::test]
async fn second_reconciler_gets_the_lock_only_when_the_first_is_gone() {
    let rig = Rig::new().await;
    let (first, second) = (store(&rig).await, store(&rig).await);
    assert!(first.try_lock(Lock::Reconciler).await.unwrap());
    assert!(!second.try_lock(Lock::Reconciler).await.unwrap());
    drop(first);
    let mut tries = 0;
    while !second.try_lock(Lock::Reconciler).await.unwrap() {
        tries += 1;
        assert!(tries < 1_000, "the lock is never freed");
    }
}

#[tokio::test]
async fn leader_whose_connection_is_cut_can_write_nothing_any_more() {
    let rig = Rig::new().await;
    let leader = store(&rig).await;
    assert!(leader.try_lock(Lock::Reconciler).await.unwrap());
    rig.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'reconciler'",
    );
    assert!(leader.ping().await.is_err());
    assert!(matches!(leader.ping().await, Err(StoreError::Lost)));
}

#[tokio::test]
async fn reconcilers_role_can_not_write_what_only_the_processor_writes() {
    let rig = Rig::new().await;
    let store = store(&rig).await;
    for statement in [
        "UPDATE events SET disposition = 'dead'",
        "DELETE FROM events",
        "INSERT INTO bookings (id, updated_by) VALUES ('B', 'x')",
        "UPDATE objects SET status = 'x'",
        "INSERT INTO outbox (id, key, kind, payload) VALUES ('1', 'B', 'k', '{}')",
        "UPDATE partition_progress SET next_offset = 0",
        "DELETE FROM findings",
    ] {
        let outcome = store
            .run("forbidden", move |connection| {
                diesel::RunQueryDsl::execute(diesel::sql_query(statement), connection)
            })
            .await;
        assert!(
            matches!(outcome, Err(StoreError::Query { .. })),
            "{statement}"
        );
    }
    assert!(store.ping().await.is_ok());
}
