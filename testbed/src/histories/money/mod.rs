//! The life of a booking's money: one named scenario after another, in the shape and the behaviour
//! of both sides of 2025-03-31.basil.
//!
//! A scenario plays Stripe, and writes the books of the bookings while it does. It knows who pays
//! for which booking because it decides so; it never reads a claim back.

mod accounts;
mod back;
mod billing;
mod checkout;
mod claims;
mod holds;
mod invoices;
mod pieces;
mod refunds;
mod shared;
mod subscriptions;
#[cfg(test)]
mod tests;

use super::recorder::Recorder;

type Scenario = (&'static str, fn(&mut Recorder));

const ALL: &[Scenario] = &[
    ("plain", refunds::plain),
    ("mismatch", refunds::mismatch),
    ("refund_states", refunds::refund_states),
    ("double_payment", refunds::double_payment),
    ("paid_again", refunds::paid_again),
    ("disputed_rest", refunds::disputed_rest),
    ("lost_twice", refunds::lost_twice),
    ("disputes_without_loss", refunds::disputes_without_loss),
    ("authorization_stands", holds::stands),
    ("authorization_voided", holds::voided),
    ("authorization_expired", holds::expired),
    ("captured_in_part", holds::captured_in_part),
    ("multicapture", holds::multicapture),
    ("lost_capture", holds::lost_capture),
    ("setup_then_paid", checkout::setup_then_paid),
    ("free_session", checkout::free),
    ("session_expires", checkout::session_expires),
    ("delayed_session", checkout::delayed),
    ("trial", checkout::trial),
    ("trial_fails", checkout::trial_fails),
    ("invoice_attempts", billing::attempts),
    ("debit_after_failure", billing::debit_after_failure),
    ("out_of_band", billing::out_of_band),
    ("from_balance", billing::from_balance),
    ("credit_note", billing::credit_note),
    ("invoice_for_two", shared::invoice_for_two),
    ("intent_for_two", shared::intent_for_two),
    ("renewals", subscriptions::renewals),
    ("covered_renewals", subscriptions::covered_renewals),
    ("subscription_reused", subscriptions::reused),
    (
        "subscription_never_completed",
        subscriptions::never_completed,
    ),
    ("reused_intent", claims::reused_intent),
    ("corrected_claim", claims::corrected),
    ("charge_differs", claims::charge_differs),
    ("emptied_claim", claims::emptied),
    ("charge_alone", claims::charge_alone),
    ("registered_intent", claims::registered_intent),
    ("unnamed", claims::unnamed),
    ("assigned", claims::assigned),
    ("taken_away", claims::taken_away),
    ("amended", claims::amended),
    ("overlapping", claims::overlapping),
    ("custom_ids", claims::custom_ids),
    ("two_currencies", claims::two_currencies),
    ("destination_charge", accounts::destination),
    ("direct_charge", accounts::direct),
    ("foreign_claim", accounts::foreign),
    ("organization_context", accounts::organization),
];

const NAMES: [&str; ALL.len()] = names();

/// Names of all scenarios of the money life.
pub const SCENARIOS: &[&str] = &NAMES;

/// The scenario that a number plays.
pub(super) fn scenario(number: u64) -> Scenario {
    let count = u64::try_from(ALL.len()).unwrap_or(1);
    let at = usize::try_from(number % count).unwrap_or_default();
    ALL.get(at).copied().unwrap_or(("plain", refunds::plain))
}

#[expect(
    clippy::indexing_slicing,
    reason = "a constant's loop is checked when it is compiled"
)]
const fn names() -> [&'static str; ALL.len()] {
    let mut names = [""; ALL.len()];
    let mut at = 0;
    while at < ALL.len() {
        names[at] = ALL[at].0;
        at += 1;
    }
    names
}
