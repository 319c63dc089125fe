//! Stripe's official Python and Node clients, unmodified, are the judges of the fake: they page
//! both ways, retrieve, try again, and verify signatures of delivered webhooks.
//!
//! A client is installed once below `target/`; a machine without Python's `venv`, without npm or
//! without a package index fails these tests with a message, it never skips them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use testbed::stripe::{FakeConfig, FakeHandle, When};
use testbed::testing::{official_node, official_python, run_tool};

use crate::support::{Sink, config, eventually, lot, start};

/// A fake with a past, and the task that a client is given.
async fn fake_and_task() -> (FakeHandle, serde_json::Value) {
    let sink = Sink::ok();
    let fake = start(FakeConfig {
        target: Some(sink.url()),
        ..config()
    });
    fake.create_bookings(&lot(40, When::JustNow));
    eventually("delivered", || fake.is_idle()).await;
    fake.roll_secret("whsec_official_second", Duration::from_secs(600));
    let before = sink.received().len();
    fake.create_bookings(&lot(2, When::JustNow));
    eventually("delivered", || fake.is_idle()).await;
    let received = sink.received();
    assert!(received.len() > 250);
    let deliveries: Vec<_> = received
        .iter()
        .enumerate()
        .map(|(number, received)| {
            let body = String::from_utf8(received.body.clone()).unwrap();
            json!({"body": body, "signature": received.signature, "rolled": number >= before})
        })
        .collect();
    let task = json!({
        "api_base": fake.url(),
        "api_key": fake.api_key(),
        "events": fake.events(),
        "objects": fake.truth().objects,
        "deliveries": deliveries,
        "secrets": [fake.first_secret(), "whsec_official_second"],
    });
    (fake, task)
}

/// Lets the client do its task; it says so when all is as expected.
async fn judged(program: PathBuf, script: &str, folder_of_client: Option<PathBuf>) {
    let (_fake, task) = fake_and_task().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.json");
    std::fs::write(&path, task.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/stripe")
        .join(script);
    let mut client = Command::new(program);
    client.arg(script).args(folder_of_client).arg(&path);
    let told = run_tool(&mut client, "the official client disagrees");
    assert!(told.contains("all as expected"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_client_pages_retrieves_and_verifies() {
    judged(official_python(), "official_client.py", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_node_client_pages_retrieves_and_verifies() {
    judged(
        PathBuf::from("node"),
        "official_client.mjs",
        Some(official_node()),
    )
    .await;
}

/// The list that the processor is tested with. After a new release of the client:
/// `node testbed/tests/stripe/event_types.mjs target/stripe-node > testbed/event-types.txt`.
#[test]
fn the_list_of_event_types_is_the_official_clients() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stripe/event_types.mjs");
    let listed = run_tool(
        Command::new("node").arg(script).arg(official_node()),
        "node is needed (Debian: apt-get install nodejs)",
    );
    assert_eq!(listed, include_str!("../../event-types.txt"));
}
