//! Reading a Stripe object's JSON without trusting its shape.
//!
//! Pure. Strings with control characters or beyond 255 bytes read as absent: they could not be
//! stored, and no id, status or currency of Stripe's is like that.

use serde_json::Value;

use crate::ids::ObjectId;

/// The text at a JSON pointer.
#[must_use]
pub fn text_at(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    let plain = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

/// The whole number at a JSON pointer.
#[must_use]
pub fn number_at(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer)?.as_i64()
}

/// The truth value at a JSON pointer.
#[must_use]
pub fn flag_at(value: &Value, pointer: &str) -> Option<bool> {
    value.pointer(pointer)?.as_bool()
}

/// The id at a JSON pointer: a text, or an expanded object that has one.
#[must_use]
pub fn id_at(value: &Value, pointer: &str) -> Option<ObjectId> {
    let found = value.pointer(pointer)?;
    let id = found.as_str().or_else(|| found.get("id")?.as_str())?;
    ObjectId::parse(id).ok()
}

/// The object as it was before: `previous` laid over it, objects merged, everything else
/// replaced.
#[must_use]
pub fn undone(object: &Value, previous: &Value) -> Value {
    match (object, previous) {
        (Value::Object(now), Value::Object(before)) => {
            let mut merged = now.clone();
            for (key, old) in before {
                let value = now
                    .get(key)
                    .map_or_else(|| old.clone(), |new| undone(new, old));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (_, old) => old.clone(),
    }
}
