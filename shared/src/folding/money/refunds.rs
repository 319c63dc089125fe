//! What went back of a payment, or is disputed: refunds by charge, without what was only released,
//! then disputes.
//!
//! Two sources say what was refunded: the refund objects and their charge's total. Neither is ever
//! taken as "the greater counts": a refund can fail after it succeeded. An authorization that was
//! voided, expired or captured in part is no refund, although Stripe made one before basil: the
//! shape decides, never the version. Source: Stripe's changelog, 2025-03-31.basil.

use super::component::{Component, Divided, Node};
use super::findings::{self, Disagreement};
use super::split::proportional;
use super::{Share, sum};
use crate::folding::booking::FoldError;
use crate::folding::details::Details;
use crate::folding::graph::Key;

/// One thing that takes money away.
#[derive(Debug, Clone)]
struct Taking {
    created: i64,
    id: String,
    amount: i64,
    /// The bookings that it is for, where they are named.
    named: Vec<(String, i64)>,
    is: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Refund,
    PendingAction,
    Disputed,
    Lost,
}

/// All that takes money away from one payment.
#[derive(Debug, Default)]
pub(super) struct Returned {
    /// In the order in which it is divided.
    takings: Vec<Taking>,
}

/// The charges, refunds and disputes of a payment.
pub(super) fn attached<'c>(
    component: &Component<'c>,
    key: &Key,
    node: Node<'c>,
) -> Vec<(&'c Key, Node<'c>)> {
    if node.kind == "refund" {
        return Vec::new();
    }
    let mut found: Vec<(&Key, Node<'c>)> = Vec::new();
    if node.kind == "payment_intent" {
        found.extend(component.near(key, "charge"));
    }
    let mut roots: Vec<&Key> = found.iter().map(|(charge, _)| *charge).collect();
    roots.push(key);
    for kind in ["refund", "dispute"] {
        for root in &roots {
            found.extend(component.near(root, kind));
        }
    }
    found.sort_by(|one, other| one.0.cmp(other.0));
    found.dedup_by(|one, other| one.0 == other.0);
    found
}

/// What went back of a payment.
pub(super) fn returned(
    component: &Component<'_>,
    key: &Key,
    node: Node<'_>,
    attached: &[(&Key, Node<'_>)],
    divided: &mut Divided,
) -> Result<Returned, FoldError> {
    let mut returned = Returned::default();
    if node.kind == "refund" {
        returned.take(component, key, &node);
        return Ok(returned);
    }
    let mut charges: Vec<(&Key, Node<'_>)> = attached
        .iter()
        .filter(|(_, it)| it.kind == "charge")
        .copied()
        .collect();
    if node.kind == "charge" {
        charges.push((key, node));
    }
    // A refund that names no charge is tied to the one that took the money.
    let taker = charges
        .iter()
        .filter(|(_, it)| it.status() == "succeeded")
        .map(|(charge, _)| *charge)
        .min();
    let of = |refund: &Key| {
        let named = component.near(refund, "charge").map(|(charge, _)| charge);
        named.min().or(taker)
    };
    let refunds: Vec<(&Key, Node<'_>)> = attached
        .iter()
        .filter(|(_, it)| it.kind == "refund" && it.winner.is_some())
        .copied()
        .collect();
    for (charge, it) in &charges {
        let own: Vec<(&Key, Node<'_>)> = refunds
            .iter()
            .filter(|(refund, _)| of(refund) == Some(*charge))
            .copied()
            .collect();
        of_charge(component, (charge, *it), &own, &mut returned, divided)?;
    }
    for (refund, it) in &refunds {
        if of(refund).is_none_or(|charge| !charges.iter().any(|(key, _)| *key == charge)) {
            returned.take(component, refund, it);
        }
    }
    for (dispute, it) in attached.iter().filter(|(_, it)| it.kind == "dispute") {
        returned.dispute(dispute, it, divided);
    }
    returned
        .takings
        .sort_by(|a, b| (a.is.turn(), a.created, &a.id).cmp(&(b.is.turn(), b.created, &b.id)));
    Ok(returned)
}

impl Kind {
    /// Refunds are divided first, then disputes.
    const fn turn(self) -> u8 {
        match self {
            Self::Refund => 0,
            Self::PendingAction => 1,
            Self::Disputed | Self::Lost => 2,
        }
    }
}

fn counts(refund: &Node<'_>) -> bool {
    matches!(refund.status(), "pending" | "succeeded")
}

fn amount(node: &Node<'_>) -> i64 {
    node.fields().and_then(|it| it.amount).unwrap_or(0).max(0)
}

fn created(node: &Node<'_>) -> i64 {
    let created = node.fields().and_then(|fields| fields.created);
    created.unwrap_or_else(|| node.at())
}

/// What is only an authorization that was given back, of a charge that was captured in part: Stripe
/// showed just that much as refunded at the moment of capture. With when that was.
fn released(charge: (&Key, Node<'_>), divided: &mut Divided) -> (i64, i64) {
    let none = (0, 0);
    let Some(fields) = charge.1.fields() else {
        return none;
    };
    let (Some(whole), Some(captured)) = (fields.amount, fields.amount_captured) else {
        return none;
    };
    let uncaptured = whole.saturating_sub(captured);
    if uncaptured <= 0 {
        return none;
    }
    let marks = charge.1.state.marks();
    match (marks.proven_capture, marks.first_capture) {
        (Some(moment), _) if moment.refunded == uncaptured => (uncaptured, moment.at),
        (None, Some(first)) if first.refunded == uncaptured => {
            let finding = findings::release_unproven(charge.0, uncaptured);
            divided.findings.push(finding);
            none
        }
        (Some(_) | None, _) => none,
    }
}

fn of_charge(
    component: &Component<'_>,
    charge: (&Key, Node<'_>),
    refunds: &[(&Key, Node<'_>)],
    returned: &mut Returned,
    divided: &mut Divided,
) -> Result<(), FoldError> {
    let fields = charge.1.fields();
    // What was never captured has no refunds, whatever it says.
    let never = fields.is_some_and(|it| {
        it.captured == Some(false) || (it.captured == Some(true) && it.amount_captured == Some(0))
    });
    if never {
        return Ok(());
    }
    let (released, moment) = released(charge, divided);
    let mut release_left = released > 0;
    let mut own: Vec<(&Key, Node<'_>)> = Vec::new();
    for (key, refund) in refunds {
        let is_release = release_left && created(refund) <= moment && amount(refund) == released;
        if is_release {
            release_left = false;
        } else {
            own.push((key, *refund));
        }
    }
    for (key, refund) in &own {
        returned.take(component, key, refund);
    }
    let Some(told) = fields.and_then(|it| it.amount_refunded) else {
        return Ok(());
    };
    // Since basil the total leaves out what was released, before it held it.
    let without = told
        .checked_sub(released)
        .filter(|it| *it >= 0)
        .unwrap_or(told);
    if refunds.is_empty() {
        returned.unknown(charge.0, without);
        return Ok(());
    }
    let total = sum(own
        .iter()
        .filter(|(_, it)| counts(it))
        .map(|(_, it)| amount(it)))?;
    let at = charge.1.at();
    let expected = Expected::of(without, at, &own);
    if expected.agrees(total) || Expected::of(told, at, &own).agrees(total) {
        return Ok(());
    }
    let disagreement = Disagreement {
        charge: charge.0,
        told,
        refunds: &own,
        is_observed_last: is_observed_last(&charge.1, &own),
    };
    findings::refunds_disagree(&disagreement, at, divided);
    // The later view counts: the total, carried on by what happened after it.
    match expected.carried.checked_sub(total) {
        Some(more) if more > 0 => returned.unknown(charge.0, more),
        Some(less) if less < 0 => returned.lessen(&own, less.saturating_neg()),
        Some(_) => {}
        None => return Err(FoldError::Overflow),
    }
    Ok(())
}

/// What the sum of the refunds should be, by a charge's total.
struct Expected {
    /// The total, carried on by what happened after it.
    carried: i64,
    /// Amounts that Stripe may or may not count in the total: refunds that wait for the customer,
    /// refunds that failed, and changes in the very second of the total.
    optional: Vec<i64>,
}

impl Expected {
    fn of(told: i64, at: i64, refunds: &[(&Key, Node<'_>)]) -> Self {
        let mut expected = Self {
            carried: told,
            optional: Vec::new(),
        };
        let (mut waiting, mut failed, mut fresh) = (0_i64, 0_i64, 0_i64);
        for (_, refund) in refunds {
            let (amount, changed) = (amount(refund), refund.at());
            let is_over = matches!(refund.status(), "failed" | "canceled" | "requires_action");
            // One that does not say when it was made was there before it ended.
            let unknown = if is_over { i64::MIN } else { changed };
            let made = refund.fields().and_then(|it| it.created).unwrap_or(unknown);
            match refund.status() {
                "pending" | "succeeded" if made > at => {
                    expected.carried = expected.carried.saturating_add(amount);
                }
                "pending" | "succeeded" if made == at => fresh = fresh.saturating_add(amount),
                "requires_action" if made <= at => {
                    waiting = waiting.saturating_sub(amount);
                }
                "failed" | "canceled" if made <= at && changed > at => {
                    expected.carried = expected.carried.saturating_sub(amount);
                    // It may have been left out of the total all the while.
                    failed = failed.saturating_add(amount);
                }
                "failed" | "canceled" if made <= at => failed = failed.saturating_sub(amount),
                _ => {}
            }
        }
        expected.optional = vec![waiting, failed, fresh];
        expected
    }

    /// Whether the refunds sum to the total, with or without what Stripe may count.
    fn agrees(&self, total: i64) -> bool {
        let mut sums = vec![self.carried];
        for one in self.optional.iter().filter(|one| **one != 0) {
            let with: Vec<i64> = sums.iter().map(|sum| sum.saturating_add(*one)).collect();
            sums.extend(with);
        }
        sums.contains(&total)
    }
}

fn is_observed_last(charge: &Node<'_>, refunds: &[(&Key, Node<'_>)]) -> bool {
    let observed = charge.winner.is_some_and(|it| it.snapshot.observed);
    observed && refunds.iter().all(|(_, refund)| refund.at() < charge.at())
}

impl Returned {
    /// Takes a refund in.
    fn take(&mut self, component: &Component<'_>, key: &Key, refund: &Node<'_>) {
        let is = match refund.status() {
            "pending" | "succeeded" => Kind::Refund,
            "requires_action" => Kind::PendingAction,
            _ => return,
        };
        self.takings.push(Taking {
            created: created(refund),
            id: key.id.clone(),
            amount: amount(refund),
            named: named(component, key, refund),
            is,
        });
    }

    /// Takes in what a charge's total says and no refund does.
    fn unknown(&mut self, charge: &Key, amount: i64) {
        self.takings.push(Taking {
            created: i64::MAX,
            id: charge.id.clone(),
            amount,
            named: Vec::new(),
            is: Kind::Refund,
        });
    }

    /// Takes back what a charge's later total does not count any more, from the last refunds first.
    fn lessen(&mut self, refunds: &[(&Key, Node<'_>)], amount: i64) {
        let mut left = amount;
        let of = |taking: &&mut Taking| {
            taking.is == Kind::Refund && refunds.iter().any(|(key, _)| key.id == taking.id)
        };
        let mut own: Vec<&mut Taking> = self.takings.iter_mut().filter(of).collect();
        own.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        for taking in own {
            let less = taking.amount.min(left);
            taking.amount = taking.amount.saturating_sub(less);
            left = left.saturating_sub(less);
        }
    }

    /// Takes a dispute in: inquiries, won and prevented ones take nothing.
    fn dispute(&mut self, key: &Key, dispute: &Node<'_>, divided: &mut Divided) {
        let Some(fields) = dispute.fields() else {
            return;
        };
        let whole = amount(dispute);
        let (is, amount) = match dispute.status() {
            "won" | "prevented" => return,
            status if status.starts_with("warning_") => return,
            "lost" => {
                let taken = fields.amount_withdrawn;
                if taken.is_none() && fields.reinstated {
                    divided.findings.push(findings::dispute_partial(key, whole));
                }
                (Kind::Lost, taken.map_or(whole, |it| it.clamp(0, whole)))
            }
            _ => (Kind::Disputed, whole),
        };
        self.takings.push(Taking {
            created: created(dispute),
            id: key.id.clone(),
            amount,
            named: Vec::new(),
            is,
        });
    }

    /// Takes from the shares of a payment what went back of it.
    pub(super) fn divide(
        &self,
        key: &Key,
        shares: &mut [Share],
        divided: &mut Divided,
    ) -> Result<(), FoldError> {
        let is_shared = shares.iter().filter(|it| !it.booking_id.is_empty()).count() > 1;
        for taking in &self.takings {
            let parts = taking.parts(shares);
            if is_shared && taking.named.is_empty() && taking.amount > 0 {
                divided
                    .findings
                    .push(findings::shared_refund(key, &taking.id, taking.amount));
            }
            for (booking, part) in parts {
                let share = shares.iter_mut().find(|it| it.booking_id == booking);
                let Some(share) = share else { continue };
                let amounts = &mut share.amounts;
                let field = match taking.is {
                    Kind::Refund => &mut amounts.refunded,
                    Kind::PendingAction => &mut amounts.refund_pending_action,
                    Kind::Disputed => &mut amounts.disputed,
                    Kind::Lost => &mut amounts.lost,
                };
                *field = field.checked_add(part).ok_or(FoldError::Overflow)?;
            }
        }
        Ok(())
    }
}

impl Taking {
    /// How it is divided: to the bookings that it names, as far as their shares reach; the rest in
    /// proportion to what is left of each share, an excess by what was captured.
    fn parts(&self, shares: &[Share]) -> Vec<(String, i64)> {
        if let [only] = shares {
            return vec![(only.booking_id.clone(), self.amount)];
        }
        let left = |share: &Share| {
            let it = &share.amounts;
            let gone = it
                .refunded
                .saturating_add(it.disputed)
                .saturating_add(it.lost);
            it.captured.saturating_sub(gone).max(0)
        };
        let mut lefts: Vec<(String, i64)> = shares
            .iter()
            .map(|share| (share.booking_id.clone(), left(share)))
            .collect();
        let mut parts: Vec<(String, i64)> = lefts
            .iter()
            .map(|(booking, _)| (booking.clone(), 0))
            .collect();
        let mut rest = self.amount;
        for (booking, wanted) in &self.named {
            let place = lefts.iter().position(|(of, _)| of == booking);
            let Some(place) = place else { continue };
            let (Some((_, left)), Some((_, part))) = (lefts.get_mut(place), parts.get_mut(place))
            else {
                continue;
            };
            let taken = (*wanted).min(*left).min(rest);
            *left = left.saturating_sub(taken);
            *part = part.saturating_add(taken);
            rest = rest.saturating_sub(taken);
        }
        let within = rest.min(
            lefts
                .iter()
                .map(|(_, left)| *left)
                .fold(0, i64::saturating_add),
        );
        let captured: Vec<(String, i64)> = shares
            .iter()
            .map(|share| (share.booking_id.clone(), share.amounts.captured.max(0)))
            .collect();
        let more = [
            proportional(within, &lefts),
            proportional(rest.saturating_sub(within), &captured),
        ];
        for one in &more {
            for ((_, part), (_, add)) in parts.iter_mut().zip(one) {
                *part = part.saturating_add(*add);
            }
        }
        parts
    }
}

/// The bookings that a refund is for: those of its credit note's lines, else its own metadata.
fn named(component: &Component<'_>, key: &Key, refund: &Node<'_>) -> Vec<(String, i64)> {
    for (_, note) in component.near(key, "credit_note") {
        let details = note.fields().map(|fields| &fields.details);
        if let Some(Details::CreditNote(note)) = details
            && !note.lines.is_empty()
        {
            return note.lines.clone();
        }
    }
    let own = refund.state.claim();
    own.map(|booking| (booking.to_owned(), amount(refund)))
        .into_iter()
        .collect()
}
