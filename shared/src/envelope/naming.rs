//! An object's name and id, and the few places that name what it belongs to, without building the
//! rest of it.
//!
//! Pure, one pass. Invariant: what is read at these places is what the whole value holds there
//! (`the_named_places_are_those_of_the_whole_value`); everything else reads as absent. Where the
//! one pass cannot hold something, the object is read again piece by piece, with the same result
//! (`one_pass_and_piece_by_piece_read_the_same`).
//!
//! Stripe's objects are large (an invoice has a hundred lines), and every delivery is routed: what
//! is not looked at is skipped, not kept.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{ObjectRef, lenient, object};
use crate::folding::values::MAX_ELEMENTS;

/// What is wanted of a place: a text or a flag always (of a number only that it is one), of an
/// object these fields, of a list its elements.
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

/// What an event's object is, and what it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    /// Its name and id.
    pub(super) reference: Option<ObjectRef>,
    /// The named places; the rest is absent.
    pub(super) naming: Value,
}

impl Named {
    /// Reads it piece by piece.
    pub(super) fn apart(raw: &RawValue) -> Self {
        Self {
            reference: object::reference(raw),
            naming: naming(raw.get()),
        }
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Whole)
    }
}

struct Whole;

/// A field of a whole object.
enum Field {
    Part(Part),
    Naming(&'static str, Wanted),
    Other,
}

#[derive(Clone, Copy)]
enum Part {
    Kind,
    Id,
    Livemode,
}

struct WholeKey;

impl<'de> DeserializeSeed<'de> for WholeKey {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for WholeKey {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Field, E> {
        Ok(match key {
            "object" => Field::Part(Part::Kind),
            "id" => Field::Part(Part::Id),
            "livemode" => Field::Part(Part::Livemode),
            _ => NAMING
                .field(key)
                .map_or(Field::Other, |(name, wanted)| Field::Naming(name, wanted)),
        })
    }
}

/// The fields that make a reference: each may stand once, and must be what it is.
#[derive(Default)]
struct Parts {
    kind: Option<Value>,
    id: Option<Value>,
    livemode: Option<Value>,
}

impl Parts {
    fn place(&mut self, part: Part) -> &mut Option<Value> {
        match part {
            Part::Kind => &mut self.kind,
            Part::Id => &mut self.id,
            Part::Livemode => &mut self.livemode,
        }
    }

    fn reference(self, twice: bool, naming: &Map<String, Value>) -> Option<ObjectRef> {
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Some(Some(text)),
            Some(Value::Null) | None => Some(None),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        let odd = matches!(
            self.livemode,
            Some(Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))
        );
        let (kind, id) = (text(self.kind)?, text(self.id)?);
        if twice || odd {
            return None;
        }
        object::named(kind, id, || naming.get("customer").cloned())
    }
}

impl<'de> Visitor<'de> for Whole {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
        let mut kept = Map::new();
        let (mut parts, mut twice) = (Parts::default(), false);
        while let Some(field) = map.next_key_seed(WholeKey)? {
            match field {
                Field::Part(part) => {
                    let value = map.next_value_seed(Wanted::Text)?;
                    twice |= parts.place(part).replace(value).is_some();
                }
                Field::Naming(name, wanted) => {
                    let again = kept.insert(name.to_owned(), map.next_value_seed(wanted)?);
                    // Which customer a summary is of must not be open.
                    twice |= name == "customer" && again.is_some();
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let reference = parts.reference(twice, &kept);
        Ok(Named {
            reference,
            naming: Value::Object(kept),
        })
    }
}

impl Wanted {
    /// What is wanted of a field.
    fn field(self, key: &str) -> Option<(&'static str, Self)> {
        match self {
            Self::Text => None,
            Self::Fields(fields) => fields.iter().find(|(name, _)| *name == key).copied(),
            // A JSON pointer's `0` is also an object's field of that name.
            Self::Elements(wanted) => (key == "0").then_some(("0", *wanted)),
        }
    }
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

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number(0.into()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number(0.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number(0.into()))
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
        Ok(self.0.field(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Objects of the fields that matter, each possibly twice, with values that cannot be held.
    fn objects() -> impl Strategy<Value = String> {
        let value = prop::sample::select(vec![
            "null",
            "true",
            "7",
            "1e400",
            r#""\ud800""#,
            r#""ch_1""#,
            r#""cus_1""#,
            r#""entitlements.active_entitlement_summary""#,
            r#"{"id":"cus_2"}"#,
            r#"{"id":7}"#,
            "[]",
            r#"{"data":[{"metadata":{"booking_id":"b"}}]}"#,
        ]);
        let name = prop::sample::select(vec![
            "id", "object", "livemode", "customer", "metadata", "lines", "x", "\\ud800", "i\\u0064",
        ]);
        let field = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        let fields = prop::collection::vec(field, 0..7);
        let object = fields.prop_map(|fields| format!("{{{}}}", fields.join(",")));
        prop_oneof![20 => object, 1 => Just("[\"charge\",\"ch_1\"]".to_owned()), 1 => Just("7".to_owned())]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8_000))]
        #[test]
        fn one_pass_and_piece_by_piece_read_the_same(text in objects()) {
            let raw: &RawValue = serde_json::from_str(&text).unwrap();
            if let Ok(in_one_pass) = serde_json::from_str::<Named>(&text) {
                prop_assert_eq!(in_one_pass, Named::apart(raw));
            }
        }
    }

    #[test]
    fn usual_objects_are_read_in_one_pass() {
        let text = r#"{"id":"ch_1","object":"charge","livemode":false,"customer":null,"amount":5,"metadata":{"booking_id":"b-1","x":1}}"#;
        let named = serde_json::from_str::<Named>(text).unwrap();
        assert_eq!(named.reference.unwrap().id.as_str(), "ch_1");
        assert_eq!(named.naming.pointer("/metadata/booking_id").unwrap(), "b-1");
    }
}
