//! What the reconciler does by itself is bounded by what is due, not by what exists.

use testbed::testing::{Recorder, plans};

use crate::commands::{eventually, start_with};
use crate::support::Rig;

/// A statement of each loop of a leading reconciler: when all were sent, each loop has had its turn.
const LOOPS: [&str; 16] = [
    "FROM seen_accounts ORDER BY",
    "FROM seen_accounts s",
    "FROM cursors",
    "FROM booking_checks k",
    "FROM named n",
    "FROM refetches d",
    "FROM log_holes h",
    "FROM repair_plans",
    "kind = 'unknown'",
    "FROM api_calls",
    "TABLESAMPLE",
    "FROM proofs",
    "e.received_at >=",
    "remove_expired",
    "roll_up_sweeps",
    "roll_up_certificates",
];

#[tokio::test]
async fn statements_of_a_running_reconciler_are_bounded_by_what_is_due_in_tables_of_ten_million_rows()
 {
    let rig = Rig::new().await;
    for n in 0..3 {
        rig.lose(n, 50);
    }
    let url = rig.database.url();
    let large = tokio::task::spawn_blocking(move || plans::plant(&url))
        .await
        .unwrap();
    assert!(
        large.contains("bookings") && large.contains("objects"),
        "{large:?}"
    );
    let recorder = Recorder::to(&rig.database.url());
    let settings = [
        ("DATABASE_URL", recorder.url(&rig.database.reconciler_url())),
        ("STRIPE_ACCOUNTS", "auto".to_owned()),
        ("SAMPLE_SIZE", "1000000".to_owned()),
        ("SENDER_INTERVAL", "1s".to_owned()),
        ("DEEP_INTERVAL", "1s".to_owned()),
        ("PAYLOAD_RETENTION", "365d".to_owned()),
        ("RETENTION_INTERVAL", "1s".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, it)| (*name, it.as_str()))
        .collect();
    let reconciler = start_with(&rig, &settings);
    for part in LOOPS {
        eventually(part, async || recorder.has_seen(part)).await;
    }
    drop(reconciler);
    let faults = tokio::task::spawn_blocking(move || plans::faults_of(&recorder, &large));
    let faults = faults.await.unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
