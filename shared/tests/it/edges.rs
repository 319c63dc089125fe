//! The direction of dependencies, read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        found.extend(sources(&entry.unwrap().path()));
    }
    found.retain(|file| file.extension().is_some_and(|ext| ext == "rs"));
    found
}

/// Lines of code, without comments.
fn code(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .map(ToOwned::to_owned)
        .collect()
}

fn assert_absent(paths: &[&str], forbidden: &[&str]) {
    let mut files = Vec::new();
    for path in paths {
        files.extend(sources(&checkout().join(path)));
    }
    assert!(!files.is_empty());
    for file in files {
        for line in code(&file) {
            for word in forbidden {
                assert!(
                    !line.contains(word),
                    "{}: `{word}` in: {line}",
                    file.display()
                );
            }
        }
    }
}

const PURE: &[&str] = &[
    "shared/src/ids.rs",
    "shared/src/commands.rs",
    "shared/src/money.rs",
    "shared/src/signature.rs",
    "shared/src/signature",
    "shared/src/envelope.rs",
    "shared/src/envelope",
    "shared/src/routing.rs",
    "shared/src/folding",
    "shared/src/backoff.rs",
    "shared/src/windows.rs",
    "shared/src/diffs.rs",
    "shared/src/stats.rs",
    "reconciler/src/budget.rs",
    "reconciler/src/counted.rs",
    "reconciler/src/evidence.rs",
    "reconciler/src/lateness.rs",
    "reconciler/src/proof.rs",
    "reconciler/src/repair.rs",
    "reconciler/src/sender.rs",
    "processor/src/progress.rs",
    "processor/src/apply/queue.rs",
    "processor/src/apply/plan.rs",
    "processor/src/brake.rs",
    "processor/src/fingerprint.rs",
    "processor/src/failure.rs",
    "processor/src/apply/facts.rs",
    "processor/src/apply/fold.rs",
    "console/src/refold/wanted.rs",
    "console/src/roll/decide.rs",
    "console/src/roll/judge.rs",
    "ingestor/src/outcome.rs",
];

#[test]
fn pure_modules_know_no_io_clock_environment_or_randomness() {
    let forbidden = [
        "tokio",
        "diesel::",
        "use diesel",
        "rdkafka::producer",
        "rdkafka::consumer",
        "reqwest",
        "actix",
        "tracing::",
        "SystemTime",
        "Instant::now",
        "Utc::now",
        "std::env",
        "std::fs",
        "std::net",
        "rand::",
    ];
    assert_absent(PURE, &forbidden);
}

#[test]
fn postgres_and_kafka_never_know_of_each_other() {
    assert_absent(&["shared/src/db"], &["rdkafka", "crate::kafka"]);
    assert_absent(&["shared/src/kafka"], &["diesel", "crate::db"]);
}

#[test]
fn services_never_import_each_other() {
    for (service, others) in [
        ("ingestor", ["processor", "reconciler"]),
        ("processor", ["ingestor", "reconciler"]),
        ("reconciler", ["ingestor", "processor"]),
    ] {
        let manifest = fs::read_to_string(checkout().join(service).join("Cargo.toml")).unwrap();
        for other in others {
            assert!(
                !manifest
                    .lines()
                    .any(|line| line.starts_with(&format!("{other}."))),
                "{service} depends on {other}"
            );
            assert_absent(&[&format!("{service}/src")], &[&format!("use {other}::")]);
        }
    }
}

#[test]
fn the_ingestor_knows_no_database_and_no_http_client() {
    assert_absent(&["ingestor/src"], &["diesel", "shared::db", "reqwest"]);
}

#[test]
fn only_the_processor_writes_ledger_objects_bookings_and_outbox() {
    let tables = [
        "events",
        "objects",
        "object_links",
        "object_claims",
        "bookings",
        "booking_transitions",
        "outbox",
    ];
    for crate_name in ["ingestor", "reconciler", "console", "shared"] {
        for table in tables {
            let (insert, update, delete) = (
                format!("INSERT INTO {table} "),
                format!("UPDATE {table} "),
                format!("DELETE FROM {table} "),
            );
            assert_absent(
                &[&format!("{crate_name}/src")],
                &[&insert, &update, &delete],
            );
        }
    }
}
