//! What one event or observation says: its object's snapshot, the links between objects, and at
//! most one claim.
//!
//! Pure. Links are only those that tie objects to one booking: refund and dispute to charge and
//! payment intent, charge to payment intent, session to payment intent, subscription and
//! invoice, invoice to subscription and payments. A customer, a payment link, a transfer group
//! or an account is never one: a customer with two bookings would merge them.

use serde_json::Value;

use super::fields::Fields;
use super::object::Snapshot;
use super::values::{id_at, undone};
use crate::envelope::{Decoded, ObjectRef, ObservedObject, Shape};
use crate::ids::BookingId;
use crate::routing::claimed;

/// Two objects of one booking: `from` names `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The object that names the other.
    pub from: ObjectRef,
    /// The object that is named.
    pub to: ObjectRef,
}

/// An object says which booking it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Seconds since 1970.
    pub at: i64,
    /// The event or observation that says so.
    pub source_id: String,
    /// The booking.
    pub booking_id: BookingId,
}

/// Everything one event or observation says.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What its object was like.
    pub object: Option<(ObjectRef, Snapshot)>,
    /// What it ties together.
    pub links: Vec<Link>,
    /// Which booking its object claims.
    pub claim: Option<Claim>,
}

/// Where an object of each kind names another, and that one's kind.
fn edges(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "refund" | "dispute" => &[("/charge", "charge"), ("/payment_intent", "payment_intent")],
        "charge" => &[("/payment_intent", "payment_intent")],
        "payment_intent" => &[("/latest_charge", "charge")],
        "checkout.session" => &[
            ("/payment_intent", "payment_intent"),
            ("/subscription", "subscription"),
            ("/invoice", "invoice"),
        ],
        "invoice" => &[
            ("/subscription", "subscription"),
            ("/parent/subscription_details/subscription", "subscription"),
            ("/payment_intent", "payment_intent"),
            ("/payments/data/0/payment/payment_intent", "payment_intent"),
            ("/charge", "charge"),
        ],
        "invoice_payment" => &[
            ("/invoice", "invoice"),
            ("/payment/payment_intent", "payment_intent"),
            ("/payment/charge", "charge"),
        ],
        _ => &[],
    }
}

/// Reads an event. A thin event says nothing but that something changed.
#[must_use]
pub fn read_event(decoded: &Decoded<'_>) -> Reading {
    let envelope = &decoded.envelope;
    let (Shape::Snapshot, Some(object)) = (envelope.shape, envelope.object.clone()) else {
        return Reading::default();
    };
    let value = decoded.object();
    let previous = decoded.previous_attributes();
    let snapshot = Snapshot {
        at: envelope.created,
        source_id: envelope.id.to_string(),
        observed: false,
        creation: envelope.event_type.ends_with(".created"),
        fields: Fields::read(&object.kind, &value),
        before: previous
            .is_object()
            .then(|| Fields::read(&object.kind, &undone(&value, &previous))),
    };
    reading(object, &value, snapshot)
}

/// Reads an observation that was made in second `observed_at` by Stripe's clock.
#[must_use]
pub fn read_observation(
    observed: &ObservedObject<'_>,
    observation_id: &str,
    observed_at: i64,
) -> Reading {
    let value = observed.value();
    let snapshot = Snapshot {
        at: observed_at,
        source_id: observation_id.to_owned(),
        observed: true,
        creation: false,
        fields: Fields::read(&observed.object.kind, &value),
        before: None,
    };
    reading(observed.object.clone(), &value, snapshot)
}

fn reading(object: ObjectRef, value: &Value, snapshot: Snapshot) -> Reading {
    let links = edges(&object.kind)
        .iter()
        .filter_map(|(path, kind)| {
            let to = ObjectRef {
                kind: (*kind).to_owned(),
                id: id_at(value, path)?,
            };
            (to.id != object.id).then(|| Link {
                from: object.clone(),
                to,
            })
        })
        .collect();
    let claim = claimed(&object.kind, value).map(|booking_id| Claim {
        at: snapshot.at,
        source_id: snapshot.source_id.clone(),
        booking_id,
    });
    Reading {
        object: Some((object, snapshot)),
        links,
        claim,
    }
}
