//! An invoice: an attempt while it is open, and what was settled by another way than a payment
//! that is known: outside Stripe, on evidence, or from the customer's credit balance.
//!
//! Source: Stripe API reference, "The Invoice object", "Invoice Payment", "Credit Note"; the
//! changelog of 2025-03-31.basil for `paid_out_of_band`, `amount_paid` and `amount_overpaid`.

use super::component::{Component, Divided, Node};
use super::owner::Owner;
use super::payment::{currency, winners};
use super::{Amounts, Progress, Share, findings};
use crate::folding::booking::FoldError;
use crate::folding::details::{CreditNote, Details, Invoice};
use crate::folding::graph::Key;

/// Divides what lies at an invoice.
pub(super) fn divide(
    component: &Component<'_>,
    key: &Key,
    node: Node<'_>,
    owner: &Owner,
    divided: &mut Divided,
) -> Result<(), FoldError> {
    let Some(fields) = node.fields() else {
        return Ok(());
    };
    let empty = Invoice::default();
    let invoice = match &fields.details {
        Details::Invoice(invoice) => invoice,
        _ => &empty,
    };
    let mut amounts = Amounts::default();
    let is_paid = node.status() == "paid" && !fields.deleted;
    if is_paid {
        amounts.from_balance = invoice.from_balance.unwrap_or(0);
        amounts.credited = invoice.overpaid.unwrap_or(0);
        amounts.settled_elsewhere = settled(component, key, node, invoice, owner, divided);
    }
    for note in notes(component, key) {
        amounts = amounts.plus(&Amounts {
            refunded: note.out_of_band.max(0),
            credited: note.to_balance,
            ..Amounts::default()
        })?;
    }
    let attempt = match node.status() {
        _ if fields.deleted => Some(Progress::Canceled),
        "void" | "uncollectible" => Some(Progress::Canceled),
        "paid" if amounts.settled_elsewhere > 0 || amounts.from_balance > 0 => Some(Progress::Paid),
        "paid" => None,
        _ if fields.amount == Some(0) => None,
        _ => Some(open(component, key, node, invoice)),
    };
    if attempt.is_none() && amounts == Amounts::default() {
        return Ok(());
    }
    let paid_at = (amounts.paid()? > 0).then(|| invoice.paid_at.unwrap_or_else(|| node.at()));
    let attached = component.near(key, "invoice_payment");
    let attached = attached.chain(component.near(key, "credit_note"));
    let (winners, is_settled) = winners(std::iter::once((key, node)).chain(attached));
    let whole = Share {
        booking_id: String::new(),
        currency: currency(&node),
        attempt,
        at: node.at(),
        paid_at,
        amount: fields.amount,
        is_finished: true,
        is_free: false,
        is_settled,
        authorized_until: None,
        amounts,
        winners,
    };
    let mut shares = divided_among(owner, &whole);
    shares.retain(|share| !share.booking_id.is_empty() || share.amounts != Amounts::default());
    if !shares.is_empty() {
        divided.shares.insert(key.clone(), shares);
    }
    Ok(())
}

fn divided_among(owner: &Owner, whole: &Share) -> Vec<Share> {
    let of = |amount: i64| owner.divide(amount);
    let it = &whole.amounts;
    let parts = [
        of(it.settled_elsewhere),
        of(it.from_balance),
        of(it.refunded),
        of(it.credited),
    ];
    let mut bookings: Vec<&String> = parts.iter().flatten().map(|(booking, _)| booking).collect();
    bookings.sort_unstable();
    bookings.dedup();
    let [elsewhere, balance, refunded, credited] = &parts;
    let part = |parts: &[(String, i64)], booking: &str| {
        let part = parts.iter().find(|(of, _)| of == booking);
        part.map_or(0, |(_, part)| *part)
    };
    bookings
        .into_iter()
        .map(|booking| Share {
            booking_id: booking.clone(),
            amounts: Amounts {
                settled_elsewhere: part(elsewhere, booking),
                from_balance: part(balance, booking),
                refunded: part(refunded, booking),
                credited: part(credited, booking),
                ..Amounts::default()
            },
            ..whole.clone()
        })
        .collect()
}

fn notes<'c>(component: &Component<'c>, key: &Key) -> Vec<&'c CreditNote> {
    component
        .near(key, "credit_note")
        .filter(|(_, note)| note.status() != "void")
        .filter_map(|(_, note)| match &note.fields()?.details {
            Details::CreditNote(it) => Some(&**it),
            _ => None,
        })
        .collect()
}

/// How far an open invoice got. Its failed attempt counts as long as no later one was made: a
/// bank debit that is under way must not release a seat.
fn open(component: &Component<'_>, key: &Key, node: Node<'_>, invoice: &Invoice) -> Progress {
    let tried = invoice.attempt_count.unwrap_or(0);
    let failed = node.state.marks().failed_attempts.unwrap_or(0);
    let is_known = payers(component, key).any(|(_, it)| it.winner.is_some());
    match tried {
        _ if node.status() != "open" => Progress::Pending,
        _ if tried > 0 && tried == failed => Progress::PaymentFailed,
        // What is under way is told by the payment itself.
        _ if tried <= 0 || is_known => Progress::Pending,
        _ => Progress::Processing,
    }
}

/// The payment intents and charges that pay it.
fn payers<'s, 'c>(
    component: &'s Component<'c>,
    key: &'s Key,
) -> impl Iterator<Item = (&'c Key, Node<'c>)> + 's {
    let by_payment = component
        .near(key, "invoice_payment")
        .flat_map(|(payment, _)| {
            component
                .near(payment, "payment_intent")
                .chain(component.near(payment, "charge"))
        });
    component
        .near(key, "payment_intent")
        .chain(component.near(key, "charge"))
        .chain(by_payment)
}

/// What was paid outside Stripe, as far as there is evidence of it. Where there is none nothing
/// counts: Stripe is asked for the list of its payments.
fn settled(
    component: &Component<'_>,
    key: &Key,
    node: Node<'_>,
    invoice: &Invoice,
    owner: &Owner,
    divided: &mut Divided,
) -> i64 {
    let due = invoice.amount_due.unwrap_or(0);
    let paid = invoice.amount_paid.unwrap_or(due);
    let fingerprint = findings::settlement_fingerprint(key, paid);
    let (mut through, mut records) = (0_i64, 0_i64);
    for (_, payment) in component.near(key, "invoice_payment") {
        let Some(fields) = payment.fields() else {
            continue;
        };
        if payment.status() == "paid" {
            let sum = if fields.is_record {
                &mut records
            } else {
                &mut through
            };
            *sum = sum.saturating_add(fields.amount_received.unwrap_or(0).max(0));
        }
    }
    // Before basil the invoice names its payment, which pays it whole.
    let mut direct = component
        .near(key, "payment_intent")
        .chain(component.near(key, "charge"));
    let is_paid_directly = through == 0 && direct.any(|(_, payer)| is_taker(&payer));
    if invoice.paid_out_of_band {
        divided.answered.push(fingerprint);
        let through = if is_paid_directly { due } else { through };
        return due.max(paid).saturating_sub(through).max(0);
    }
    if is_paid_directly || through >= paid || paid == 0 {
        divided.answered.push(fingerprint);
        return 0;
    }
    if let Some(listed) = &node.state.marks().listed_payments {
        divided.answered.push(fingerprint);
        return paid.saturating_sub(listed.through_stripe).max(0);
    }
    if through.saturating_add(records) >= paid {
        divided.answered.push(fingerprint);
        return records;
    }
    if owner.is_somebody() {
        let rest = paid.saturating_sub(through).saturating_sub(records);
        divided
            .findings
            .push(findings::settlement_unproven(key, rest));
        let asked = findings::settlement(key, fingerprint, node.at());
        divided.questions.push(asked);
    }
    records
}

/// It took the money, or nothing is known of it yet: then its own events tell.
fn is_taker(payer: &Node<'_>) -> bool {
    payer.winner.is_none() || payer.status() == "succeeded"
}
