//! A booking's history as one list: every event with its effect, and the changes that no event
//! caused, in the order in which they took effect. Pure.
//!
//! *Invariant:* nothing is left out: each event and each transition appears exactly once.

use serde::Serialize;
use serde_json::Value;

use crate::ledger::event::{DeadLetter, EventRow, Transition};

/// One line of the history: an event, a transition, or an event with its transitions.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// `None`: a registration, an operator's action, or an event that is not in the ledger.
    pub(crate) event: Option<EventRow>,
    pub(crate) transitions: Vec<Transition>,
    /// What it did, in words.
    pub(crate) effect: String,
}

/// Merges the events (sorted by `apply_seq`) with the transitions (sorted by version).
///
/// A transition without an event goes before the first event that made a later version; where no
/// later event changed anything, its time decides.
pub(crate) fn merge(
    events: Vec<EventRow>,
    transitions: Vec<Transition>,
    dead: &[DeadLetter],
) -> Vec<Step> {
    let known: std::collections::HashSet<String> = events.iter().map(|e| e.id.clone()).collect();
    let (mut caused, others): (Vec<_>, Vec<_>) = transitions
        .into_iter()
        .partition(|t| of_event(t) && known.contains(&t.cause_id));
    let mut others = others.into_iter().peekable();
    let mut steps = Vec::new();
    for event in events {
        let (own, rest): (Vec<_>, Vec<_>) =
            caused.into_iter().partition(|t| t.cause_id == event.id);
        caused = rest;
        while let Some(other) = others.next_if(|other| precedes(other, &own, &event)) {
            steps.push(without_event(other));
        }
        let effect = effect(&event, &own, dead);
        steps.push(Step {
            event: Some(event),
            transitions: own,
            effect,
        });
    }
    steps.extend(others.map(without_event));
    steps
}

fn of_event(transition: &Transition) -> bool {
    matches!(transition.cause_kind.as_str(), "event" | "observation")
}

fn precedes(other: &Transition, own: &[Transition], event: &EventRow) -> bool {
    match own.first() {
        Some(first) => other.version < first.version,
        None => other.at <= event.applied_at.unwrap_or(event.received_at),
    }
}

fn without_event(transition: Transition) -> Step {
    let effect = change(&transition);
    Step {
        event: None,
        transitions: vec![transition],
        effect,
    }
}

/// What an event did to the booking, in words.
pub(crate) fn effect(event: &EventRow, own: &[Transition], dead: &[DeadLetter]) -> String {
    if !own.is_empty() {
        return own.iter().map(change).collect::<Vec<_>>().join("; ");
    }
    match event.disposition.as_str() {
        "applied" => "its object changed, the booking did not".to_owned(),
        "no_change" => "no change".to_owned(),
        "ignored" => "ignored: other mode or account".to_owned(),
        "parked" => "waits behind a blocked booking".to_owned(),
        "dead" => match dead
            .iter()
            .find(|d| d.event_id.as_deref() == Some(event.id.as_str()))
        {
            Some(letter) => format!("given up on ({}): {}", letter.stage, letter.error),
            None => "given up on".to_owned(),
        },
        // A disposition of a later version: shown as it is.
        other => other.to_owned(),
    }
}

/// `pending → confirmed, amount_paid 0 → 5000`.
pub(crate) fn change(transition: &Transition) -> String {
    let mut parts = Vec::new();
    match &transition.from_status {
        None => parts.push(format!("new: {}", transition.to_status)),
        Some(from) if *from == transition.to_status => {}
        Some(from) => parts.push(format!("{from} → {}", transition.to_status)),
    }
    let before = transition.before.as_ref().map(|before| &before.0);
    if let (Some(Value::Object(before)), Value::Object(after)) = (before, &transition.after.0) {
        for (name, now) in after {
            let then = before.get(name).unwrap_or(&Value::Null);
            if name != "status" && then != now {
                parts.push(format!("{name} {} → {}", plain(then), plain(now)));
            }
        }
    }
    if parts.is_empty() {
        format!("version {}", transition.version)
    } else {
        parts.join(", ")
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use chrono::{DateTime, Utc};
    use serde_json::json;

    use super::*;
    use crate::ledger::JsonText;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn event(id: &str, applied: i64, disposition: &str) -> EventRow {
        EventRow {
            id: id.to_owned(),
            record_kind: "event".to_owned(),
            account: None,
            livemode: Some(false),
            r#type: "payment_intent.succeeded".to_owned(),
            api_version: None,
            created: at(0),
            object_type: None,
            object_id: None,
            snapshot_event: None,
            booking_id: Some("b".to_owned()),
            source: "webhook".to_owned(),
            disposition: disposition.to_owned(),
            received_at: at(applied),
            applied_at: Some(at(applied)),
            apply_seq: applied,
            topic: "t".to_owned(),
            partition: 0,
            offset: 0,
            payload_length: 2,
            payload_sha256: String::new(),
            payload_removed_at: None,
            payload_removed_by: None,
            signed: true,
            verified_by: None,
            fold_version: 1,
            trace_id: None,
        }
    }

    fn transition(version: i64, cause: (&str, &str), statuses: (Option<&str>, &str)) -> Transition {
        Transition {
            booking_id: "b".to_owned(),
            version,
            cause_kind: cause.0.to_owned(),
            cause_id: cause.1.to_owned(),
            from_status: statuses.0.map(str::to_owned),
            to_status: statuses.1.to_owned(),
            before: None,
            after: JsonText(json!({})),
            at: at(version * 10),
        }
    }

    #[test]
    fn every_event_and_every_transition_appears_once_and_versions_rise() {
        let events = vec![event("e1", 5, "no_change"), event("e2", 6, "applied")];
        let transitions = vec![
            transition(1, ("registration", "b"), (None, "pending")),
            transition(2, ("event", "e2"), (Some("pending"), "confirmed")),
            transition(3, ("action", "a1"), (Some("confirmed"), "confirmed")),
            transition(4, ("event", "gone"), (Some("confirmed"), "refunded")),
        ];
        let steps = merge(events, transitions, &[]);
        let ids: Vec<_> = steps
            .iter()
            .map(|s| s.event.as_ref().map_or("-", |e| e.id.as_str()))
            .collect();
        assert_eq!(ids, ["e1", "-", "e2", "-", "-"]);
        let versions: Vec<_> = steps
            .iter()
            .flat_map(|s| s.transitions.iter().map(|t| t.version))
            .collect();
        assert_eq!(versions, [1, 2, 3, 4]);
    }

    #[test]
    fn an_effect_names_the_status_and_the_amounts_that_changed() {
        let mut paid = transition(2, ("event", "e"), (Some("pending"), "confirmed"));
        paid.before = Some(JsonText(
            json!({"status": "pending", "amount_paid": 0, "hold": null}),
        ));
        paid.after = JsonText(json!({"status": "confirmed", "amount_paid": 5000, "hold": null}));
        assert_eq!(change(&paid), "pending → confirmed, amount_paid 0 → 5000");
    }

    #[test]
    fn a_dead_event_tells_why_it_was_given_up_on() {
        let letter = DeadLetter {
            id: 1,
            event_id: Some("e".to_owned()),
            stage: "apply".to_owned(),
            error_class: "business".to_owned(),
            error: "too large".to_owned(),
            attempts: 1,
            status: "open".to_owned(),
            last_failed_at: at(1),
        };
        let told = effect(&event("e", 1, "dead"), &[], &[letter]);
        assert_eq!(told, "given up on (apply): too large");
        assert_eq!(effect(&event("e", 1, "dead"), &[], &[]), "given up on");
    }
}
