//! What an object shows in typed columns, beside its snapshots.
//!
//! Pure. Invariant: a function of the state alone.

use serde::Serialize;

use super::object::ObjectState;

/// The winning snapshot in typed columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Columns {
    /// Status.
    pub status: Option<String>,
    /// Minor units.
    pub amount: Option<i64>,
    /// Minor units.
    pub amount_paid: Option<i64>,
    /// Minor units.
    pub amount_refunded: Option<i64>,
    /// Three lower-case letters.
    pub currency: Option<String>,
    /// Stripe's customer id.
    pub customer: Option<String>,
    /// Whether the winner is beyond doubt.
    pub settled: bool,
}

impl Columns {
    /// Of a state; all empty, and settled, where it was told nothing.
    #[must_use]
    pub fn of(state: &ObjectState) -> Self {
        let Some(winner) = state.winner() else {
            return Self {
                settled: true,
                ..Self::default()
            };
        };
        let fields = &winner.snapshot.fields;
        Self {
            status: fields.status.clone(),
            amount: fields.amount,
            amount_paid: fields.amount_received.or(fields.amount_captured),
            amount_refunded: fields.amount_refunded,
            currency: fields.currency.as_ref().map(ToString::to_string),
            customer: fields.customer.as_ref().map(ToString::to_string),
            settled: winner.settled,
        }
    }
}
