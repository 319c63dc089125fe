//! One payment: what a payment intent, or a charge without one, took, holds and gave back, divided
//! among the bookings that it belongs to.

use sha2::{Digest, Sha256};

use super::component::{Component, Divided, Node};
use super::owner::Owner;
use super::refunds::{self, Returned};
use super::{Amounts, Progress, Share, findings};
use crate::folding::booking::FoldError;
use crate::folding::graph::Key;

/// A payment before it is divided.
#[derive(Debug, Clone, Default)]
pub(super) struct Payment {
    pub(super) currency: Option<String>,
    pub(super) attempt: Option<Progress>,
    pub(super) at: i64,
    pub(super) paid_at: Option<i64>,
    pub(super) amount: Option<i64>,
    pub(super) is_finished: bool,
    pub(super) captured: i64,
    pub(super) authorized: i64,
    pub(super) in_flight: i64,
    pub(super) authorized_until: Option<i64>,
}

/// Divides what lies at this object, if it is a payment.
pub(super) fn divide(
    component: &Component<'_>,
    key: &Key,
    node: Node<'_>,
    owner: &Owner,
    divided: &mut Divided,
) -> Result<(), FoldError> {
    let payment = match node.kind {
        "payment_intent" => of_intent(component, key, node, divided),
        "charge" if component.near(key, "payment_intent").next().is_none() => {
            of_charge(node).filter(|_| !is_mirror(&node))
        }
        "refund" if is_unlinked(component, key) => Some(Payment {
            currency: currency(&node),
            at: node.at(),
            is_finished: true,
            ..Payment::default()
        }),
        _ => None,
    };
    let Some(payment) = payment else {
        return Ok(());
    };
    let attached = refunds::attached(component, key, node);
    let returned = refunds::returned(component, key, node, &attached, divided)?;
    let shares = shares(key, owner, &payment, &returned, divided)?;
    if !shares.is_empty() {
        let (winners, is_settled) = evidence(component, key, node, &attached);
        let shares = shares.into_iter().map(|share| Share {
            winners: winners.clone(),
            is_settled,
            ..share
        });
        divided.shares.insert(key.clone(), shares.collect());
    }
    Ok(())
}

fn is_mirror(node: &Node<'_>) -> bool {
    node.fields().is_some_and(|fields| fields.is_mirror)
}

fn is_unlinked(component: &Component<'_>, key: &Key) -> bool {
    component.near(key, "charge").next().is_none()
        && component.near(key, "payment_intent").next().is_none()
}

pub(super) fn currency(node: &Node<'_>) -> Option<String> {
    let code = node.fields()?.currency.as_ref()?;
    Some(code.as_str().to_owned())
}

/// A payment intent; while nothing is known of it, its charge stands in for it.
fn of_intent(
    component: &Component<'_>,
    key: &Key,
    node: Node<'_>,
    divided: &mut Divided,
) -> Option<Payment> {
    let Some(fields) = node.fields() else {
        let charges = component.near(key, "charge");
        let known = charges.filter(|(_, charge)| charge.winner.is_some() && !is_mirror(charge));
        let standing_in = known
            .max_by_key(|(key, charge)| (charge.status() == "succeeded", charge.at(), *key))?;
        if standing_in.1.status() == "succeeded" {
            divided
                .questions
                .push(findings::intent_unknown(key, standing_in.1.at()));
        }
        return of_charge(standing_in.1);
    };
    divided.answered.push(findings::intent_fingerprint(key));
    let received = fields.amount_received.unwrap_or(0).max(0);
    let mut payment = Payment {
        currency: currency(&node),
        at: node.at(),
        amount: fields.amount,
        is_finished: true,
        captured: received,
        ..Payment::default()
    };
    let attempt = match node.status() {
        "succeeded" | "canceled" if received > 0 => Progress::Paid,
        "canceled" => Progress::Canceled,
        "processing" => {
            payment.in_flight = fields.amount.unwrap_or(0).max(0);
            Progress::Processing
        }
        "succeeded" => Progress::Processing,
        "requires_capture" => authorization(component, key, fields.amount_capturable, &mut payment),
        "requires_action" => Progress::RequiresAction,
        "requires_payment_method" if fields.failed_attempt || has_failed(component, key) => {
            Progress::PaymentFailed
        }
        _ => Progress::Pending,
    };
    payment.attempt = Some(attempt);
    payment.paid_at = (received > 0).then(|| fields.created.unwrap_or(payment.at));
    Some(payment)
}

/// Money that is held: until when, and what of it was captured so far. Parts decide nothing until
/// the intent has finished.
fn authorization(
    component: &Component<'_>,
    key: &Key,
    capturable: Option<i64>,
    payment: &mut Payment,
) -> Progress {
    payment.is_finished = false;
    let charges: Vec<Node<'_>> = component.near(key, "charge").map(|(_, it)| it).collect();
    let held = charges.iter().filter(|it| it.status() == "succeeded");
    if held.clone().next().is_some() && held.clone().all(|it| is_released(it)) {
        return Progress::Canceled;
    }
    if payment.captured == 0 {
        let so_far = held.clone().filter_map(|it| it.fields()?.amount_captured);
        payment.captured = so_far.max().unwrap_or(0).max(0);
    }
    let left = payment.amount.unwrap_or(0).saturating_sub(payment.captured);
    payment.authorized = capturable.unwrap_or(left).max(0);
    payment.authorized_until = held.filter_map(|it| it.fields()?.capture_before).min();
    Progress::Authorized
}

fn is_released(charge: &Node<'_>) -> bool {
    charge.fields().is_some_and(|fields| fields.told.is_some())
}

fn has_failed(component: &Component<'_>, intent: &Key) -> bool {
    let mut charges = component.near(intent, "charge");
    charges.any(|(_, charge)| charge.status() == "failed")
}

/// A charge by itself.
fn of_charge(node: Node<'_>) -> Option<Payment> {
    let fields = node.fields()?;
    let amount = fields.amount.unwrap_or(0).max(0);
    let mut payment = Payment {
        currency: currency(&node),
        at: node.at(),
        amount: fields.amount,
        is_finished: true,
        ..Payment::default()
    };
    payment.attempt = Some(match node.status() {
        "succeeded" if fields.captured == Some(false) => {
            if fields.told.is_some() {
                Progress::Canceled
            } else {
                payment.is_finished = false;
                payment.captured = fields.amount_captured.unwrap_or(0).max(0);
                payment.authorized = amount.saturating_sub(payment.captured).max(0);
                payment.authorized_until = fields.capture_before;
                Progress::Authorized
            }
        }
        "succeeded" => {
            payment.captured = fields.amount_captured.unwrap_or(amount).max(0);
            Progress::Paid
        }
        "failed" => Progress::PaymentFailed,
        _ => {
            payment.in_flight = amount;
            Progress::Processing
        }
    });
    let created = fields.created.unwrap_or(payment.at);
    payment.paid_at = (payment.captured > 0).then_some(created);
    Some(payment)
}

fn shares(
    key: &Key,
    owner: &Owner,
    payment: &Payment,
    returned: &Returned,
    divided: &mut Divided,
) -> Result<Vec<Share>, FoldError> {
    let captured = owner.divide(payment.captured);
    let authorized = owner.divide(payment.authorized);
    let in_flight = owner.divide(payment.in_flight);
    let mut bookings: Vec<String> = captured
        .iter()
        .chain(&authorized)
        .chain(&in_flight)
        .map(|(booking, _)| booking.clone())
        .collect();
    bookings.sort_unstable();
    bookings.dedup();
    let of = |parts: &[(String, i64)], booking: &str| {
        let part = parts.iter().find(|(of, _)| of == booking);
        part.map_or(0, |(_, part)| *part)
    };
    let mut shares: Vec<Share> = bookings
        .into_iter()
        .map(|booking_id| Share {
            amounts: Amounts {
                captured: of(&captured, &booking_id),
                authorized: of(&authorized, &booking_id),
                in_flight: of(&in_flight, &booking_id),
                ..Amounts::default()
            },
            currency: payment.currency.clone(),
            attempt: payment.attempt,
            at: payment.at,
            paid_at: payment.paid_at,
            amount: payment.amount,
            is_finished: payment.is_finished,
            is_free: false,
            is_settled: true,
            authorized_until: payment.authorized_until,
            winners: String::new(),
            booking_id,
        })
        .collect();
    returned.divide(key, &mut shares, divided)?;
    // An attempt of nobody's is of no interest; money of nobody's is listed.
    shares.retain(|share| !share.booking_id.is_empty() || share.amounts != Amounts::default());
    if shares.len() > 1 && shares.iter().any(|share| share.booking_id.is_empty()) {
        divided
            .findings
            .push(findings::shared_payment(key, &shares));
    }
    Ok(shares)
}

/// The events that a payment's shares are made from, and whether none of its objects is in doubt.
fn evidence(
    component: &Component<'_>,
    key: &Key,
    node: Node<'_>,
    attached: &[(&Key, Node<'_>)],
) -> (String, bool) {
    let parents = ["checkout.session", "invoice", "invoice_payment"];
    let parents = parents
        .into_iter()
        .flat_map(|kind| component.near(key, kind));
    let all = std::iter::once((key, node))
        .chain(attached.iter().copied())
        .chain(parents);
    winners(all)
}

/// Hash of the winners of these objects, and whether none of them is in doubt.
pub(super) fn winners<'k>(nodes: impl Iterator<Item = (&'k Key, Node<'k>)>) -> (String, bool) {
    let mut is_settled = true;
    let mut sources: Vec<String> = Vec::new();
    for (key, node) in nodes {
        is_settled &= node.is_settled();
        if let Some(winner) = node.winner {
            sources.push(format!("{} {}", key.id, winner.snapshot.source_id));
        }
    }
    sources.sort_unstable();
    sources.dedup();
    let mut hash = hex::encode(Sha256::digest(sources.join("\n")));
    hash.truncate(32);
    (hash, is_settled)
}
