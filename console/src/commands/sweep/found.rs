//! `bookend sweep findings`.

use serde::Serialize;
use serde_json::Value;

use super::millisecond;
use crate::args::{Global, SweepFindings};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::finding::{self, FindingRow};
use crate::ledger::page::More;
use crate::output::{self, Form, columns, or_dash};

/// Most characters of evidence in a table.
const SHORT: usize = 80;

#[derive(Serialize)]
struct Findings {
    findings: Vec<FindingRow>,
    #[serde(flatten)]
    more: More,
}

pub(super) fn run(global: &Global, filter: &SweepFindings) -> Result<(), Failure> {
    let page = read(global.timeout, "sweep_findings", |db| {
        finding::list(db, filter)
    })?;
    let (findings, more) = page.report(if filter.all {
        "no finding fits all filters"
    } else {
        "no open finding fits all filters; --all shows the repaired ones, too"
    })?;
    match global.output {
        Form::Json => output::json(&Findings { findings, more }),
        Form::Table => output::text(&columns(
            [
                "FOUND", "KIND", "SURE", "WHAT", "EVENT", "OBJECT", "BOOKING", "REPAIRED", "PLAN",
            ],
            findings.into_iter().map(|row| {
                [
                    millisecond(row.found_at),
                    row.kind,
                    format!("{:.0} %", row.confidence * 100.0),
                    what(&row.evidence.0),
                    or_dash(row.event_id),
                    or_dash(row.object_id),
                    or_dash(row.booking_id),
                    or_dash(row.repaired_at.map(millisecond)),
                    or_dash(row.plan_id),
                ]
            }),
        )),
    }
}

/// What the evidence says in a word; where it has none, its beginning.
fn what(evidence: &Value) -> String {
    if let Some(what) = evidence.get("what").and_then(Value::as_str) {
        return what.to_owned();
    }
    let whole = evidence.to_string();
    match whole.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", whole.get(..end).unwrap_or_default()),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn evidence_is_told_in_a_word_or_by_its_beginning() {
        assert_eq!(what(&json!({"what": "dead", "more": 1})), "dead");
        assert_eq!(what(&json!({"claimed": "a"})), r#"{"claimed":"a"}"#);
        let long = what(&json!({"claimed": "ü".repeat(200)}));
        assert_eq!(long.chars().count(), SHORT + 1);
    }
}
