//! A page of docs/runbooks/, and the shell in which its blocks are run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::services::binary;
use testbed::stack::install::postgres_bin;

use crate::harness::Harness;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks")
}

/// All pages, sorted.
pub(super) fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".md").map(ToOwned::to_owned))
        .collect();
    names.sort_unstable();
    names
}

/// A page's shell blocks: tag (empty: none) and text.
pub(super) struct Page(Vec<(String, String)>);

impl Page {
    pub(super) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(format!("{name}.md"))).unwrap();
        let mut blocks = Vec::new();
        let mut open: Option<(String, String)> = None;
        for line in text.lines() {
            match (&mut open, line.strip_prefix("```")) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some((_, block)), None) => {
                    block.push_str(line);
                    block.push('\n');
                }
                (None, Some(language)) => {
                    let tag = language.strip_prefix("sh").expect("only sh blocks");
                    open = Some((tag.trim().to_owned(), String::new()));
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none() && !blocks.is_empty(), "{name}");
        Self(blocks)
    }

    pub(super) fn blocks(&self, tag: &str) -> Vec<String> {
        let of_tag = self.0.iter().filter(|(its, _)| its == tag);
        of_tag.map(|(_, block)| block.clone()).collect()
    }

    pub(super) fn tags(&self) -> Vec<&str> {
        let tags: BTreeSet<&str> = self.0.iter().map(|(tag, _)| tag.as_str()).collect();
        tags.into_iter().collect()
    }
}

/// An operator's shell.
#[derive(Clone)]
pub(super) struct Situation(Vec<(String, String)>);

impl Situation {
    pub(super) fn new(harness: &Harness) -> Self {
        let bin = binary("bookend");
        let bin = bin.parent().unwrap().display();
        let postgres = postgres_bin().unwrap();
        let path = format!("{bin}:{}:/usr/bin:/bin", postgres.display());
        Self(Vec::new())
            .with("PATH", &path)
            .with("HOME", "/")
            .with("DEPLOYMENT", "development")
            .with("BOOKEND_OPERATOR", "test")
            .with("KAFKA_BROKERS", &harness.topics.brokers)
            .with("EVENTS_TOPIC", &harness.topics.events)
            .with("DEAD_TOPIC", &harness.topics.dead)
            .with("BOOKINGS_TOPIC", &harness.topics.bookings)
            .with("DATABASE_URL", &harness.database.url_as("bookend_console"))
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn run_all(&self, blocks: &[String]) {
        assert!(!blocks.is_empty());
        for block in blocks {
            self.run(block);
        }
    }

    /// As it is written; each command must end with 0.
    pub(super) fn run(&self, block: &str) {
        let (code, output) = self.shell(block);
        assert_eq!(code, Some(0), "{block}\n{output}");
    }

    /// Line by line; those that contain one of these texts may end with one of its codes.
    pub(super) fn run_line_by_line(&self, block: &str, allowed: &[(&str, &[i32])]) {
        for line in block.lines() {
            let (code, output) = self.shell(line);
            let codes = allowed.iter().find(|(text, _)| line.contains(text));
            let codes = codes.map_or(&[0][..], |(_, codes)| codes);
            assert!(
                code.is_some_and(|code| codes.contains(&code)),
                "{code:?} {line}\n{output}"
            );
        }
    }

    fn shell(&self, text: &str) -> (Option<i32>, String) {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", text])
            .env_clear()
            .envs(self.0.iter().cloned())
            .current_dir("/")
            .output()
            .unwrap();
        let shown = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code(), shown)
    }
}
