//! The fake shares no code with what it judges.

use std::path::{Path, PathBuf};

const OURS: &[&str] = &["shared", "ingestor", "processor", "reconciler", "console"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_testbed_depends_on_none_of_the_services_nor_on_shared() {
    let manifest =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    for line in manifest.lines().map(str::trim) {
        let name: String = line
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
            .collect();
        assert!(!OURS.contains(&name.as_str()), "Cargo.toml: {line}");
        assert!(!line.contains("path ="), "Cargo.toml: {line}");
    }
}

#[test]
fn the_fake_uses_nothing_outside_its_own_folder() {
    let mut files = Vec::new();
    sources(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/stripe")),
        &mut files,
    );
    assert!(files.len() > 20);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines().map(str::trim) {
            for name in OURS {
                assert!(
                    !line.starts_with(&format!("use {name}")),
                    "{}: {line}",
                    file.display()
                );
                assert!(
                    !line.contains(&format!("{name}::")),
                    "{}: {line}",
                    file.display()
                );
            }
            assert!(!line.contains("use crate::"), "{}: {line}", file.display());
        }
    }
}
