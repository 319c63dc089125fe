//! Signing secrets that come and go while the process runs.

use std::fs;

use testbed::services::Service;
use testbed::testing::{TestTopics, eventually};

use crate::client::{OTHER, SECRET, event, now, send, signed_by};
use crate::process::{PATIENCE, address, builder, ready};

/// The value of a series of one secret; none: there is no such series.
fn series(service: &Service, metric: &str, secret: &str) -> Option<f64> {
    let (_, text) = service.get("/metrics")?;
    let start = format!("{metric}{{");
    let label = format!("secret=\"{secret}\"");
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with(&start) && line.contains(&label))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn verified(service: &Service, secret: &str) -> Option<f64> {
    series(service, "bookend_webhook_verified_total", secret)
}

fn last_seen(service: &Service, secret: &str) -> Option<f64> {
    series(
        service,
        "bookend_secret_last_seen_timestamp_seconds",
        secret,
    )
}

#[test]
fn each_secret_tells_how_much_it_verified_and_when_until_it_is_removed() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let file = dir.path().join("secrets");
    fs::write(&file, format!("old={SECRET}\nnew={OTHER}\n")).expect("written");
    let path = file.to_string_lossy().into_owned();
    let service = ready(
        dir.path(),
        builder(&topics).env("STRIPE_WEBHOOK_SECRETS_FILE", path),
    );
    let deliver = |id: &str, secret| {
        let answer = send(address(&service), &signed_by(secret, &event(id, 300)));
        assert_eq!(answer.status, 200);
    };
    assert_eq!(
        (verified(&service, "new"), last_seen(&service, "new")),
        (Some(0.0), Some(0.0)),
        "it is loaded, and has not signed yet"
    );
    let before = now();
    deliver("evt_1", SECRET);
    deliver("evt_2", SECRET);
    let forged = "whsec_nobody_knows_this_one_0123456789";
    let refused = send(address(&service), &signed_by(forged, &event("evt_3", 300)));
    assert_eq!(refused.status, 400);
    assert_eq!(verified(&service, "old"), Some(2.0));
    assert_eq!(verified(&service, "new"), Some(0.0));
    let at = last_seen(&service, "old").expect("a time");
    assert!((before as f64..=now() as f64).contains(&at), "{at}");
    fs::write(&file, format!("new={OTHER}\n")).expect("written");
    eventually(PATIENCE, "the series of the removed one end", || {
        verified(&service, "old").is_none() && last_seen(&service, "old").is_none()
    });
    deliver("evt_4", OTHER);
    assert_eq!(verified(&service, "new"), Some(1.0));
}
