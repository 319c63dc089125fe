//! Reading a Stripe object's JSON without trusting its shape.
//!
//! Pure. Strings with control characters or beyond 255 bytes read as absent: they could not be
//! stored, and no id, status or currency of Stripe's is like that.

use serde_json::Value;

use crate::envelope::MAX_CREATED;
use crate::ids::{BookingId, ObjectId};

/// Most elements of one list that are looked at.
pub(crate) const MAX_ELEMENTS: usize = 100;

/// The text at a JSON pointer.
#[must_use]
pub fn text_at(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    let plain = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

/// The booking id at a JSON pointer; a blank one is none.
#[must_use]
pub fn booking_at(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    BookingId::parse(text).ok()?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// The whole number at a JSON pointer.
#[must_use]
pub fn number_at(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer)?.as_i64()
}

/// The time at a JSON pointer, seconds since 1970; absurd ones read as absent.
#[must_use]
pub fn time_at(value: &Value, pointer: &str) -> Option<i64> {
    number_at(value, pointer).filter(|at| (0..=MAX_CREATED).contains(at))
}

/// The list at a JSON pointer; empty where there is none.
#[must_use]
pub fn list_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The truth value at a JSON pointer.
#[must_use]
pub fn flag_at(value: &Value, pointer: &str) -> Option<bool> {
    value.pointer(pointer)?.as_bool()
}

/// The id at a JSON pointer: a text, or an expanded object that has one.
#[must_use]
pub fn id_at(value: &Value, pointer: &str) -> Option<ObjectId> {
    ObjectId::parse(id_text(value, pointer)?).ok()
}

/// The id at a JSON pointer of an object whose id a merchant may have chosen.
#[must_use]
pub fn chosen_id_at(value: &Value, pointer: &str) -> Option<ObjectId> {
    ObjectId::parse_chosen(id_text(value, pointer)?).ok()
}

fn id_text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    let found = value.pointer(pointer)?;
    found.as_str().or_else(|| found.get("id")?.as_str())
}

/// The first of these JSON pointers that holds an id.
#[must_use]
pub fn first_id(value: &Value, pointers: &[&str]) -> Option<ObjectId> {
    pointers.iter().find_map(|pointer| id_at(value, pointer))
}

/// Every value at a JSON pointer in which one segment may be `*`: each element of a list, in
/// its order; at most 100.
pub fn each_at<'a>(value: &'a Value, pointer: &str) -> Vec<&'a Value> {
    match pointer.split_once("/*") {
        None => value.pointer(pointer).into_iter().collect(),
        Some((list, rest)) => list_at(value, list)
            .iter()
            .take(MAX_ELEMENTS)
            .filter_map(|element| element.pointer(rest))
            .collect(),
    }
}

/// The object as it was before: `previous` laid over it, objects merged, elements of lists
/// merged with the element of the same `id` (or place, where they have none), everything else
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
        (Value::Array(now), Value::Array(before)) => before
            .iter()
            .enumerate()
            .map(|(place, old)| {
                let new = match old.get("id") {
                    Some(id) => now.iter().find(|new| new.get("id") == Some(id)),
                    None => now.get(place).filter(|new| new.is_object()),
                };
                new.map_or_else(|| old.clone(), |new| undone(new, old))
            })
            .collect(),
        (_, old) => old.clone(),
    }
}
