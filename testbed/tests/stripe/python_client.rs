//! The official Python client, unmodified, is the judge of the fake: it pages both ways,
//! retrieves, and verifies signatures of delivered webhooks.
//!
//! The client is installed once into `target/stripe-python`; a machine without Python's `venv`
//! or without a package index fails this test with a message, it never skips it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use testbed::stripe::{FakeConfig, When};

use crate::support::{Sink, config, eventually, lot, start};

/// Pinned: a new release is taken on purpose.
const CLIENT: &str = "stripe==16.1.0";

fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/stripe-python");
    let python = folder.join("bin/python");
    let installed = folder.join(format!("{CLIENT}.installed"));
    if !installed.exists() {
        let folder = folder.to_str().unwrap();
        run(
            Command::new("python3").args(["-m", "venv", "--clear", folder]),
            "python3 with its venv module is needed (Debian: apt-get install python3-venv)",
        );
        run(
            Command::new(&python).args(["-m", "pip", "install", "--quiet", CLIENT]),
            "the official Python client could not be installed",
        );
        std::fs::write(installed, "").unwrap();
    }
    python
}

fn run(command: &mut Command, hint: &str) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{hint}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{hint}\n{text}\n{errors}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_client_pages_retrieves_and_verifies() {
    let sink = Sink::ok();
    let fake = start(FakeConfig {
        target: Some(sink.url()),
        ..config()
    });
    fake.create_bookings(&lot(40, When::JustNow));
    eventually("delivered", || fake.is_idle()).await;
    fake.roll_secret("whsec_python_second", Duration::from_secs(600));
    let before = sink.received().len();
    fake.create_bookings(&lot(2, When::JustNow));
    eventually("delivered", || fake.is_idle()).await;
    let received = sink.received();
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
        "secrets": [fake.first_secret(), "whsec_python_second"],
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.json");
    std::fs::write(&path, task.to_string()).unwrap();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/stripe/official_client.py"
    );
    let told = run(
        Command::new(python()).arg(script).arg(&path),
        "the official client disagrees",
    );
    assert!(told.contains("all as expected"), "{told}");
    assert!(received.len() > 250);
}
