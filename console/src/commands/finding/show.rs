//! `bookend finding show`: the contradiction, its objects and amounts, the rule's decision, and a
//! person's options.

use serde::Serialize;
use serde_json::Value;

use super::super::{millisecond, money_tables};
use super::find;
use crate::args::Global;
use crate::database::read;
use crate::failure::Failure;
use crate::finding_kind;
use crate::ledger::finding::{self, Closure, FindingRow};
use crate::ledger::share::{self, ShareRow};
use crate::output::{self, Form, columns, fields};

#[derive(Serialize)]
struct Shown {
    finding: FindingRow,
    state: &'static str,
    meaning: Option<&'static str>,
    decided_by_rule: Option<&'static str>,
    options: Option<&'static str>,
    /// A person's decision to close it.
    closure: Option<Closure>,
    /// The object's part in each booking, as it is now.
    shares: Vec<ShareRow>,
}

pub(super) fn run(global: &Global, id: &str) -> Result<(), Failure> {
    let shown = read(global.timeout, "finding_show", |db| load(db, id))?;
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => output::text(&describe(&shown)),
    }
}

fn load(db: &mut diesel::pg::PgConnection, id: &str) -> Result<Shown, Failure> {
    let finding = find(db, id)?;
    let closure = match &finding.identity {
        Some(identity) => finding::closure(db, identity)?,
        None => None,
    };
    let shares = match &finding.object_id {
        Some(object) => share::of_object(db, &finding.account, object)?,
        None => Vec::new(),
    };
    let kind = finding_kind::find(&finding.kind);
    Ok(Shown {
        state: finding.state(),
        meaning: kind.map(|kind| kind.meaning),
        decided_by_rule: kind.map(|kind| kind.rule),
        options: kind.map(|kind| kind.remedy),
        closure,
        shares,
        finding,
    })
}

fn describe(shown: &Shown) -> String {
    let mut text = summary(shown);
    let evidence = evidence(&shown.finding.evidence.0);
    if !evidence.is_empty() {
        text.push('\n');
        text.push_str(&columns(["EVIDENCE", "VALUE"], evidence));
    }
    if !shown.shares.is_empty() {
        text.push('\n');
        text.push_str(&money_tables::shares(&shown.shares));
    }
    let texts = [
        ("meaning", shown.meaning),
        ("decided by rule", shown.decided_by_rule),
        ("you can", shown.options),
    ];
    let texts = texts.map(|(name, text)| (name, text.map(str::to_owned)));
    text.push('\n');
    text.push_str(&fields(texts));
    text
}

fn summary(shown: &Shown) -> String {
    let row = &shown.finding;
    let found_by = match row.sweep_id {
        Some(sweep) => format!("sweep {sweep}"),
        None => "folding".to_owned(),
    };
    let mut lines = vec![
        ("finding", Some(row.id.to_string())),
        ("identity", row.identity.clone()),
        ("kind", Some(row.kind.clone())),
        ("state", Some(shown.state.to_owned())),
        ("booking", row.booking_id.clone()),
        ("object", row.object_id.clone()),
        ("account", Some(money_tables::account(&row.account))),
        ("event", row.event_id.clone()),
        ("since", Some(millisecond(row.found_at))),
        ("found by", Some(found_by)),
        ("detail", row.detail.clone()),
    ];
    if let Some(at) = row.repaired_at {
        lines.push(("repaired", Some(millisecond(at))));
    }
    if let Some(at) = row.closed_at {
        let by = row.closed_by.as_deref().unwrap_or("itself");
        lines.push(("closed", Some(format!("{} by {by}", millisecond(at)))));
    }
    if let Some(closure) = &shown.closure {
        let by = format!("{} ({})", closure.reason, closure.action_id);
        lines.push(("closed because", Some(by)));
    }
    fields(lines)
}

/// The evidence's members, nested ones as JSON. Objects and amounts are among them.
fn evidence(evidence: &Value) -> Vec<[String; 2]> {
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match evidence {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| [name.clone(), cell(value)])
            .collect(),
        Value::Null => Vec::new(),
        other => vec![["evidence".to_owned(), cell(other)]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn evidence_is_shown_member_by_member_whatever_its_shape() {
        let rows = evidence(&json!({"claims": ["a", "b"], "payment_intent": "pi_1"}));
        let expected = [["claims", r#"["a","b"]"#], ["payment_intent", "pi_1"]];
        assert_eq!(rows, expected.map(|row| row.map(str::to_owned)));
        assert_eq!(
            evidence(&json!([1])),
            [["evidence", "[1]"]].map(|row| row.map(str::to_owned))
        );
        assert!(evidence(&Value::Null).is_empty());
    }
}
