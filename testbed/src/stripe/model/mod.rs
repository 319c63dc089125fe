//! Stripe's objects as the fake keeps them: a template for each kind, the legal steps between
//! its statuses, and what changed in a step.
//!
//! Invariant: no object ever takes a step that its state machine forbids; a story that asks for
//! one is refused. Full-size objects of API version `2026-10-28.endive`.

pub(crate) mod charge;
pub(crate) mod customer;
pub(crate) mod dispute;
pub(crate) mod intent;
pub(crate) mod invoice;
pub(crate) mod kinds;
pub(crate) mod machine;
pub(crate) mod refund;
pub(crate) mod session;
pub(crate) mod setup_intent;
pub(crate) mod subscription;

use serde_json::{Map, Value, json};

/// The version in which every payload is rendered.
pub const API_VERSION: &str = "2026-10-28.endive";

/// The version of bookings that are played in the old shapes: the last before basil.
pub(crate) const OLD_VERSION: &str = "2025-02-24.acacia";

/// One product at one price: ids that a merchant chose.
const PRICE: &str = "price_1MoBy5LkdIwHu7ixZhnattbh";
const PRODUCT: &str = "room-with-a-view";

/// A step that the object's state machine does not have.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {id}: no step from {from} to {to}")]
pub(crate) struct IllegalStep {
    kind: String,
    id: String,
    from: String,
    to: String,
}

/// What all objects of one booking share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) created: i64,
    pub(crate) livemode: bool,
    pub(crate) customer: String,
    pub(crate) payment_method: String,
}

/// Merges `patch` into the object and returns what was there before, as Stripe's
/// `previous_attributes` show it: nested objects by their changed keys, arrays as a whole.
///
/// # Errors
/// When the step is illegal; the object is then unchanged.
pub(crate) fn step(object: &mut Value, patch: &Value) -> Result<Value, IllegalStep> {
    machine::check(object, patch)?;
    Ok(merge(object, patch))
}

fn merge(object: &mut Value, patch: &Value) -> Value {
    let mut before = Map::new();
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Value::Object(before);
    };
    for (key, new) in patch {
        let slot = object.entry(key.clone()).or_insert(Value::Null);
        if slot == new {
            continue;
        }
        if slot.is_object() && new.is_object() {
            let inner = merge(slot, new);
            if inner.as_object().is_some_and(|inner| !inner.is_empty()) {
                before.insert(key.clone(), inner);
            }
        } else {
            before.insert(key.clone(), std::mem::replace(slot, new.clone()));
        }
    }
    Value::Object(before)
}

/// The object with the patch in it, whatever its state machine says: for templates.
pub(crate) fn merged(mut object: Value, patch: &Value) -> Value {
    merge(&mut object, patch);
    object
}

/// A text field; empty if absent.
pub(crate) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A number of minor units; 0 if absent.
pub(crate) fn number(object: &Value, key: &str) -> i64 {
    object.get(key).and_then(Value::as_i64).unwrap_or_default()
}

/// The metadata that a booking system sets.
pub(crate) fn metadata(booking_id: Option<&str>) -> Value {
    booking_id.map_or_else(|| json!({}), |id| json!({ "booking_id": id }))
}

fn address() -> Value {
    json!({"city": null, "country": "DE", "line1": null, "line2": null, "postal_code": "10115", "state": null})
}
