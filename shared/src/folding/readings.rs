//! What one event or observation says: its object's snapshot, the links between objects, and the
//! bookings that it names.
//!
//! Pure. Links are only those that tie objects to one booking: refund and dispute to charge and
//! payment intent, charge to payment intent, session to payment intent, subscription and
//! invoice, invoice to subscription and payments. A customer, a payment link, a transfer group
//! or an account is never one: a customer with two bookings would merge them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::details::Details;
use super::fields::{Fields, Told};
use super::object::{Capture, ListedPayments, Marks, Snapshot};
use super::values::{MAX_ELEMENTS, each_at, flag_at, id_at, list_at, number_at, text_at, undone};
use crate::envelope::{Decoded, Envelope, ObjectRef, ObservedObject, Shape};
use crate::ids::ObjectId;

/// Two objects of one booking: `from` names `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The object that names the other.
    pub from: ObjectRef,
    /// The object that is named.
    pub to: ObjectRef,
}

/// Everything one event or observation says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What its object was like.
    pub object: Option<(ObjectRef, Snapshot)>,
    /// What it ties together.
    pub links: Vec<Link>,
    /// Every booking that its object names, in metadata, lines or a client reference; sorted.
    pub mentions: Vec<String>,
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

/// What only the type of an event tells.
fn told(event_type: &str) -> Option<Told> {
    match event_type {
        "charge.expired" => Some(Told::Released),
        "checkout.session.async_payment_failed" => Some(Told::PaymentFailed),
        "account.application.deauthorized" => Some(Told::Deauthorized),
        _ => None,
    }
}

/// Whether an event of this type tells that its object entered the phase it is in, which happens
/// once in its life: it was made, or took a step that has no way back.
/// Source: <https://docs.stripe.com/api/events/types>.
fn tells_entry(event_type: &str) -> bool {
    event_type.ends_with(".created")
        || matches!(
            event_type,
            "charge.captured"
                | "charge.expired"
                | "charge.failed"
                | "charge.pending"
                | "charge.succeeded"
                | "checkout.session.completed"
                | "checkout.session.async_payment_failed"
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
        "credit_note" => &[
            ("/invoice", "invoice"),
            ("/refund", "refund"),
            ("/refunds/*/refund", "refund"),
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
            ("/payments/data/*/payment/charge", "charge"),
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
    let told = told(&envelope.event_type);
    // The event's object is the application: what it is about is the account.
    if told == Some(Told::Deauthorized) {
        return deauthorized(envelope);
    }
    let (Shape::Snapshot, Some(object)) = (envelope.shape, envelope.object.clone()) else {
        return Reading::default();
    };
    let value = decoded.object();
    let previous = decoded.previous_attributes();
    let mut fields = if tells_deletion(&envelope.event_type, &object.kind) {
        Fields::deleted(&object.kind)
    } else {
        Fields::read(&object.kind, &value)
    };
    fields.told = told;
    let before = previous
        .is_object()
        .then(|| Fields::read(&object.kind, &undone(&value, &previous)));
    let entry = tells_entry(&envelope.event_type);
    let mut marks = Marks::default();
    if envelope.event_type == "invoice.payment_failed" {
        marks.failed_attempts = number_at(&value, "/attempt_count");
    }
    if fields.kind == "charge" && fields.captured == Some(true) {
        let was_held = before.as_ref().is_some_and(|it| it.captured == Some(false));
        let capture = Capture {
            at: envelope.created,
            refunded: fields.amount_refunded.unwrap_or(0),
        };
        marks.first_capture = Some(capture);
        marks.proven_capture = (was_held || entry).then_some(capture);
    }
    let snapshot = Snapshot {
        at: envelope.created,
        source_id: envelope.id.to_string(),
        observed: false,
        entry,
        fields,
        before,
        marks,
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
    let fields = Fields::read(&observed.object.kind, &value);
    let mut marks = Marks::default();
    if fields.kind == "charge" && fields.captured == Some(true) {
        marks.first_capture = Some(Capture {
            at: observed_at,
            refunded: fields.amount_refunded.unwrap_or(0),
        });
    }
    if fields.kind == "invoice" {
        marks.listed_payments = listed_payments(&value, observed_at);
    }
    let snapshot = Snapshot {
        at: observed_at,
        source_id: observation_id.to_owned(),
        observed: true,
        entry: false,
        fields,
        before: None,
        marks,
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
    Reading {
        payment_method_type: payment_method_type(&object.kind, value),
        mentions: mentions(&snapshot.fields),
        object: Some((object, snapshot)),
        links,
    }
}

/// The account is gone: Stripe tells it by an event about our own application.
/// Source: <https://docs.stripe.com/api/events/types>, `account.application.deauthorized`.
fn deauthorized(envelope: &Envelope) -> Reading {
    let Some(account) = envelope.account.as_ref() else {
        return Reading::default();
    };
    let kind = "account".to_owned();
    let Ok(id) = ObjectId::parse(account.as_str()) else {
        return Reading::default();
    };
    let fields = Fields {
        told: Some(Told::Deauthorized),
        details: Details::read(&kind, &Value::Null),
        kind: kind.clone(),
        ..Fields::default()
    };
    let snapshot = Snapshot {
        at: envelope.created,
        source_id: envelope.id.to_string(),
        observed: false,
        entry: false,
        fields,
        before: None,
        marks: Marks::default(),
    };
    Reading {
        object: Some((ObjectRef { kind, id }, snapshot)),
        ..Reading::default()
    }
}

/// Every booking that a snapshot names.
fn mentions(fields: &Fields) -> Vec<String> {
    let mut found: Vec<String> = fields.booking.iter().cloned().collect();
    found.extend(fields.client_reference.clone());
    match &fields.details {
        Details::Invoice(invoice) => {
            found.extend(invoice.frozen_booking.clone());
            found.extend(invoice.lines.iter().filter_map(|line| line.booking.clone()));
        }
        Details::CreditNote(note) => {
            found.extend(note.lines.iter().map(|(booking, _)| booking.clone()));
        }
        _ => {}
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// An invoice's payments, where it was retrieved with its whole list of them.
/// Source: Stripe API reference, "The Invoice object", `payments` (expandable since basil).
fn listed_payments(invoice: &Value, at: i64) -> Option<ListedPayments> {
    let list = invoice.pointer("/payments/data")?.as_array()?;
    if flag_at(invoice, "/payments/has_more") != Some(false) || list.len() > MAX_ELEMENTS {
        return None;
    }
    let mut listed = ListedPayments {
        at,
        ..ListedPayments::default()
    };
    for payment in list {
        if text_at(payment, "/status").as_deref() != Some("paid") {
            continue;
        }
        let amount = number_at(payment, "/amount_paid").unwrap_or(0);
        let sum = match text_at(payment, "/payment/type").as_deref() {
            Some("payment_intent" | "charge") => &mut listed.through_stripe,
            Some(_) | None => &mut listed.elsewhere,
        };
        *sum = sum.saturating_add(amount);
    }
    Some(listed)
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
