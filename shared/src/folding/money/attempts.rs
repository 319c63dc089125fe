//! Attempts without money of their own: a checkout session whose payment is not known, a
//! subscription that has no first invoice yet.

use super::component::{Component, Divided, Node};
use super::owner::Owner;
use super::payment::{currency, winners};
use super::{Amounts, Progress, Share};
use crate::folding::graph::Key;

/// Divides what lies at this object, if it is an attempt of somebody's.
pub(super) fn divide(
    component: &Component<'_>,
    key: &Key,
    node: Node<'_>,
    owner: &Owner,
    divided: &mut Divided,
) {
    let attempt = match node.kind {
        "checkout.session" => session(component, key, node),
        _ => subscription(component, key, node).map(|attempt| (attempt, false)),
    };
    let (Some((attempt, is_free)), Some(booking_id)) = (attempt, owner.first()) else {
        return;
    };
    let (winners, is_settled) = winners(std::iter::once((key, node)));
    let at = node.at();
    let share = Share {
        booking_id,
        currency: currency(&node),
        attempt: Some(attempt),
        at,
        paid_at: is_free.then_some(at),
        amount: node.fields().and_then(|fields| fields.amount),
        is_finished: true,
        is_free,
        is_settled,
        authorized_until: None,
        amounts: Amounts::default(),
        winners,
    };
    divided.shares.insert(key.clone(), vec![share]);
}

/// How far a session got by itself, and whether it needed no payment. One whose payment intent,
/// invoice or subscription is known hands over to it; one that only saves a card is no attempt.
fn session(component: &Component<'_>, key: &Key, node: Node<'_>) -> Option<(Progress, bool)> {
    let fields = node.fields()?;
    if fields.mode.as_deref() == Some("setup") {
        return None;
    }
    let heirs = ["payment_intent", "invoice", "subscription"];
    let is_known = |kind| component.near(key, kind).any(|(_, it)| it.winner.is_some());
    if heirs.into_iter().any(is_known) {
        return None;
    }
    let is_free = fields.payment_status.as_deref() == Some("no_payment_required");
    Some(match node.status() {
        "expired" => (Progress::Canceled, false),
        "complete" if is_free && fields.mode.as_deref() == Some("subscription") => {
            (Progress::Pending, false)
        }
        "complete" if is_free => (Progress::Paid, true),
        "complete" if fields.told.is_some() => (Progress::PaymentFailed, false),
        "complete" => (Progress::Processing, false),
        _ => (Progress::Pending, false),
    })
}

/// A subscription decides until its first invoice does: nothing is due yet, or it ended before
/// anything was paid.
fn subscription(component: &Component<'_>, key: &Key, node: Node<'_>) -> Option<Progress> {
    node.winner?;
    let mut invoices = component.near(key, "invoice");
    let is_paid = |it: &Node<'_>| {
        it.status() == "paid" && it.fields().and_then(|fields| fields.amount) != Some(0)
    };
    match node.status() {
        "incomplete_expired" => Some(Progress::Canceled),
        "canceled" if !invoices.any(|(_, it)| is_paid(&it)) => Some(Progress::Canceled),
        "canceled" => None,
        _ => {
            let owner = component.owner(key);
            let mut own = invoices
                .filter(|(invoice, it)| it.winner.is_some() && component.owner(invoice) == owner);
            let is_due = |it: &Node<'_>| it.fields().and_then(|fields| fields.amount) != Some(0);
            (!own.any(|(_, it)| is_due(&it))).then_some(Progress::Pending)
        }
    }
}
