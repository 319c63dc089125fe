//! The few places of an object that name what it belongs to, without building the rest of it.
//!
//! Pure, one pass. Invariant: what is read at these places is what the whole value holds there
//! (`the_named_places_are_those_of_the_whole_value`); everything else reads as absent.
//!
//! Stripe's objects are large (an invoice has a hundred lines), and every delivery is routed: what
//! is not looked at is skipped, not kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::lenient;
use crate::folding::values::MAX_ELEMENTS;

/// What is wanted of a place: a text always, of an object these fields, of a list its elements.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    Fields(&'static [(&'static str, Wanted)]),
    Elements(&'static Wanted),
}

const REFERENCE: Wanted = Wanted::Fields(&[("id", Wanted::Text)]);
const METADATA: Wanted = Wanted::Fields(&[("booking_id", Wanted::Text)]);
const PAYMENT: Wanted = Wanted::Fields(&[("payment_intent", REFERENCE), ("charge", REFERENCE)]);
const WITH_METADATA: Wanted = Wanted::Fields(&[("metadata", METADATA)]);
const MEMBERS: Wanted = Wanted::Fields(&[("data", Wanted::Elements(&WITH_METADATA))]);
const DETAILS: Wanted = Wanted::Fields(&[("subscription", REFERENCE), ("metadata", METADATA)]);

/// Every place that `routing` looks at.
const NAMING: Wanted = Wanted::Fields(&[
    ("metadata", METADATA),
    ("payment_intent", REFERENCE),
    ("payment", PAYMENT),
    (
        "payments",
        Wanted::Fields(&[(
            "data",
            Wanted::Elements(&Wanted::Fields(&[("payment", PAYMENT)])),
        )]),
    ),
    ("charge", REFERENCE),
    ("subscription", REFERENCE),
    (
        "parent",
        Wanted::Fields(&[("subscription_details", DETAILS)]),
    ),
    ("subscription_details", DETAILS),
    ("invoice", REFERENCE),
    ("customer", REFERENCE),
    ("lines", MEMBERS),
    ("items", MEMBERS),
]);

/// The named places of a valid JSON text; the rest of it is absent.
pub(super) fn naming(json: &str) -> Value {
    let read = |json: &str| {
        let mut reader = serde_json::Deserializer::from_str(json);
        NAMING.deserialize(&mut reader)
    };
    // As for a whole value: what cannot be held spoils its own field only.
    read(json)
        .or_else(|_cannot_be_held| read(&lenient::mended(json)))
        .unwrap_or_default()
}

impl<'de> DeserializeSeed<'de> for Wanted {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(found) = map.next_key_seed(Key(self))? {
            match found {
                // The last of several counts, as in a whole value.
                Some((name, wanted)) => {
                    kept.insert(name.to_owned(), map.next_value_seed(wanted)?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        if let Self::Elements(wanted) = self {
            while kept.len() < MAX_ELEMENTS
                && let Some(element) = list.next_element_seed(*wanted)?
            {
                kept.push(element);
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(kept))
    }
}

/// A key of an object, matched with what is wanted of it.
struct Key(Wanted);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<(&'static str, Wanted)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Option<(&'static str, Wanted)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(match self.0 {
            Wanted::Text => None,
            Wanted::Fields(fields) => fields.iter().find(|(name, _)| *name == key).copied(),
            // A JSON pointer's `0` is also an object's field of that name.
            Wanted::Elements(wanted) => (key == "0").then_some(("0", *wanted)),
        })
    }
}
