//! Contradictions that hold in a component, and what Stripe is to be asked about it.
//!
//! Pure. Invariant: a finding's identity is a hash of its kind, its object and the contradiction,
//! so the same contradiction has the same identity whenever it comes back.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Share;
use super::component::{Component, Divided, Node};
use super::owner::Owner;
use crate::folding::fields::Fields;
use crate::folding::graph::Key;

/// Texts that a programming error writes where a booking id belongs.
const SUSPICIOUS: &[&str] = &["undefined", "null", "None", "NaN", "[object Object]"];

/// Every kind of contradiction, as in `findings.kind`; those of sweeps are apart.
pub const KINDS: &[&str] = &[
    "abandoned",
    "account_unreadable",
    "claim_changed",
    "claim_removed",
    "claims_differ",
    "dispute_partial",
    "foreign_claim",
    "intent_taken",
    "lost_twice",
    "overlapping_payment",
    "paid_twice",
    "paid_unregistered",
    "reassigned",
    "refunds_disagree",
    "release_unproven",
    "settlement_unproven",
    "shared_payment",
    "shared_refund",
    "suspicious_booking_id",
    "too_many_payments",
    "unassigned_money",
];

/// A contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind, as in `findings.kind`.
    pub kind: &'static str,
    /// The object that decides whether it holds; none: the booking does.
    pub key: Option<Key>,
    /// The booking concerned.
    pub booking_id: Option<String>,
    /// 64 hex digits.
    pub identity: String,
    /// What was found and what was decided by rule, one sentence.
    pub detail: String,
    /// Objects and amounts.
    pub evidence: Value,
}

/// Something to be retrieved from Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The object.
    pub key: Key,
    /// Stripe's object name.
    pub kind: &'static str,
    /// As in `refetches.reason`.
    pub reason: &'static str,
    /// Names the question: asked once.
    pub fingerprint: String,
    /// The second that the answer must be later than.
    pub after: i64,
}

/// Names a contradiction.
#[must_use]
pub fn identity(kind: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in std::iter::once(&kind).chain(parts) {
        // Lengths keep neighbouring parts apart.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

fn of(
    kind: &'static str,
    key: &Key,
    booking: Option<&str>,
    contradiction: &str,
    (detail, evidence): (String, Value),
) -> Finding {
    let parts = [key.account.as_str(), key.id.as_str(), contradiction];
    Finding {
        kind,
        key: Some(key.clone()),
        booking_id: booking.map(ToOwned::to_owned),
        identity: identity(kind, &parts),
        detail,
        evidence,
    }
}

/// Kinds whose own claims count, or are compared with what is inherited.
fn claims(kind: &str) -> bool {
    matches!(
        kind,
        "checkout.session"
            | "subscription"
            | "invoice"
            | "payment_intent"
            | "charge"
            | "refund"
            | "dispute"
    )
}

/// What one object's claims contradict.
pub(super) fn of_object(
    component: &Component<'_>,
    key: &Key,
    node: &Node<'_>,
    owner: &Owner,
    divided: &mut Divided,
) {
    if !claims(node.kind) {
        return;
    }
    let found = &mut divided.findings;
    let named: Vec<&str> = node.state.marks().bookings().collect();
    let claim = node.state.claim();
    // A charge's metadata is a copy of its intent's: only where there is none it counts.
    let is_copy = node.kind == "charge" && component.near(key, "payment_intent").next().is_some();
    let counts = !is_copy && !matches!(node.kind, "refund" | "dispute");
    if counts && named.len() > 1 {
        let all = named.join(", ");
        let detail = format!(
            "{} named several bookings over time ({all}): the latest that it names counts",
            key.id
        );
        let evidence = json!({"named": named, "counts": claim, "belongs_to": owner.first()});
        let latest = claim.unwrap_or("");
        found.push(of(
            "claim_changed",
            key,
            claim,
            &format!("{all}\n{latest}"),
            (detail, evidence),
        ));
    }
    let Some(claim) = claim else {
        reference(component, key, node, found);
        return;
    };
    let is_silent = |fields: &Fields| fields.booking.is_none() && !fields.deleted;
    if counts && node.fields().is_some_and(is_silent) {
        let detail = format!(
            "{} does not name booking {claim} any more: it keeps it until a person unassigns it",
            key.id
        );
        let evidence = json!({"named": claim});
        found.push(of(
            "claim_removed",
            key,
            Some(claim),
            claim,
            (detail, evidence),
        ));
    }
    if SUSPICIOUS.contains(&claim.trim()) {
        let detail = format!(
            "{} names a booking that looks like a programming error: {claim}",
            key.id
        );
        found.push(of(
            "suspicious_booking_id",
            key,
            Some(claim),
            claim,
            (detail, json!({"named": claim})),
        ));
    }
    if !component.eligible(&key.account, claim) {
        let detail = format!(
            "{} names booking {claim}, which is not registered for its account: the claim does not count",
            key.id
        );
        let evidence =
            json!({"claimed": claim, "account": key.account, "belongs_to": owner.first()});
        found.push(of(
            "foreign_claim",
            key,
            Some(claim),
            claim,
            (detail, evidence),
        ));
        return;
    }
    differs(component, key, node, owner, claim, divided);
}

/// A child that names another booking than it inherits.
fn differs(
    component: &Component<'_>,
    key: &Key,
    node: &Node<'_>,
    owner: &Owner,
    claim: &str,
    divided: &mut Divided,
) {
    if !matches!(node.kind, "charge" | "refund" | "dispute") {
        return;
    }
    // A charge that says what its intent says contradicts nothing: a person or a registration
    // decided about the intent.
    let mut parents = component.near(key, "payment_intent");
    if node.kind == "charge" && parents.any(|(_, parent)| parent.state.claim() == Some(claim)) {
        return;
    }
    let is_among = owner.divide(0).iter().any(|(booking, _)| booking == claim);
    if is_among || !owner.is_somebody() {
        return;
    }
    let belongs = owner.first().unwrap_or_default();
    let detail = format!(
        "{} names booking {claim} and belongs to {belongs} by its payment, which counts",
        key.id
    );
    let evidence = json!({"claimed": claim, "belongs_to": owner.first()});
    let contradiction = format!("{claim}\n{belongs}");
    divided.findings.push(of(
        "claims_differ",
        key,
        Some(claim),
        &contradiction,
        (detail, evidence),
    ));
    // No event says that an intent's metadata changed.
    if node.kind == "charge"
        && let Some((intent, known)) = component.near(key, "payment_intent").next()
    {
        divided.questions.push(Question {
            key: intent.clone(),
            kind: "payment_intent",
            reason: "claim",
            fingerprint: format!("claim:{}:{}:{claim}", intent.id, key.id),
            after: node.at().max(known.at()),
        });
    }
}

/// A client reference that names a registered booking and does not count.
fn reference(component: &Component<'_>, key: &Key, node: &Node<'_>, found: &mut Vec<Finding>) {
    let fields = node.fields();
    let Some(booking) = fields.and_then(|fields| fields.client_reference.as_deref()) else {
        return;
    };
    let is_asked = component.inputs.policy.client_reference
        && component.inputs.registered.contains_key(booking);
    if is_asked && component.matching_reference(key, node).is_none() {
        let detail = format!(
            "{} refers to booking {booking} with another amount, currency or account: it does not count",
            key.id
        );
        let evidence = json!({"client_reference_id": booking});
        found.push(of(
            "foreign_claim",
            key,
            Some(booking),
            booking,
            (detail, evidence),
        ));
    }
}

/// A payment of which a part belongs to no booking.
pub(super) fn shared_payment(key: &Key, shares: &[Share]) -> Finding {
    let parts: Vec<Value> = shares
        .iter()
        .map(|share| json!({"booking_id": share.booking_id, "amount": share.amounts.captured}))
        .collect();
    let named: Vec<&str> = shares.iter().map(|it| it.booking_id.as_str()).collect();
    let named = named.join(", ");
    let detail = format!(
        "{} pays several bookings and a part of it names none{named}",
        key.id
    );
    let detail = detail.replace("none, ", "none: ");
    of(
        "shared_payment",
        key,
        None,
        &named,
        (detail, json!({"parts": parts})),
    )
}

/// A refund that was divided in proportion.
pub(super) fn shared_refund(key: &Key, refund: &str, amount: i64) -> Finding {
    let detail = format!(
        "{refund} of {amount} names none of the bookings that {} pays: it was divided in proportion",
        key.id
    );
    let evidence = json!({"refund": refund, "amount": amount});
    of("shared_refund", key, None, refund, (detail, evidence))
}

/// A dispute that was won in part, which cannot be told in its own currency.
pub(super) fn dispute_partial(key: &Key, amount: i64) -> Finding {
    let detail = format!(
        "{} was lost and a part came back in another currency: all of {amount} counts as lost",
        key.id
    );
    of(
        "dispute_partial",
        key,
        None,
        "",
        (detail, json!({"amount": amount})),
    )
}

/// A charge that was captured in part and shows the rest as refunded, without proof that this was
/// its authorization.
pub(super) fn release_unproven(key: &Key, amount: i64) -> Finding {
    let detail = format!(
        "{} shows {amount} as refunded that may only be a released authorization: no event shows its capture, so it counts as refunded",
        key.id
    );
    of(
        "release_unproven",
        key,
        None,
        &amount.to_string(),
        (detail, json!({"amount": amount})),
    )
}

/// An invoice that is paid and no payment of it is known.
pub(super) fn settlement_unproven(key: &Key, amount: i64) -> Finding {
    let detail = format!(
        "{} is paid and no payment of {amount} is known: nothing counts until Stripe lists its payments",
        key.id
    );
    of(
        "settlement_unproven",
        key,
        None,
        &amount.to_string(),
        (detail, json!({"amount": amount})),
    )
}

/// Names the question how an invoice was paid.
pub(super) fn settlement_fingerprint(key: &Key, paid: i64) -> String {
    format!("settlement:{}:{paid}", key.id)
}

/// Asks how an invoice was paid.
pub(super) fn settlement(key: &Key, fingerprint: String, at: i64) -> Question {
    Question {
        key: key.clone(),
        kind: "invoice",
        reason: "settlement",
        fingerprint,
        after: at,
    }
}

/// Names the question for an intent of which only a charge is known.
pub(super) fn intent_fingerprint(key: &Key) -> String {
    format!("intent:{}", key.id)
}

/// Asks for an intent whose charge stands in for it. Its own events may be on their way.
pub(super) fn intent_unknown(key: &Key, at: i64) -> Question {
    const GRACE: i64 = 60;
    Question {
        key: key.clone(),
        kind: "payment_intent",
        reason: "claim",
        fingerprint: intent_fingerprint(key),
        after: at.saturating_add(GRACE),
    }
}

/// A charge whose total and refunds do not agree.
pub(super) struct Disagreement<'d, 'n> {
    pub(super) charge: &'d Key,
    /// The charge's total.
    pub(super) told: i64,
    pub(super) refunds: &'d [(&'d Key, Node<'n>)],
    /// Stripe was asked after the last change of any refund, and still says so.
    pub(super) is_observed_last: bool,
}

/// Stripe is asked; a person is told once Stripe has answered and they still do not agree.
pub(super) fn refunds_disagree(it: &Disagreement<'_, '_>, at: i64, divided: &mut Divided) {
    let refunds: Vec<String> = it
        .refunds
        .iter()
        .map(|(key, refund)| format!("{} {}", key.id, refund.status()))
        .collect();
    let state = format!("{}\n{}\n{}", it.charge.id, it.told, refunds.join("\n"));
    let contradiction = identity("refunds", &[&it.charge.account, &state]);
    if it.is_observed_last {
        let detail = format!(
            "{} says that {} was refunded and its refunds say otherwise, also after Stripe was asked: the charge counts",
            it.charge.id, it.told
        );
        let evidence = json!({"amount_refunded": it.told, "refunds": refunds});
        divided.findings.push(of(
            "refunds_disagree",
            it.charge,
            None,
            &contradiction,
            (detail, evidence),
        ));
        return;
    }
    let latest = it.refunds.iter().map(|(_, refund)| refund.at()).max();
    divided.questions.push(Question {
        key: it.charge.clone(),
        kind: "charge",
        reason: "refunds_differ",
        fingerprint: format!("refunds:{contradiction}"),
        after: at.max(latest.unwrap_or(at)),
    });
}

/// Money that belongs to no booking.
pub(super) fn unassigned(divided: &mut Divided) {
    for (key, shares) in &divided.shares {
        let nobodys = shares.iter().find(|share| share.booking_id.is_empty());
        let Some(share) = nobodys else { continue };
        let amount = share
            .amounts
            .captured
            .saturating_add(share.amounts.settled_elsewhere);
        if amount > 0 {
            let detail = format!("{amount} of {} belongs to no booking", key.id);
            let found = of(
                "unassigned_money",
                key,
                None,
                &amount.to_string(),
                (detail, json!({"amount": amount})),
            );
            divided.findings.push(found);
        }
    }
}
