//! Whether what Stripe answered for an object would change what we believe of it, field by field.
//!
//! Pure. Invariant: the answer is what the processor would make of the same bytes: the snapshot is
//! read, joined and judged by the rules that it folds by. The evidence names fields; it holds
//! statuses, amounts and flags, and nothing of a person.
//!
//! Deliberately absent: links, which are only ever added, by the same observation; finding out whether
//! a claim is new ([`super::claims`]).

use serde_json::{Value, json};
use shared::db::objects::StoredObject;
use shared::folding::change::{Change, fields};
use shared::folding::{Columns, ObjectState, Snapshot};

use super::claims::NewClaim;
use crate::evidence::{Gap, Verdict};

/// Fields whose values may be shown.
const SHOWN: &[&str] = &[
    "status",
    "payment_status",
    "amount",
    "amount_paid",
    "amount_received",
    "amount_captured",
    "amount_refunded",
    "amount_capturable",
    "amount_due",
    "amount_remaining",
    "amount_overpaid",
    "currency",
    "captured",
    "disputed",
    "settled",
];

/// Judged apart: metadata that names no booking any more claims nothing ([`with_claim`]).
const CLAIM: &str = "booking";

/// What would change.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Difference {
    /// Sorted; `object` alone for one that we were never told anything of.
    pub(super) fields: Vec<String>,
    values: serde_json::Map<String, Value>,
}

/// What the snapshot would change of a stored object; `None`: nothing.
pub(super) fn difference(stored: Option<&StoredObject>, seen: &Snapshot) -> Option<Difference> {
    let told = stored.filter(|row| row.version > 0);
    // A state that can't be read is one that was told nothing: then everything differs.
    let before: ObjectState = told
        .and_then(|row| serde_json::from_str(&row.state).ok())
        .unwrap_or_default();
    let mut after = before.clone();
    after.join(seen.clone());
    let (Some(row), Some(held)) = (told, before.winner()) else {
        let status = Change::new("status", Value::Null, seen.fields.status.clone());
        return Some(Difference {
            fields: vec!["object".to_owned()],
            values: values(&[status]),
        });
    };
    let wins = after.winner()?;
    let mut changes = fields(&json!(held.snapshot.fields), &json!(wins.snapshot.fields));
    changes.retain(|change| change.field != CLAIM);
    changes.extend(fields(&json!(row.columns), &json!(Columns::of(&after))));
    let mut names: Vec<String> = changes.iter().flat_map(names_of).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| Difference {
        fields: names,
        values: values(&changes),
    })
}

/// The same, with the booking that the object names by now.
pub(super) fn with_claim(
    difference: Option<Difference>,
    claim: Option<NewClaim>,
) -> Option<Difference> {
    let Some(claim) = claim else {
        return difference;
    };
    let mut whole = difference.unwrap_or_default();
    let field = "booking_id".to_owned();
    whole
        .values
        .insert(field.clone(), json!([claim.held, claim.claimed]));
    whole.fields.push(field);
    whole.fields.sort_unstable();
    Some(whole)
}

/// The name of what changes; for details the names within them.
fn names_of(change: &Change) -> Vec<String> {
    if change.field != "details" {
        return vec![change.field.clone()];
    }
    let within = fields(&change.before, &change.after);
    within
        .iter()
        .map(|inner| format!("details.{}", inner.field))
        .collect()
}

fn values(changes: &[Change]) -> serde_json::Map<String, Value> {
    changes
        .iter()
        .filter(|change| SHOWN.contains(&change.field.as_str()))
        .map(|change| (change.field.clone(), json!([change.before, change.after])))
        .collect()
}

impl Difference {
    /// The verdict on it.
    pub(super) fn verdict(&self) -> Verdict {
        Verdict {
            kind: Gap::BookingDiffers,
            confidence: 1.0,
            evidence: json!({
                "what": "retrieved_object_differs",
                "fields": self.fields,
                "believed_and_retrieved": self.values,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use shared::envelope::decode_observation;
    use shared::folding::read_observation;

    fn seen(at: i64, patch: &Value) -> Snapshot {
        let mut object = json!({
            "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 100,
            "amount_received": 100, "currency": "eur", "customer": "cus_1",
        });
        for (name, value) in patch.as_object().unwrap() {
            object[name] = value.clone();
        }
        let body = object.to_string().into_bytes();
        let observed = decode_observation(&body).unwrap();
        read_observation(&observed, &format!("obs_{at}"), at)
            .object
            .unwrap()
            .1
    }

    fn stored(snapshot: Snapshot) -> StoredObject {
        let mut state = ObjectState::default();
        state.join(snapshot);
        StoredObject {
            kind: "payment_intent".to_owned(),
            booking_id: Some("B".to_owned()),
            version: 1,
            state: json!(state).to_string(),
            columns: Columns::of(&state),
        }
    }

    #[test]
    fn object_that_is_as_we_believe_does_not_differ() {
        let row = stored(seen(1, &json!({})));
        assert_eq!(difference(Some(&row), &seen(9, &json!({}))), None);
    }

    #[test]
    fn every_field_that_differs_is_named_and_persons_are_not_shown() {
        let row = stored(seen(1, &json!({})));
        let other = seen(9, &json!({"amount_received": 60, "customer": "cus_2"}));
        let found = difference(Some(&row), &other).unwrap();
        assert_eq!(found.fields, ["amount_paid", "amount_received", "customer"]);
        let evidence = found.verdict().evidence.to_string();
        assert!(evidence.contains("[100,60]"), "{evidence}");
        assert!(!evidence.contains("cus_"), "{evidence}");
    }

    #[test]
    fn answer_from_an_earlier_phase_than_we_believe_changes_nothing() {
        let row = stored(seen(5, &json!({})));
        let stale = json!({"status": "processing", "amount_received": 0});
        assert_eq!(difference(Some(&row), &seen(9, &stale)), None);
    }

    #[test]
    fn object_known_by_name_only_or_not_at_all_differs() {
        let seen = seen(9, &json!({}));
        let whole = vec!["object".to_owned()];
        assert_eq!(difference(None, &seen).unwrap().fields, whole);
        let mut stub = stored(seen.clone());
        stub.version = 0;
        assert_eq!(difference(Some(&stub), &seen).unwrap().fields, whole);
        let unreadable = StoredObject {
            version: 1,
            state: "[]".to_owned(),
            ..stub
        };
        assert_eq!(difference(Some(&unreadable), &seen).unwrap().fields, whole);
    }

    #[test]
    fn column_that_is_not_what_its_snapshots_say_differs() {
        let mut row = stored(seen(1, &json!({})));
        row.columns.amount = Some(7);
        let found = difference(Some(&row), &seen(9, &json!({}))).unwrap();
        assert_eq!(found.fields, ["amount"]);
    }

    #[test]
    fn new_claim_is_a_difference_by_itself_and_beside_others() {
        let claim = Some(NewClaim {
            held: Some("B-1".to_owned()),
            claimed: "B-2".to_owned(),
        });
        let alone = with_claim(None, claim.clone()).unwrap();
        assert_eq!(alone.fields, ["booking_id"]);
        let evidence = alone.verdict().evidence.to_string();
        assert!(evidence.contains(r#""booking_id":["B-1","B-2"]"#));
        let row = stored(seen(1, &json!({})));
        let other = difference(Some(&row), &seen(9, &json!({"status": "canceled"})));
        let fields = with_claim(other, claim).unwrap().fields;
        assert_eq!(fields, ["booking_id", "status"]);
        assert_eq!(with_claim(None, None), None);
    }

    #[test]
    fn details_are_named_one_by_one() {
        let change = Change::new(
            "details",
            json!({"a": 1, "b": 2}),
            json!({"a": 1, "b": 3, "c": 4}),
        );
        assert_eq!(names_of(&change), ["details.b", "details.c"]);
    }
}
