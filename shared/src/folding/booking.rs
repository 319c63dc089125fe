//! A booking from its registration and its shares of payments.
//!
//! Pure. Invariant: the result depends on the registration and the *set* of shares, not on their
//! order; amounts are summed with checks, never across currencies, and never guessed.
//!
//! The table of statuses is in [`status`]; docs/money-inside.md explains it.

mod findings;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::graph::Key;
use super::money::{Amounts, Finding, Policy, Progress, Share, sum};
use crate::ids::BookingId;
use crate::money::Currency;

pub use status::Status;

/// Payments and attempts of one booking that are folded. A booking with more is held until a
/// person decides, so that no booking can slow down the others of its partition.
pub const MAX_BOOKING_PAYMENTS: usize = 1_000;

/// What the booking application expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The booking.
    pub booking_id: BookingId,
    /// Minor units, amended.
    pub amount: i64,
    /// Currency, amended.
    pub currency: Currency,
    /// Renewals of a subscription belong to it, too.
    pub covers_subscription: bool,
}

/// Amounts of one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CurrencyAmounts {
    /// Captured, settled elsewhere and from the balance; minor units, as all here.
    pub amount_paid: i64,
    /// Given back or being given back.
    pub amount_refunded: i64,
    /// Held on a card, no money yet.
    pub amount_authorized: i64,
    /// Debits that are processing.
    pub amount_in_flight: i64,
    /// The part of what is paid that was paid outside Stripe.
    pub amount_settled_elsewhere: i64,
    /// The part of what is paid that the customer's credit balance paid.
    pub amount_from_balance: i64,
    /// Given back to the credit balance.
    pub amount_credited: i64,
    /// Refunds that wait for the customer.
    pub amount_refund_pending_action: i64,
    /// In open disputes.
    pub amount_disputed: i64,
    /// In lost disputes.
    pub amount_lost: i64,
    /// Paid less refunded, credited, disputed and lost.
    pub amount_net: i64,
    /// Payments that succeeded.
    pub payments: i64,
}

/// What a booking shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingView {
    /// Status.
    pub status: Status,
    /// Amount of the attempt that got furthest, minor units.
    pub amount: Option<i64>,
    /// The booking's currency.
    pub currency: Option<String>,
    /// Amounts in it.
    pub amounts: CurrencyAmounts,
    /// Amounts in other currencies; the empty text stands for one that could not be read.
    pub others: BTreeMap<String, CurrencyAmounts>,
    /// When the first standing authorization lapses, seconds since 1970.
    pub authorized_until: Option<i64>,
    /// As registered and amended.
    pub expected_amount: Option<i64>,
    /// As registered and amended.
    pub expected_currency: Option<String>,
    /// Something is only provisional: nothing irreversible may follow.
    pub uncertain: bool,
    /// It has more payments than are folded: what it shows is to be left as it is.
    pub too_many: bool,
    /// Contradictions that hold.
    pub findings: Vec<Finding>,
}

/// Amounts beyond what can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A sum does not fit 64 bits.
    #[error("the sum of the amounts does not fit 64 bits")]
    Overflow,
}

/// One currency's sums.
#[derive(Debug, Default)]
struct Sums {
    amounts: Amounts,
    /// What finished payments took.
    finished: i64,
    payments: i64,
}

/// Folds a booking.
///
/// # Errors
/// [`FoldError`].
pub fn fold_booking(
    booking_id: &str,
    registration: Option<&Registration>,
    shares: &[(&Key, &Share)],
    policy: Policy,
) -> Result<BookingView, FoldError> {
    let sums = sums(shares)?;
    let currency = registration
        .map(|expected| expected.currency.as_str().to_owned())
        .or_else(|| first_currency(shares));
    let main = currency.clone().unwrap_or_default();
    let furthest = shares
        .iter()
        .filter_map(|(key, share)| Some((share.attempt?, share.at, *key, *share)))
        .max_by_key(|(progress, at, key, _)| (*progress, *at, *key));
    let too_many = shares.len() > MAX_BOOKING_PAYMENTS;
    let facts = status::Facts::of(registration, shares, &sums, &main, furthest.map(|it| it.0))?;
    let mut view = BookingView {
        status: status::decide(&facts, policy),
        amount: furthest.and_then(|(_, _, _, share)| share.amount),
        amounts: amounts_of(sums.get(&main))?,
        others: BTreeMap::new(),
        authorized_until: standing(shares).filter_map(|it| it.authorized_until).min(),
        expected_amount: registration.map(|expected| expected.amount),
        expected_currency: registration.map(|expected| expected.currency.to_string()),
        uncertain: shares.iter().any(|(_, share)| !share.is_settled),
        too_many,
        findings: findings::of_booking(booking_id, shares, &facts, policy, too_many),
        currency,
    };
    for (code, sums) in sums.iter().filter(|(code, _)| **code != main) {
        let amounts = amounts_of(Some(sums))?;
        if amounts != CurrencyAmounts::default() {
            view.others.insert(code.clone(), amounts);
        }
    }
    Ok(view)
}

fn sums(shares: &[(&Key, &Share)]) -> Result<BTreeMap<String, Sums>, FoldError> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for (_, share) in shares {
        let code = share.currency.clone().unwrap_or_default();
        let held = sums.entry(code).or_default();
        held.amounts = held.amounts.plus(&share.amounts)?;
        let paid = share.amounts.paid()?;
        if share.is_finished {
            held.finished = sum([held.finished, paid])?;
            held.payments = sum([held.payments, i64::from(paid > 0)])?;
        }
    }
    Ok(sums)
}

/// The currency of the earliest payment, else of the attempt that got furthest.
fn first_currency(shares: &[(&Key, &Share)]) -> Option<String> {
    let paid = shares
        .iter()
        .filter_map(|(key, share)| Some((share.paid_at?, *key, share)))
        .min_by_key(|(at, key, _)| (*at, *key))
        .map(|(_, _, share)| share);
    let furthest = shares
        .iter()
        .max_by_key(|(key, share)| (share.attempt, share.at, *key))
        .map(|(_, share)| share);
    paid.or(furthest)?.currency.clone()
}

/// The shares that hold money on a card.
fn standing<'a>(shares: &'a [(&Key, &'a Share)]) -> impl Iterator<Item = &'a Share> {
    shares
        .iter()
        .map(|(_, share)| *share)
        .filter(|share| share.attempt == Some(Progress::Authorized))
}

fn amounts_of(sums: Option<&Sums>) -> Result<CurrencyAmounts, FoldError> {
    let Some(sums) = sums else {
        return Ok(CurrencyAmounts::default());
    };
    let it = &sums.amounts;
    Ok(CurrencyAmounts {
        amount_paid: it.paid()?,
        amount_refunded: it.refunded,
        amount_authorized: it.authorized,
        amount_in_flight: it.in_flight,
        amount_settled_elsewhere: it.settled_elsewhere,
        amount_from_balance: it.from_balance,
        amount_credited: it.credited,
        amount_refund_pending_action: it.refund_pending_action,
        amount_disputed: it.disputed,
        amount_lost: it.lost,
        amount_net: it.net()?,
        payments: sums.payments,
    })
}
