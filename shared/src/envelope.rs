//! The few fields of an event that everything relies on, read from bytes that are kept as they
//! are. One parser for all services: what one can read, all can.
//!
//! Pure. Invariant: any bytes give an answer in linear time and bounded stack, and the answer
//! depends on the bytes alone. What is optional at Stripe is optional here; every set of names
//! is open.
//!
//! Refused ([`Malformed`]): not UTF-8, a byte-order mark, bytes after the end, nesting deeper
//! than 64, one of the fields we rely on given twice, no usable id or type, an `object` that is
//! neither `event` nor `v2.core.event`. Accepted: unknown types, missing or odd `account`,
//! `created`, `api_version`, `livemode`, `request`; a `data.object` without an id.
//!
//! Sources: Stripe API reference "The Event object" and "Event (v2)".

mod data;
mod depth;
mod lenient;
mod malformed;
mod naming;
mod object;
mod salvage;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use data::Data;

use crate::ids::{AccountId, EventId, ObjectId};

pub use malformed::Malformed;
pub use object::{ObservedObject, decode_observation};
pub use salvage::{Salvaged, salvage};

/// Latest `created` that is believed: the end of the year 9999, seconds since 1970.
pub const MAX_CREATED: i64 = 253_402_300_799;
/// Longest event type, bytes.
const MAX_TYPE_BYTES: usize = 255;

/// Kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Carries the object (`object: event`).
    Snapshot,
    /// Names it only (`object: v2.core.event`).
    Thin,
}

/// An object by name and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Stripe's object name, for instance `payment_intent`.
    pub kind: String,
    /// Its id.
    pub id: ObjectId,
}

/// What we rely on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The event's id.
    pub id: EventId,
    /// Snapshot or thin.
    pub shape: Shape,
    /// Stripe's type: an open set; 1 to 255 bytes, no control characters.
    pub event_type: String,
    /// Seconds since 1970; 0 where absent or absurd.
    pub created: i64,
    /// Connected account: `account`, else the last account of `context`; none: our own.
    pub account: Option<AccountId>,
    /// `context` is there and names no account that we can read: the event is somebody's that we
    /// do not know.
    pub is_unattributable: bool,
    /// Stripe's livemode, where told.
    pub livemode: Option<bool>,
    /// Version of the payload; none for thin events.
    pub api_version: Option<String>,
    /// The object it is about, if it has an id.
    pub object: Option<ObjectRef>,
    /// A thin event's snapshot event.
    pub snapshot_event: Option<EventId>,
}

/// An event that could be read, with its bytes.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// What we rely on.
    pub envelope: Envelope,
    naming: Value,
    text: &'a str,
}

impl Decoded<'_> {
    /// `data.object` as JSON; `Null` for thin events.
    #[must_use]
    pub fn object(&self) -> Value {
        parsed(self.members().and_then(|members| members.object))
    }

    /// Of `data.object` only the places that name what it belongs to; `Null` for thin events.
    #[must_use]
    pub(crate) const fn naming(&self) -> &Value {
        &self.naming
    }

    /// `data.previous_attributes` as JSON; `Null` where there are none.
    #[must_use]
    pub fn previous_attributes(&self) -> Value {
        let members = self.members();
        parsed(members.and_then(|members| members.previous_attributes))
    }

    fn members(&self) -> Option<data::Members<'_>> {
        match self.envelope.shape {
            Shape::Snapshot => data::members(self.text),
            Shape::Thin => None,
        }
    }
}

/// What JSON allows and we cannot hold spoils its own field only.
fn parsed(raw: Option<&RawValue>) -> Value {
    raw.map(|raw| lenient::value(raw.get())).unwrap_or_default()
}

/// `D`: how much of `data` is read.
#[derive(Deserialize)]
struct Top<'a, D> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    event_type: Option<&'a RawValue>,
    #[serde(borrow)]
    created: Option<&'a RawValue>,
    #[serde(borrow)]
    account: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    livemode: Option<&'a RawValue>,
    #[serde(borrow)]
    api_version: Option<&'a RawValue>,
    #[serde(default = "none")]
    data: Option<D>,
    #[serde(borrow)]
    related_object: Option<&'a RawValue>,
    #[serde(borrow)]
    snapshot_event: Option<&'a RawValue>,
}

fn none<D>() -> Option<D> {
    None
}

/// Reads an event's body.
///
/// # Errors
/// [`Malformed`]: these bytes will never be readable.
pub fn decode(body: &[u8]) -> Result<Decoded<'_>, Malformed> {
    let text = depth::checked(body)?;
    // A parser of structures takes a list for one as well.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Malformed::NotJson { line: 1, column: 1 });
    }
    // Most bodies are read in one pass. What that cannot hold is looked at again, in pieces.
    let top = serde_json::from_str::<Top<'_, Data>>(text)
        .or_else(|_odd| data::apart(text))
        .map_err(Malformed::from_json)?;
    let shape = match text_of(top.object).as_deref() {
        Some("event") => Shape::Snapshot,
        Some("v2.core.event") => Shape::Thin,
        Some(_) | None => return Err(Malformed::UnknownShape),
    };
    let id = match top.id {
        None => return Err(Malformed::MissingId),
        Some(raw) => text_of(Some(raw))
            .and_then(|id| EventId::parse(&id).ok())
            .ok_or(Malformed::BadId)?,
    };
    let event_type = match top.event_type {
        None => return Err(Malformed::MissingType),
        Some(raw) => text_of(Some(raw))
            .filter(|name| is_type(name))
            .ok_or(Malformed::BadType)?
            .into_owned(),
    };
    let named = match (shape, top.data) {
        (Shape::Snapshot, Some(Data::Members(named))) => named,
        (Shape::Snapshot, Some(Data::Odd) | None) => return Err(Malformed::BadData),
        (Shape::Thin, _) => None,
    };
    let (reference, naming) =
        named.map_or((None, Value::Null), |named| (named.reference, named.naming));
    let (account, is_unattributable) = attributed(top.account, top.context);
    let object = match shape {
        Shape::Snapshot => reference,
        Shape::Thin => top.related_object.and_then(object::related),
    };
    let envelope = Envelope {
        id,
        shape,
        event_type,
        created: created(top.created),
        account,
        is_unattributable,
        livemode: top
            .livemode
            .and_then(|raw| serde_json::from_str(raw.get()).ok()),
        api_version: text_of(top.api_version)
            .filter(|version| is_type(version))
            .map(Cow::into_owned),
        object,
        snapshot_event: text_of(top.snapshot_event).and_then(|id| EventId::parse(&id).ok()),
    };
    Ok(Decoded {
        envelope,
        naming,
        text,
    })
}

/// Whose event it is, and whether that cannot be read. Connect events carry both places; an
/// organization's carry a path of accounts in `context`, the last of which is meant.
/// Source: <https://docs.stripe.com/changelog/basil>, 2025-04-30, "context on events".
fn attributed(account: Option<&RawValue>, context: Option<&RawValue>) -> (Option<AccountId>, bool) {
    let named = text_of(account).and_then(|id| AccountId::parse(&id).ok());
    let context = context.filter(|raw| raw.get() != "null");
    if named.is_some() || context.is_none() {
        return (named, false);
    }
    let last = text_of(context)
        .and_then(|path| AccountId::parse(path.rsplit('/').next().unwrap_or_default()).ok());
    let is_unattributable = last.is_none();
    (last, is_unattributable)
}

/// A text's characters; none: it is none, or holds what no text can.
fn text_of(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    let plain = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match plain {
        // Valid JSON without an escape: it stands there as it is.
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        Some(_) | None => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}

fn is_type(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_TYPE_BYTES && !name.chars().any(char::is_control)
}

/// Whole seconds, or RFC 3339 for thin events.
fn created(raw: Option<&RawValue>) -> i64 {
    let Some(raw) = raw else { return 0 };
    let seconds = serde_json::from_str::<i64>(raw.get()).ok().or_else(|| {
        let text: String = serde_json::from_str(raw.get()).ok()?;
        Some(
            chrono::DateTime::parse_from_rfc3339(&text)
                .ok()?
                .timestamp(),
        )
    });
    seconds
        .filter(|at| (0..=MAX_CREATED).contains(at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
