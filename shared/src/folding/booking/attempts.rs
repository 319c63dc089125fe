//! Attempts to pay, and what was captured.
//!
//! An attempt is a payment intent; a checkout session or a charge only where its payment intent
//! is not known (yet). So a session that names a payment intent hands over to it.

use std::collections::BTreeSet;

use super::{FoldError, Member, add};
use crate::money::Currency;

/// How far an attempt got; later is further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Progress {
    Canceled,
    Pending,
    Failed,
    RequiresAction,
    Processing,
    Paid,
}

pub(super) struct Attempt<'a> {
    pub(super) id: &'a str,
    pub(super) at: i64,
    pub(super) progress: Progress,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<&'a Currency>,
}

/// What was captured over all attempts.
#[derive(Debug, Default)]
pub(super) struct Paid {
    pub(super) amount: i64,
    /// `None`: money came in a currency that could not be read.
    pub(super) currencies: BTreeSet<Option<Currency>>,
    /// Something was captured, or a session needed no payment.
    pub(super) is_paid: bool,
}

pub(super) fn attempts<'a>(members: &[Member<'a>]) -> Vec<Attempt<'a>> {
    members
        .iter()
        .filter(|member| !has_known_intent(member, members))
        .filter_map(|member| {
            Some(Attempt {
                id: member.id,
                at: member.at,
                progress: progress(member, members)?,
                amount: member.fields.amount,
                currency: member.fields.currency.as_ref(),
            })
        })
        .collect()
}

/// Σ `amount_received` of payment intents, and what charges without a known one captured.
pub(super) fn paid(members: &[Member<'_>]) -> Result<Paid, FoldError> {
    let mut paid = Paid::default();
    for member in members
        .iter()
        .filter(|member| !has_known_intent(member, members))
    {
        let captured = match member.fields.kind.as_str() {
            "payment_intent" => member.fields.amount_received.unwrap_or(0),
            "charge" if member.status() == "succeeded" => {
                member.fields.amount_captured.unwrap_or(0)
            }
            "checkout.session" => {
                paid.is_paid |= member.fields.payment_status.as_deref()
                    == Some("no_payment_required")
                    && member.status() == "complete";
                0
            }
            _ => 0,
        };
        if captured > 0 {
            paid.amount = add(paid.amount, captured)?;
            paid.is_paid = true;
            paid.currencies.insert(member.fields.currency.clone());
        }
    }
    Ok(paid)
}

/// Its payment intent is a member itself, and tells more.
fn has_known_intent(member: &Member<'_>, members: &[Member<'_>]) -> bool {
    let Some(intent) = &member.fields.payment_intent else {
        return false;
    };
    !member.is("payment_intent")
        && members
            .iter()
            .any(|other| other.is("payment_intent") && other.id == intent.as_str())
}

fn progress(member: &Member<'_>, members: &[Member<'_>]) -> Option<Progress> {
    let progress = match (member.fields.kind.as_str(), member.status()) {
        ("payment_intent" | "charge", "succeeded") if captured(member) > 0 => Progress::Paid,
        ("payment_intent", "processing" | "requires_capture" | "succeeded") => Progress::Processing,
        ("payment_intent", "requires_action") => Progress::RequiresAction,
        ("payment_intent", "canceled") => Progress::Canceled,
        ("payment_intent", "requires_payment_method")
            if member.fields.failed_attempt || has_failed_charge(member, members) =>
        {
            Progress::Failed
        }
        ("payment_intent", _) => Progress::Pending,
        ("charge", "failed") => Progress::Failed,
        ("charge", _) => Progress::Processing,
        ("checkout.session", "expired") => Progress::Canceled,
        ("checkout.session", "complete") => Progress::Processing,
        ("checkout.session", _) => Progress::Pending,
        _ => return None,
    };
    Some(progress)
}

fn captured(member: &Member<'_>) -> i64 {
    member
        .fields
        .amount_received
        .or(member.fields.amount_captured)
        .unwrap_or(0)
}

fn has_failed_charge(intent: &Member<'_>, members: &[Member<'_>]) -> bool {
    members.iter().any(|other| {
        other.is("charge")
            && other.status() == "failed"
            && other
                .fields
                .payment_intent
                .as_ref()
                .is_some_and(|id| id.as_str() == intent.id)
    })
}
