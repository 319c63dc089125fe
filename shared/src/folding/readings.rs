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
use super::values::{each_at, id_at, list_at, text_at, undone};
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
    /// Class of payment method, where there is exactly one: bank debits take days, cards do not.
    pub payment_method_type: Option<String>,
}

/// Where an invoice names its subscription: since basil, and before.
pub(super) const INVOICE_SUBSCRIPTION: &[&str] =
    &["/parent/subscription_details/subscription", "/subscription"];

/// Whether an event of this type says that its object is gone, even where the object itself
/// does not. A subscription that is "deleted" is canceled, and stays.
fn tells_deletion(event_type: &str, kind: &str) -> bool {
    event_type.ends_with(".deleted") && kind != "subscription"
}

/// Whether an event of this type tells that its object entered the phase it is in, which happens
/// once in its life: it was made, or took a step that has no way back.
/// Source: <https://docs.stripe.com/api/events/types>.
fn tells_entry(event_type: &str) -> bool {
    event_type.ends_with(".created")
        || matches!(
            event_type,
            "charge.failed"
                | "charge.pending"
                | "charge.succeeded"
                | "checkout.session.completed"
                | "checkout.session.expired"
                | "customer.subscription.deleted"
                | "invoice.finalized"
                | "invoice.marked_uncollectible"
                | "invoice.paid"
                | "invoice.voided"
                | "payment_intent.canceled"
                | "payment_intent.succeeded"
                | "payout.canceled"
                | "payout.failed"
                | "payout.paid"
                | "setup_intent.canceled"
                | "setup_intent.succeeded"
        )
}

/// Where an object of each kind names another, and that one's kind.
fn edges(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "refund" | "dispute" => &[("/charge", "charge"), ("/payment_intent", "payment_intent")],
        // An invoice is named by its payment only before basil.
        "charge" => &[
            ("/payment_intent", "payment_intent"),
            ("/invoice", "invoice"),
        ],
        "payment_intent" => &[("/latest_charge", "charge"), ("/invoice", "invoice")],
        "subscription" => &[("/latest_invoice", "invoice")],
        "checkout.session" => &[
            ("/payment_intent", "payment_intent"),
            ("/subscription", "subscription"),
            ("/invoice", "invoice"),
        ],
        "invoice" => &[
            ("/subscription", "subscription"),
            ("/parent/subscription_details/subscription", "subscription"),
            ("/payment_intent", "payment_intent"),
            ("/payments/data/*/payment/payment_intent", "payment_intent"),
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
    let fields = if tells_deletion(&envelope.event_type, &object.kind) {
        Fields::deleted(&object.kind)
    } else {
        Fields::read(&object.kind, &value)
    };
    let snapshot = Snapshot {
        at: envelope.created,
        source_id: envelope.id.to_string(),
        observed: false,
        entry: tells_entry(&envelope.event_type),
        fields,
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
        entry: false,
        fields: Fields::read(&observed.object.kind, &value),
        before: None,
    };
    reading(observed.object.clone(), &value, snapshot)
}

fn reading(object: ObjectRef, value: &Value, snapshot: Snapshot) -> Reading {
    let links = edges(&object.kind)
        .iter()
        .flat_map(|(path, kind)| {
            each_at(value, path)
                .into_iter()
                .filter_map(move |found| Some(((*kind).to_owned(), id_at(found, "")?)))
        })
        .filter(|(_, id)| *id != object.id)
        .map(|(kind, id)| Link {
            from: object.clone(),
            to: ObjectRef { kind, id },
        })
        .collect();
    let claim = claimed(&object.kind, value).map(|booking_id| Claim {
        at: snapshot.at,
        source_id: snapshot.source_id.clone(),
        booking_id,
    });
    Reading {
        payment_method_type: payment_method_type(&object.kind, value),
        object: Some((object, snapshot)),
        links,
        claim,
    }
}

/// The class of payment method that an object was, or can only be, paid with.
fn payment_method_type(kind: &str, value: &Value) -> Option<String> {
    if kind == "payment_method" {
        return text_at(value, "/type");
    }
    let used = [
        "/payment_method_details/type",
        "/latest_charge/payment_method_details/type",
        "/charges/data/0/payment_method_details/type",
        "/payment_method/type",
    ];
    let only = || match list_at(value, "/payment_method_types") {
        [one] => text_at(one, ""),
        _ => None,
    };
    used.iter()
        .find_map(|path| text_at(value, path))
        .or_else(only)
}
