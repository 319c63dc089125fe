//! A booking from its registration and its objects.
//!
//! Pure. Invariant: the result depends on the registration and the *set* of members, not on
//! their order; amounts are summed with checks and never guessed.
//!
//! The first row that applies:
//!
//! | condition | status |
//! |---|---|
//! | a dispute is open or lost | `disputed` |
//! | refunded = paid > 0 | `refunded` |
//! | refunded > 0 | `partially_refunded` |
//! | registered, and paid differs from what is expected | `amount_mismatch` |
//! | paid (and registered, where that is required) | `confirmed` |
//! | the attempt that got furthest | `processing`, `requires_action`, `payment_failed`, `pending` |
//! | all attempts canceled or expired | `canceled` |
//!
//! Attempts in several currencies add up to no amount: such a booking is an `amount_mismatch`.

mod attempts;
mod refunds;
mod status;

use super::fields::Fields;
use super::object::ObjectState;
use crate::envelope::ObjectRef;
use crate::ids::{BookingId, ObjectId};
use crate::money::Currency;

pub use status::Status;

/// What the booking application expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The booking.
    pub booking_id: BookingId,
    /// Minor units.
    pub amount: i64,
    /// Currency.
    pub currency: Currency,
    /// The payment intent that will pay it, where known.
    pub payment_intent: Option<ObjectId>,
    /// When it was registered, seconds since 1970.
    pub at: i64,
}

/// An object of the booking: its winning snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it is like.
    pub fields: &'a Fields,
    /// The second that is about.
    pub at: i64,
    /// false: only provisional.
    pub settled: bool,
}

impl<'a> Member<'a> {
    /// A member; none for an object that is known only by a link.
    #[must_use]
    pub fn of(id: &'a str, state: &'a ObjectState) -> Option<Self> {
        let winner = state.winner()?;
        Some(Self {
            id,
            fields: &winner.snapshot.fields,
            at: winner.snapshot.at,
            settled: winner.settled,
        })
    }

    fn is(&self, kind: &str) -> bool {
        self.fields.kind == kind
    }

    fn status(&self) -> &'a str {
        self.fields.status.as_deref().unwrap_or("")
    }
}

/// What a booking shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingView {
    /// Status.
    pub status: Status,
    /// Amount of the attempt that got furthest, minor units.
    pub amount: Option<i64>,
    /// Its currency.
    pub currency: Option<Currency>,
    /// What was captured over all attempts, minor units.
    pub amount_paid: i64,
    /// What was or is being given back, minor units.
    pub amount_refunded: i64,
    /// As registered.
    pub expected_amount: Option<i64>,
    /// As registered.
    pub expected_currency: Option<Currency>,
    /// A member is only provisional: nothing irreversible may follow.
    pub uncertain: bool,
    /// Charges whose own total and whose refunds disagree.
    pub refetch: Vec<ObjectRef>,
}

/// Amounts beyond what can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A sum does not fit 64 bits.
    #[error("the sum of the amounts does not fit 64 bits")]
    Overflow,
}

/// Folds a booking.
///
/// # Errors
/// [`FoldError`].
pub fn fold_booking(
    registration: Option<&Registration>,
    members: &[Member<'_>],
    require_registration: bool,
) -> Result<BookingView, FoldError> {
    // Sorted once, so that nothing below can depend on the caller's order.
    let mut members: Vec<Member<'_>> = members.to_vec();
    members.sort_unstable_by_key(|member| member.id);
    let attempts = attempts::attempts(&members);
    let paid = attempts::paid(&members)?;
    let refunds = refunds::refunded(&members)?;
    let furthest = attempts
        .iter()
        .max_by_key(|attempt| (attempt.progress, attempt.at, attempt.id));
    let facts = status::Facts {
        disputed: members.iter().any(is_against_us),
        paid: &paid,
        refunded: refunds.amount,
        registration,
        require_registration,
        furthest: furthest.map(|attempt| attempt.progress),
    };
    Ok(BookingView {
        status: status::decide(&facts),
        amount: furthest.and_then(|attempt| attempt.amount),
        currency: furthest.and_then(|attempt| attempt.currency.cloned()),
        amount_paid: paid.amount,
        amount_refunded: refunds.amount,
        expected_amount: registration.map(|expected| expected.amount),
        expected_currency: registration.map(|expected| expected.currency.clone()),
        uncertain: members.iter().any(|member| !member.settled),
        refetch: refunds.doubtful,
    })
}

/// A dispute that is open or lost. Won, closed as an inquiry, or prevented: no effect. A status
/// that nobody knows counts as open: money may be gone.
fn is_against_us(member: &Member<'_>) -> bool {
    member.is("dispute") && !matches!(member.status(), "won" | "warning_closed" | "prevented")
}

fn add(a: i64, b: i64) -> Result<i64, FoldError> {
    a.checked_add(b).ok_or(FoldError::Overflow)
}

#[cfg(test)]
mod tests;
