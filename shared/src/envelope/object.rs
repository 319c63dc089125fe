//! A Stripe object by itself: named inside an event, or retrieved.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Malformed, ObjectRef, depth, lenient, naming};
use crate::folding::details::{SUMMARY, summary_id};
use crate::folding::values::chosen_id_at;
use crate::ids::ObjectId;

/// An object as Stripe returned it.
#[derive(Debug)]
pub struct ObservedObject<'a> {
    /// Name and id.
    pub object: ObjectRef,
    /// Stripe's livemode, where told.
    pub livemode: Option<bool>,
    raw: &'a str,
}

impl ObservedObject<'_> {
    /// Only the places that name what it belongs to.
    #[must_use]
    pub(crate) fn naming(&self) -> serde_json::Value {
        naming::naming(self.raw)
    }

    /// The object as JSON.
    #[must_use]
    pub fn value(&self) -> serde_json::Value {
        lenient::value(self.raw)
    }
}

#[derive(Deserialize)]
struct Named<'a> {
    object: Option<String>,
    id: Option<String>,
    #[serde(borrow)]
    customer: Option<&'a RawValue>,
    livemode: Option<bool>,
}

#[derive(Deserialize)]
struct Related {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
}

fn referred(kind: Option<String>, id: Option<String>) -> Option<ObjectRef> {
    let kind = kind.filter(|kind| super::is_type(kind))?;
    let id = ObjectId::of_kind(&kind, &id?).ok()?;
    Some(ObjectRef { kind, id })
}

pub(super) fn reference(raw: &RawValue) -> Option<ObjectRef> {
    let fields: Named<'_> = serde_json::from_str(raw.get()).ok()?;
    let customer = fields.customer;
    named(fields.object, fields.id, || {
        Some(lenient::value(customer?.get()))
    })
}

/// The reference that these fields make.
pub(super) fn named(
    kind: Option<String>,
    id: Option<String>,
    customer: impl FnOnce() -> Option<Value>,
) -> Option<ObjectRef> {
    let id = id.or_else(|| {
        // The one object that is folded and has no id of its own.
        let is_summary = kind.as_deref() == Some(SUMMARY);
        let customer = chosen_id_at(&customer().filter(|_| is_summary)?, "")?;
        Some(summary_id(customer.as_str()))
    });
    referred(kind, id)
}

/// A thin event's `related_object`; its `type` is the object's name.
pub(super) fn related(raw: &RawValue) -> Option<ObjectRef> {
    let related: Related = serde_json::from_str(raw.get()).ok()?;
    referred(related.kind, related.id)
}

/// Reads an observation's value: Stripe's exact response to a retrieve.
///
/// # Errors
/// [`Malformed`].
pub fn decode_observation(body: &[u8]) -> Result<ObservedObject<'_>, Malformed> {
    let raw = depth::checked(body)?;
    let named: Named<'_> = serde_json::from_str(raw).map_err(Malformed::from_json)?;
    let object = referred(named.object, named.id).ok_or(Malformed::NotAnObject)?;
    Ok(ObservedObject {
        object,
        livemode: named.livemode,
        raw,
    })
}
