//! The typed view of a Stripe object: what the business reads, the same for every API version.
//!
//! Pure. Source: Stripe API reference; the changelog for fields that moved (2025-03-31.basil).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::details::Details;
use super::values::{
    booking_at, chosen_id_at, first_id, flag_at, list_at, number_at, text_at, time_at,
};
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
    /// The booking that its own metadata names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking: Option<String>,
    /// A checkout session's `client_reference_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_reference: Option<String>,
    /// A checkout session's `mode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// When Stripe made a charge, refund, dispute or payment intent; seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// A payment intent's `amount_capturable`; minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_capturable: Option<i64>,
    /// When a charge's authorization lapses; seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_before: Option<i64>,
    /// What a dispute's balance transactions took in its own currency; minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_withdrawn: Option<i64>,
    /// A dispute has balance transactions that give money back.
    #[serde(skip_serializing_if = "is_false")]
    pub reinstated: bool,
    /// Connected accounts that a payment on our account is for: `transfer_data.destination` and
    /// `on_behalf_of`, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<String>,
    /// A charge that shows another account's payment again (`source_transfer`).
    #[serde(skip_serializing_if = "is_false")]
    pub is_mirror: bool,
    /// An invoice payment by a payment record: money that never went through Stripe.
    #[serde(skip_serializing_if = "is_false")]
    pub is_record: bool,
    /// What only the event's type tells, so that the object itself never shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
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

/// A state that an event's type tells and the object does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// `charge.expired`: the authorization is gone.
    Released,
    /// `checkout.session.async_payment_failed`.
    PaymentFailed,
    /// `account.application.deauthorized`: the account has disconnected.
    Deauthorized,
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
            status: status(kind, object),
            payment_status: text_at(object, "/payment_status"),
            amount: first_number(&["/amount", "/amount_total", "/amount_due"]),
            amount_received: received(kind, object),
            amount_capturable: number_at(object, "/amount_capturable"),
            booking: booking_at(object, "/metadata/booking_id"),
            client_reference: booking_at(object, "/client_reference_id"),
            mode: text_at(object, "/mode"),
            created: is_money(kind)
                .then(|| time_at(object, "/created"))
                .flatten(),
            capture_before: time_at(object, "/payment_method_details/card/capture_before"),
            amount_withdrawn: withdrawn(kind, object),
            reinstated: kind == "dispute" && transactions(object).any(|(_, amount)| amount > 0),
            destinations: destinations(object),
            is_mirror: kind == "charge" && text_at(object, "/source_transfer").is_some(),
            is_record: kind == "invoice_payment"
                && text_at(object, "/payment/type").as_deref() == Some("payment_record"),
            told: None,
            amount_captured: number_at(object, "/amount_captured"),
            amount_refunded: number_at(object, "/amount_refunded"),
            currency: text_at(object, "/currency").and_then(|code| Currency::parse(&code).ok()),
            captured: flag_at(object, "/captured"),
            disputed: flag_at(object, "/disputed"),
            deleted: false,
            failed_attempt: object
                .pointer("/last_payment_error")
                .is_some_and(|error| !error.is_null()),
            customer: chosen_id_at(object, "/customer"),
            payment_intent: first_id(object, &["/payment_intent", "/payment/payment_intent"]),
            charge: first_id(object, &["/charge", "/payment/charge"]),
            payment_method_type: text_at(object, "/payment_method_details/type"),
            details: Details::read(kind, object),
        }
    }
}

/// Kinds whose time of making decides what belongs to what.
fn is_money(kind: &str) -> bool {
    matches!(kind, "payment_intent" | "charge" | "refund" | "dispute")
}

/// The status by today's names. A payment intent's were others before 2019-02-11, a charge was
/// `paid` or had only a flag before 2015-02-18.
/// Source: <https://docs.stripe.com/upgrades>.
fn status(kind: &str, object: &Value) -> Option<String> {
    let status = text_at(object, "/status");
    let renamed = match (kind, status.as_deref()) {
        ("payment_intent" | "setup_intent", Some("requires_source")) => "requires_payment_method",
        ("payment_intent" | "setup_intent", Some("requires_source_action")) => "requires_action",
        ("payment_intent", Some("requires_authorization")) => "requires_capture",
        ("charge", Some("paid")) => "succeeded",
        ("charge", None) => match flag_at(object, "/paid") {
            Some(true) => "succeeded",
            Some(false) if text_at(object, "/failure_code").is_some() => "failed",
            Some(false) | None => return status,
        },
        (_, _) => return status,
    };
    Some(renamed.to_owned())
}

/// A payment intent's `amount_received`, an invoice payment's `amount_paid`.
fn received(kind: &str, object: &Value) -> Option<i64> {
    let name = match kind {
        "invoice_payment" => "/amount_paid",
        _ => "/amount_received",
    };
    number_at(object, name)
}

/// Currency and amount of a dispute's balance transactions, where they are shown.
fn transactions(object: &Value) -> impl Iterator<Item = (Option<String>, i64)> + '_ {
    list_at(object, "/balance_transactions")
        .iter()
        .filter_map(|one| Some((text_at(one, "/currency"), number_at(one, "/amount")?)))
}

/// What a dispute took, where its balance transactions are all in its own currency.
fn withdrawn(kind: &str, object: &Value) -> Option<i64> {
    let currency = text_at(object, "/currency")?;
    if kind != "dispute" {
        return None;
    }
    let mut taken: Option<i64> = None;
    for (of, amount) in transactions(object) {
        if of.as_deref() != Some(currency.as_str()) {
            return None;
        }
        taken = Some(taken.unwrap_or(0).checked_sub(amount)?);
    }
    taken
}

fn destinations(object: &Value) -> Vec<String> {
    let places = ["/transfer_data/destination", "/on_behalf_of"];
    let mut found: Vec<String> = places
        .iter()
        .filter_map(|place| super::values::id_at(object, place))
        .map(String::from)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
