//! Reading a Stripe object's JSON without trusting its shape.
//!
//! Pure. Strings with control characters or beyond 255 bytes read as absent: they could not be
//! stored, and no id, status or currency of Stripe's is like that.

use serde_json::Value;

use crate::envelope::MAX_CREATED;
use crate::ids::ObjectId;

/// Most elements of one list that are looked at.
pub(crate) const MAX_ELEMENTS: usize = 100;

/// The value at a JSON pointer. As [`Value::pointer`], which copies each segment.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return value.pointer(pointer);
    }
    let (before, segments) = match pointer.split_once('/') {
        Some((before, segments)) => (before, Some(segments)),
        None => (pointer, None),
    };
    if !before.is_empty() {
        return None;
    }
    let mut segments = segments.into_iter().flat_map(|all| all.split('/'));
    segments.try_fold(value, |inside, segment| match inside {
        Value::Object(fields) => fields.get(segment),
        Value::Array(list) => {
            // As the pointers' standard has it (RFC 6901): no sign, no leading zero.
            let plain = segment == "0" || !segment.starts_with(['0', '+']);
            list.get(segment.parse::<usize>().ok().filter(|_| plain)?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// The text at a JSON pointer.
#[must_use]
pub fn text_at(value: &Value, pointer: &str) -> Option<String> {
    let text = at(value, pointer)?.as_str()?;
    let plain = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

/// The whole number at a JSON pointer.
#[must_use]
pub fn number_at(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer)?.as_i64()
}

/// The time at a JSON pointer, seconds since 1970; absurd ones read as absent.
#[must_use]
pub fn time_at(value: &Value, pointer: &str) -> Option<i64> {
    number_at(value, pointer).filter(|at| (0..=MAX_CREATED).contains(at))
}

/// The list at a JSON pointer; empty where there is none.
#[must_use]
pub fn list_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The truth value at a JSON pointer.
#[must_use]
pub fn flag_at(value: &Value, pointer: &str) -> Option<bool> {
    at(value, pointer)?.as_bool()
}

/// The id at a JSON pointer: a text, or an expanded object that has one.
#[must_use]
pub fn id_at(value: &Value, pointer: &str) -> Option<ObjectId> {
    let found = at(value, pointer)?;
    let id = found.as_str().or_else(|| found.get("id")?.as_str())?;
    ObjectId::parse(id).ok()
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
        None => at(value, pointer).into_iter().collect(),
        Some((list, rest)) => list_at(value, list)
            .iter()
            .take(MAX_ELEMENTS)
            .filter_map(|element| at(element, rest))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEGMENTS: &[&str] = &[
        "a", "0", "1", "00", "01", "+1", "-", "", "a~1b", "a~0b", "~",
    ];

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), Just(7.into()), Just("text".into())];
        leaf.prop_recursive(3, 30, 4, |inner| {
            let names = prop::sample::select(vec!["a", "0", "01", "", "a/b", "a~b"]);
            let fields = prop::collection::vec((names, inner.clone()), 0..5);
            let object = |fields: Vec<(&str, Value)>| {
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            };
            prop_oneof![
                fields.prop_map(object).prop_map(Value::Object),
                prop::collection::vec(inner, 0..3).prop_map(Value::Array),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn a_pointer_finds_what_the_librarys_finds(
            value in values(),
            segments in prop::collection::vec(prop::sample::select(SEGMENTS), 0..4),
            begins in prop::sample::select(vec!["/", "", "a"]),
        ) {
            let pointer = format!("{begins}{}", segments.join("/"));
            prop_assert_eq!(at(&value, &pointer), value.pointer(&pointer), "{}", pointer);
        }
    }
}
