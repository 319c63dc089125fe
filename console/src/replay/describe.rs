//! How a plan and its results look: for people, for programs, and as CSV.
//!
//! Pure. Times are printed in UTC with their zone.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::candidate::Origin;
use super::find::{Asked, Found, Request};
use super::plan::{Part, Planned};
use super::ranges::Range;
use super::times::shown;
use crate::action::Results;
use crate::output::{columns, fields, or_dash};

/// A plan, as it is shown and recorded.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    asked: Asked<'a>,
    /// `log` or `ledger`.
    source: &'static str,
    topic: &'a str,
    matched: u64,
    by_type: BTreeMap<String, u64>,
    by_disposition: BTreeMap<String, u64>,
    oldest: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
    partitions: Vec<Part>,
    sample: Vec<Planned>,
    /// What was done otherwise than asked, and what an operator should know before going on.
    warnings: Vec<String>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(request: &'a Request, found: &Found, topic: &'a str) -> Self {
        let summary = found.plan.summary();
        let mut warnings = found.notes.clone();
        warnings.extend(summary.warnings(&found.plan, found.not_applied));
        Self {
            asked: request.asked(),
            source: match found.origin {
                Origin::Log => "log",
                Origin::Ledger => "ledger",
            },
            topic,
            matched: summary.matched,
            by_type: summary.by_type,
            by_disposition: summary.by_disposition,
            oldest: summary.oldest,
            newest: summary.newest,
            partitions: parts(&found.ranges, summary.partitions),
            sample: summary.sample,
            warnings,
        }
    }

    pub(crate) fn matched(&self) -> u64 {
        self.matched
    }

    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = fields([
            ("matched", Some(self.matched.to_string())),
            ("source", Some(self.source.to_owned())),
            ("topic", Some(self.topic.to_owned())),
            ("oldest received", self.oldest.map(shown)),
            ("newest received", self.newest.map(shown)),
        ]);
        for (name, counts) in [
            ("DISPOSITION", &self.by_disposition),
            ("TYPE", &self.by_type),
        ] {
            text.push('\n');
            let rows = counts
                .iter()
                .map(|(key, count)| [key.clone(), count.to_string()]);
            text.push_str(&columns([name, "COUNT"], rows));
        }
        text.push('\n');
        let rows = self.partitions.iter().map(|part| {
            [
                part.partition.to_string(),
                part.from.to_string(),
                part.to.to_string(),
                part.count.to_string(),
            ]
        });
        text.push_str(&columns(["PARTITION", "FROM", "TO", "COUNT"], rows));
        text.push('\n');
        let rows = self.sample.iter().map(|item| {
            [
                item.subject.clone(),
                item.event_type.clone(),
                item.disposition.clone(),
                shown(item.received_at),
                format!("{}/{}", item.partition, item.offset),
                or_dash(item.livemode.map(|live| live.to_string())),
            ]
        });
        let header = ["SAMPLE", "TYPE", "DISPOSITION", "RECEIVED", "PLACE", "LIVE"];
        text.push_str(&columns(header, rows));
        text
    }

    /// `topic,partition,offset` a line: where each partition's part begins.
    pub(crate) fn csv(&self) -> String {
        let line = |part: &Part| format!("{},{},{}\n", self.topic, part.partition, part.from);
        self.partitions.iter().map(line).collect()
    }
}

/// What was read of the log counts, not only what matched there; of the ledger, what matched.
fn parts(ranges: &[Range], matched: Vec<Part>) -> Vec<Part> {
    if ranges.is_empty() {
        return matched;
    }
    let count = |partition: i32| {
        let part = matched.iter().find(|part| part.partition == partition);
        part.map_or(0, |part| part.count)
    };
    let read = ranges.iter().map(|range| Part {
        partition: range.partition,
        from: range.from,
        to: range.to,
        count: count(range.partition),
    });
    read.collect()
}

/// What a replay came to.
#[derive(Serialize)]
pub(crate) struct Outcome<'a> {
    pub(crate) action: &'a str,
    pub(crate) state: &'static str,
    /// How many items are in which state; `published`: no result yet.
    pub(crate) results: &'a Results,
}

impl Outcome<'_> {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = fields([
            ("action", Some(self.action.to_owned())),
            ("state", Some(self.state.to_owned())),
        ]);
        text.push('\n');
        let rows = self.results.0.iter();
        let rows = rows.map(|(name, count)| [name.clone(), count.to_string()]);
        text.push_str(&columns(["RESULT", "COUNT"], rows));
        text
    }
}
