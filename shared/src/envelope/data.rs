//! An event's `data`: the object it is about, and what that was before.
//!
//! Pure. Invariant: whatever stands there is an answer, and the body around it stays readable.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Top;

/// What `data` holds.
pub(super) enum Data<'a> {
    /// An object with these members.
    Members(Members<'a>),
    /// No object, or one in which they stand twice.
    Odd,
}

/// The members that we look at, as the bytes they arrived in.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) object: Option<&'a RawValue>,
    pub(super) previous_attributes: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Data<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Visit)
    }
}

struct Visit;

impl<'de> Visitor<'de> for Visit {
    type Value = Data<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data<'de>, A::Error> {
        let mut members = Members::default();
        let mut twice = false;
        while let Some(key) = map.next_key::<Key>()? {
            let place = match key {
                Key::Object => &mut members.object,
                Key::PreviousAttributes => &mut members.previous_attributes,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // A null reads as absent, but as given.
            let value = map.next_value::<&RawValue>()?;
            twice |= place.replace(value).is_some();
        }
        if twice {
            return Ok(Data::Odd);
        }
        let given = |raw: Option<&'de RawValue>| raw.filter(|raw| raw.get() != "null");
        Ok(Data::Members(Members {
            object: given(members.object),
            previous_attributes: given(members.previous_attributes),
        }))
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Object,
    PreviousAttributes,
    #[serde(other)]
    Other,
}

/// Reads a body whose `data` cannot be read with it: first as bytes, then by itself.
pub(super) fn apart(text: &str) -> Result<Top<'_, Data<'_>>, serde_json::Error> {
    let top: Top<'_, &RawValue> = serde_json::from_str(text)?;
    let data = top
        .data
        .map(|raw| serde_json::from_str(raw.get()).unwrap_or(Data::Odd));
    Ok(Top {
        id: top.id,
        object: top.object,
        event_type: top.event_type,
        created: top.created,
        account: top.account,
        context: top.context,
        livemode: top.livemode,
        api_version: top.api_version,
        data,
        related_object: top.related_object,
        snapshot_event: top.snapshot_event,
    })
}
