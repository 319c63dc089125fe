//! What a booking shows: the part of a row whose change is a transition of the audit trail.
//!
//! Pure. Its JSON is what `booking_transitions` and `shadow_bookings` hold; its names are the
//! columns of `bookings`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::booking::{BookingView, CurrencyAmounts};

/// What a booking shows: the part whose change is a transition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// Status, as in the table of statuses.
    pub status: String,
    /// Minor units.
    pub amount: Option<i64>,
    /// Three lower-case letters.
    pub currency: Option<String>,
    /// Amounts in that currency.
    #[serde(flatten)]
    pub amounts: CurrencyAmounts,
    /// Amounts in other currencies.
    pub other_currencies: BTreeMap<String, CurrencyAmounts>,
    /// When the first standing authorization lapses.
    pub authorized_until: Option<DateTime<Utc>>,
    /// Minor units.
    pub expected_amount: Option<i64>,
    /// Three lower-case letters.
    pub expected_currency: Option<String>,
    /// `parked`, `too_many_payments`, `uncertain` or none.
    pub hold: Option<String>,
}

/// Held because it has more payments than are folded.
pub const TOO_MANY: &str = "too_many_payments";

impl Shown {
    /// From a fold's result. `before` is what a booking with too many payments goes on showing.
    #[must_use]
    pub fn of(view: &BookingView, before: Option<&Self>) -> Self {
        if view.too_many {
            let status = super::Status::Pending.as_str().to_owned();
            let before = before.cloned();
            return Self {
                hold: Some(TOO_MANY.to_owned()),
                ..before.unwrap_or_else(|| Self {
                    status,
                    ..Self::default()
                })
            };
        }
        Self {
            status: view.status.as_str().to_owned(),
            amount: view.amount,
            currency: view.currency.clone(),
            amounts: view.amounts,
            other_currencies: view.others.clone(),
            authorized_until: view
                .authorized_until
                .and_then(|at| DateTime::from_timestamp(at, 0)),
            expected_amount: view.expected_amount,
            expected_currency: view.expected_currency.clone(),
            hold: view.uncertain.then(|| "uncertain".to_owned()),
        }
    }
}
