//! Facts against the schema that their readers get, docs/booking-events.schema.json.

use serde_json::{Value, json};

use crate::harness::Harness;

fn schema() -> jsonschema::Validator {
    let text = include_str!("../../../docs/booking-events.schema.json");
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

pub(crate) fn assert_fits(fact: &Value) {
    let problems: Vec<String> = schema()
        .iter_errors(fact)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}\n{fact:#}");
}

/// Every fact that a harness wrote; how many there were.
pub(crate) fn assert_all_fit(harness: &Harness) -> usize {
    let all = harness
        .text("SELECT json_agg(payload ORDER BY seq) FROM outbox")
        .unwrap();
    let mut all: Vec<Value> = serde_json::from_str(&all).unwrap();
    for fact in &mut all {
        // The relay adds it when the fact leaves.
        fact["generation"] = json!(0);
        assert_fits(fact);
    }
    all.len()
}

#[test]
fn the_schema_refuses_a_fact_with_a_field_that_it_does_not_name() {
    let mut fact = json!({
        "v": 3, "id": format!("fact_{}", "0".repeat(64)), "kind": "customer.changed",
        "generation": 0, "version": 1,
        "booking_id": null, "account": null, "object_id": "cus_1", "changed": ["deleted"],
        "state": {"deleted": true}, "previous": null, "cause": {"kind": "event", "id": "evt_1"},
        "trace_id": null,
    });
    assert_fits(&fact);
    fact["state"]["email"] = json!("guest@example.com");
    assert!(!schema().is_valid(&fact));
}
