//! What the documents claim, as far as a program can check it: the tests they name exist, the
//! files they name exist, the commands they show can be typed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fixture::run;

const DOCUMENTS: [&str; 2] = ["README.md", "ARCHITECTURE.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every document with its text: the two above and all of `docs/`.
fn documents() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = DOCUMENTS.iter().map(|name| root().join(name)).collect();
    paths.extend(files(&root().join("docs"), "md"));
    let texts: Vec<_> = paths
        .iter()
        .map(|path| {
            (
                path.display().to_string(),
                std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    assert!(texts.len() > DOCUMENTS.len(), "docs/ is empty");
    texts
}

/// All files below `folder` with this extension, build output and hidden folders left out.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
}

/// Everything between single backticks on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Names of tests are sentences: lower case, four words or more. What begins with `bookend_` is a
/// metric.
fn is_a_sentence(name: &str) -> bool {
    name.split('_').count() >= 4
        && !name.starts_with("bookend_")
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut known = BTreeSet::new();
    for path in files(&root(), "rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (_, rest) in text
            .match_indices("fn ")
            .map(|(at, word)| text.split_at(at + word.len()))
        {
            known.extend(rest.split('(').next().map(str::to_owned));
        }
    }
    let mut named = 0;
    for (document, text) in documents() {
        for name in quoted(&text).filter(|name| is_a_sentence(name)) {
            assert!(
                known.contains(name),
                "{document} names the test {name}, which does not exist"
            );
            named += 1;
        }
    }
    assert!(
        named >= 20,
        "only {named} tests are named: has the way of quoting them changed?"
    );
}

#[test]
fn every_metric_that_a_document_names_exists() {
    let sources: Vec<String> = files(&root(), "rs")
        .into_iter()
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut named = 0;
    for (document, text) in documents() {
        for name in quoted(&text).filter(|name| name.starts_with("bookend_")) {
            assert!(
                sources
                    .iter()
                    .any(|source| source.contains(&format!("\"{name}\""))),
                "{document} names the metric {name}, which nothing counts"
            );
            named += 1;
        }
    }
    assert!(
        named > 0,
        "no metric is named: has the way of quoting them changed?"
    );
}

#[test]
fn every_file_that_a_document_names_exists() {
    let extensions = [".rs", ".md", ".toml", ".yml", ".sql", ".sh", ".json"];
    for (document, text) in documents() {
        for name in quoted(&text) {
            let is_path = name.contains('/')
                && !name.contains(['<', '*', ' ', '{', '$', '…', '='])
                && !name.starts_with(['.', '/'])
                && extensions.iter().any(|extension| name.ends_with(extension));
            assert!(
                !is_path || root().join(name).exists(),
                "{document} names {name}: no such file"
            );
        }
    }
}

#[test]
fn every_make_target_that_a_document_shows_exists() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', ' ']))
        .filter_map(|line| line.split_once(':').map(|(names, _)| names))
        .flat_map(str::split_whitespace)
        .collect();
    for (document, text) in documents() {
        for (at, word) in text.match_indices("make ") {
            let before = text[..at].chars().next_back();
            let target: String = text[at + word.len()..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            // In code only: at a line's start or after a backtick or a prompt.
            if matches!(before, Some('`' | '\n')) {
                assert!(
                    targets.contains(target.as_str()),
                    "{document} shows make {target}"
                );
            }
        }
    }
}

#[test]
fn every_bookend_command_that_a_document_shows_can_be_typed() {
    let mut shown = 0;
    for (document, text) in documents() {
        for line in text
            .lines()
            .filter_map(|line| line.split_once("bookend ").map(|(_, c)| c))
        {
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            let nouns = [
                "event", "booking", "object", "finding", "dead", "parked", "consumer", "action",
                "sweep", "endpoint", "secrets",
            ];
            if !words.first().is_some_and(|noun| nouns.contains(noun)) {
                continue;
            }
            let verb = words[1].trim_matches(|c: char| !c.is_ascii_lowercase());
            let answer = run(&[words[0], verb, "--help"], &[], b"");
            assert_eq!(answer.code, 0, "{document}: bookend {line}");
            shown += 1;
        }
    }
    assert!(shown > 0);
}

#[test]
fn every_setting_of_the_compose_file_has_its_line_in_the_configuration() {
    let compose = std::fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let page = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut checked = 0;
    for name in compose
        .lines()
        .filter_map(|line| line.trim().split_once(':').map(|(n, _)| n))
    {
        let is_a_name = name.contains('_')
            && name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        let of_an_image = (name.starts_with("KAFKA_") && name != "KAFKA_BROKERS")
            || name.starts_with("POSTGRES_")
            || ["REPLICATION_FACTOR", "MIN_ISR"].contains(&name);
        if is_a_name && !of_an_image {
            assert!(
                page.contains(&format!("`{name}`")),
                "{name} is not in docs/configuration.md"
            );
            checked += 1;
        }
    }
    assert!(checked >= 15, "only {checked} settings seen");
}

#[test]
fn topics_made_for_compose_take_the_largest_record_the_services_send() {
    let script = std::fs::read_to_string(root().join("deploy/create-topics.sh")).unwrap();
    let bytes = script
        .lines()
        .find_map(|line| line.strip_prefix("max_message_bytes="));
    let bytes: usize = bytes
        .expect("the script sets max_message_bytes")
        .parse()
        .unwrap();
    assert!(bytes >= shared::kafka::MAX_RECORD_BYTES);
}

/// Targets of links in a page, `#…` and addresses left out, with the page's folder.
fn links(document: &str, text: &str) -> Vec<PathBuf> {
    let folder = Path::new(document).parent().unwrap();
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .map(|target| folder.join(target))
        .collect()
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    let mut seen = 0;
    for (document, text) in documents() {
        for target in links(&document, &text) {
            assert!(target.exists(), "{document} links to {}", target.display());
            seen += 1;
        }
    }
    assert!(
        seen > 50,
        "only {seen} links: has the way of writing them changed?"
    );
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for path in files(&root().join("docs"), "md") {
        let page = path.strip_prefix(root().join("docs")).unwrap();
        let named = summary.contains(&format!("]({})", page.display()));
        let is_summary = page == Path::new("SUMMARY.md");
        assert!(
            named || is_summary,
            "docs/SUMMARY.md does not name {}",
            page.display()
        );
    }
}

#[test]
fn the_front_pages_are_short_enough_to_be_read() {
    for name in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        assert!(
            text.lines().count() <= 200,
            "{name} is longer than 200 lines"
        );
        let is_prose = |line: &&str| !line.starts_with('|');
        let long = text
            .lines()
            .filter(is_prose)
            .find(|line| line.chars().count() > 140);
        assert_eq!(long, None, "{name} has a long line");
    }
}
