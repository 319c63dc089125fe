//! What is not as it should be: one field, before and after.
//!
//! Pure.

use serde::Serialize;
use serde_json::{Map, Value};

/// One field of a row that a refold would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its name.
    pub field: String,
    /// As stored.
    pub before: Value,
    /// As today's rules fold it.
    pub after: Value,
}

impl Change {
    /// A field, before and after.
    #[must_use]
    pub fn new(field: &str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        Self {
            field: field.to_owned(),
            before: before.into(),
            after: after.into(),
        }
    }

    /// `500 → 1000`, for people. Snapshots are named by their events only.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{} → {}", text(&self.before), text(&self.after))
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(state) => sources(state),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
}

/// The events that a state's snapshots are from.
fn sources(state: &Map<String, Value>) -> String {
    let members = state.get("members").and_then(Value::as_array);
    let sources = members
        .into_iter()
        .flatten()
        .filter_map(|member| member.get("source_id")?.as_str());
    let sources: Vec<&str> = sources.collect();
    if sources.is_empty() {
        "no snapshot".to_owned()
    } else {
        sources.join(", ")
    }
}

/// The fields of two JSON objects that differ; what one lacks is null.
#[must_use]
pub fn fields(before: &Value, after: &Value) -> Vec<Change> {
    let none = Map::new();
    let (before, after) = (
        before.as_object().unwrap_or(&none),
        after.as_object().unwrap_or(&none),
    );
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |map: &Map<String, Value>, name: &str| map.get(name).cloned().unwrap_or(Value::Null);
    names
        .into_iter()
        .map(|name| Change::new(name, of(before, name), of(after, name)))
        .filter(|change| change.before != change.after)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_named_and_what_is_missing_is_null() {
        let before = json!({"status": "confirmed", "amount": 5, "hold": null});
        let after = json!({"status": "refunded", "amount": 5, "paid": 1});
        let changes = fields(&before, &after);
        let names: Vec<&str> = changes.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(names, ["paid", "status"]);
        assert!(fields(&before, &before).is_empty());
        assert_eq!(fields(&Value::Null, &after).len(), 3);
    }

    #[test]
    fn a_change_reads_as_before_and_after() {
        let state = |id: &str| json!({"members": [{"source_id": id, "at": 1}]});
        let change = Change::new("snapshots", state("evt_1"), json!({}));
        assert_eq!(change.told(), "evt_1 → no snapshot");
        assert_eq!(Change::new("x", Value::Null, 7).told(), "- → 7");
    }
}
