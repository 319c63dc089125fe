//! Every event type that Stripe's official client names, and some that nobody names yet: kept and
//! folded or kept and not understood, never given up on.

use serde_json::{Value, json};

use crate::harness::{Harness, event};
use crate::publishing::publish_all;

/// Extracted from the official Node client; a test of the testbed keeps it equal to that.
const TYPES: &str = include_str!("../../../testbed/event-types.txt");

fn body(number: usize, event_type: &str) -> Vec<u8> {
    let id = format!("evt_{number}");
    let kind = event_type
        .rsplit_once('.')
        .map_or(event_type, |(kind, _)| kind);
    if kind.starts_with("v2.") {
        return json!({
            "id": id, "object": "v2.core.event", "type": event_type, "livemode": false,
            "created": "2026-09-21T14:13:20.000Z",
            "related_object": {"id": format!("obj_{number}"), "type": kind, "url": "/v2/x"},
        })
        .to_string()
        .into_bytes();
    }
    let object = json!({"id": format!("obj_{number}"), "object": kind, "status": "a_new_one"});
    event(&id, 1_790_000_000, event_type, object, Value::Null)
}

#[test]
fn no_event_type_of_the_official_client_is_given_up_on() {
    let invented = ["payment_intent.reconsidered", "moon.landed", "x"];
    let types: Vec<&str> = TYPES.lines().chain(invented).collect();
    assert!(types.len() > 250, "{}", types.len());
    let records: Vec<(String, Vec<u8>)> = types
        .iter()
        .enumerate()
        .map(|(number, event_type)| (format!("k{number}"), body(number, event_type)))
        .collect();
    let harness = Harness::new();
    let _processor = harness.start();
    publish_all(&harness, &records);
    let count = i64::try_from(types.len()).unwrap();
    harness.eventually_number(count, "SELECT count(*) FROM events");
    assert_eq!(
        harness.number(
            "SELECT count(*) FROM events WHERE disposition IN ('dead', 'parked', 'ignored')"
        ),
        0
    );
    assert_eq!(harness.number("SELECT count(*) FROM dead_letters"), 0);
    assert_eq!(
        harness.number("SELECT count(DISTINCT type) FROM events"),
        count
    );
}
