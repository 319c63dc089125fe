//! One object in the shape of an older API version: what an endpoint that is pinned to one gets.
//!
//! Source: <https://docs.stripe.com/changelog/basil>: a subscription's current period moved to
//! its items, an invoice's subscription below `parent`.

use serde_json::Value;

/// The first version with the new shape.
const BASIL: &str = "2025-03-31";

/// The event as an endpoint of `version` gets it.
pub(super) fn pinned(mut event: Value, version: &str) -> Value {
    if version < BASIL
        && let Some(object) = event.pointer_mut("/data/object")
    {
        *object = old(object.take());
    }
    if let Some(event) = event.as_object_mut() {
        event.insert("api_version".to_owned(), version.into());
    }
    event
}

fn old(mut object: Value) -> Value {
    match object.get("object").and_then(Value::as_str) {
        Some("subscription") => {
            for field in ["current_period_start", "current_period_end"] {
                let item = object.pointer_mut("/items/data/0");
                let moved = item.and_then(|item| item.as_object_mut()?.remove(field));
                put(&mut object, field, moved);
            }
        }
        Some("invoice") => {
            let moved = object
                .pointer("/parent/subscription_details/subscription")
                .cloned();
            put(&mut object, "subscription", moved);
            if let Some(fields) = object.as_object_mut() {
                fields.remove("parent");
            }
        }
        Some(_) | None => {}
    }
    object
}

fn put(object: &mut Value, field: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(field.to_owned(), value);
    }
}
