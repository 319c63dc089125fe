//! The typed view of a Stripe object: what the business reads, the same for every API version.
//!
//! Pure. Source: Stripe API reference; the changelog for fields that moved (2025-03-31.basil).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::details::Details;
use super::values::{first_id, flag_at, id_at, number_at, text_at};
use crate::ids::ObjectId;
use crate::money::Currency;

/// Fields of one object at one moment. Absent means: not there, or not readable.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Fields {
    /// Stripe's object name.
    pub kind: String,
    /// Status; an open set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A checkout session's `payment_status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_status: Option<String>,
    /// `amount`, a session's `amount_total`, an invoice's `amount_due`; minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// A payment intent's `amount_received`; minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_received: Option<i64>,
    /// A charge's `amount_captured`; minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_captured: Option<i64>,
    /// A charge's `amount_refunded`; minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_refunded: Option<i64>,
    /// Currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// A charge's `captured`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<bool>,
    /// A charge's `disputed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disputed: Option<bool>,
    /// Deleted objects say so.
    #[serde(skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// A payment intent's last attempt failed.
    #[serde(skip_serializing_if = "is_false")]
    pub failed_attempt: bool,
    /// The customer: never an edge between bookings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<ObjectId>,
    /// The payment intent it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<ObjectId>,
    /// The charge it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge: Option<ObjectId>,
    /// A charge's `payment_method_details.type`, for instance `sepa_debit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_type: Option<String>,
    /// What only its kind has.
    #[serde(skip_serializing_if = "Details::is_none")]
    pub details: Details,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Fields {
    /// An object that is gone: Stripe itself tells no more of one than that, so its last event
    /// and its retrieval read the same.
    #[must_use]
    pub fn deleted(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            deleted: true,
            ..Self::default()
        }
    }

    /// Reads an object of this kind.
    #[must_use]
    pub fn read(kind: &str, object: &Value) -> Self {
        if flag_at(object, "/deleted") == Some(true) {
            return Self::deleted(kind);
        }
        let first_number = |paths: &[&str]| paths.iter().find_map(|path| number_at(object, path));
        Self {
            kind: kind.to_owned(),
            status: text_at(object, "/status"),
            payment_status: text_at(object, "/payment_status"),
            amount: first_number(&["/amount", "/amount_total", "/amount_due"]),
            amount_received: number_at(object, "/amount_received"),
            amount_captured: number_at(object, "/amount_captured"),
            amount_refunded: number_at(object, "/amount_refunded"),
            currency: text_at(object, "/currency").and_then(|code| Currency::parse(&code).ok()),
            captured: flag_at(object, "/captured"),
            disputed: flag_at(object, "/disputed"),
            deleted: false,
            failed_attempt: object
                .pointer("/last_payment_error")
                .is_some_and(|error| !error.is_null()),
            customer: id_at(object, "/customer"),
            payment_intent: first_id(object, &["/payment_intent", "/payment/payment_intent"]),
            charge: first_id(object, &["/charge", "/payment/charge"]),
            payment_method_type: text_at(object, "/payment_method_details/type"),
            details: Details::read(kind, object),
        }
    }
}
