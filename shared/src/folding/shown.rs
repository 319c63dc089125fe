//! What a booking shows: the part of a row whose change is a transition of the audit trail.
//!
//! Pure. Its JSON is what `booking_transitions` and `shadow_bookings` hold.

use serde::{Deserialize, Serialize};

use super::booking::BookingView;

/// What a booking shows: the part whose change is a transition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Status, as in the table of statuses.
    pub status: String,
    /// Minor units.
    pub amount: Option<i64>,
    /// Three lower-case letters.
    pub currency: Option<String>,
    /// Minor units.
    pub amount_paid: i64,
    /// Minor units.
    pub amount_refunded: i64,
    /// Minor units.
    pub expected_amount: Option<i64>,
    /// Three lower-case letters.
    pub expected_currency: Option<String>,
    /// `parked`, `uncertain` or none.
    pub hold: Option<String>,
}

impl Shown {
    /// From a fold's result.
    #[must_use]
    pub fn of(view: &BookingView) -> Self {
        Self {
            status: view.status.as_str().to_owned(),
            amount: view.amount,
            currency: view.currency.as_ref().map(ToString::to_string),
            amount_paid: view.amount_paid,
            amount_refunded: view.amount_refunded,
            expected_amount: view.expected_amount,
            expected_currency: view.expected_currency.as_ref().map(ToString::to_string),
            hold: view.uncertain.then(|| "uncertain".to_owned()),
        }
    }
}
