//! An event's `data`: the object it is about, and what that was before.
//!
//! Pure. Invariant: whatever stands there is an answer, and the body around it stays readable.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Top;
use super::naming::Named;

/// What `data` holds.
pub(super) enum Data {
    /// An object, with what its `object` is, if that is given.
    Members(Option<Named>),
    /// No object, or one in which a member stands twice.
    Odd,
}

/// The members that we look at, as the bytes they arrived in.
#[derive(serde::Deserialize)]
pub(super) struct Members<'a> {
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) previous_attributes: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Visit)
    }
}

struct Visit;

impl<'de> Visitor<'de> for Visit {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let (mut objects, mut before) = (0_usize, 0_usize);
        let mut named = None;
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Object => {
                    objects = objects.saturating_add(1);
                    named = map.next_value::<Option<Named>>()?;
                }
                Key::PreviousAttributes => {
                    before = before.saturating_add(1);
                    map.next_value::<IgnoredAny>()?;
                }
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(if objects > 1 || before > 1 {
            Data::Odd
        } else {
            Data::Members(named)
        })
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

/// Reads a body that one pass cannot: `data` first as bytes, then by itself, then its object.
pub(super) fn apart(text: &str) -> Result<Top<'_, Data>, serde_json::Error> {
    let top: Top<'_, &RawValue> = serde_json::from_str(text)?;
    let data = top.data.map(|raw| {
        let members: Result<Members<'_>, _> = serde_json::from_str(raw.get());
        members.map_or(Data::Odd, |members| {
            Data::Members(members.object.map(Named::apart))
        })
    });
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

/// The members of a body's `data`, as bytes; none where it has none.
pub(super) fn members(text: &str) -> Option<Members<'_>> {
    #[derive(serde::Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        data: Option<Members<'a>>,
    }
    serde_json::from_str::<Outer<'_>>(text).ok()?.data
}
