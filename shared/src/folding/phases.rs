//! The phases of each kind of object, and which lies later than which.
//!
//! Pure. Invariant: `later` is reachability along the edges below, without the way from a phase
//! to itself: transitive and never circular. States that reach each other are one phase (there
//! time decides); a legal exception (a refund that fails after it succeeded, a dispute that is
//! won after it was lost) is one more edge and no special case. A state that nobody knows is a
//! phase of its own, unrelated to all others.
//!
//! Sources: Stripe's documentation of each object's life cycle; the status types of stripe-node.

use super::fields::{Fields, Told};

/// One phase: a name within its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phase(String);

type Edges = &'static [(&'static str, &'static str)];

const PAYMENT_INTENT: Edges = &[("open", "succeeded"), ("open", "canceled")];
const CHARGE: Edges = &[
    ("pending", "failed"),
    ("pending", "uncaptured"),
    ("uncaptured", "captured"),
    ("uncaptured", "released"),
];
const REFUND: Edges = &[
    ("requires_action", "pending"),
    ("pending", "succeeded"),
    ("succeeded", "failed"),
    ("pending", "canceled"),
];
const DISPUTE: Edges = &[
    ("warning_needs_response", "warning_under_review"),
    ("warning_under_review", "warning_closed"),
    ("warning_closed", "needs_response"),
    ("needs_response", "under_review"),
    ("under_review", "lost"),
    ("lost", "won"),
    ("needs_response", "prevented"),
];
const SESSION: Edges = &[
    ("open", "expired"),
    ("open", "complete_unpaid"),
    ("complete_unpaid", "complete_failed"),
    ("complete_failed", "complete_paid"),
    ("open", "complete_no_payment_required"),
];
const SUBSCRIPTION: Edges = &[
    ("incomplete", "live"),
    ("live", "canceled"),
    ("incomplete", "incomplete_expired"),
];
const INVOICE: Edges = &[
    ("draft", "open"),
    ("open", "uncollectible"),
    ("uncollectible", "paid"),
    ("uncollectible", "void"),
    ("draft", "deleted"),
];
const SETUP_INTENT: Edges = &[("open", "succeeded"), ("open", "canceled")];
const CREDIT_NOTE: Edges = &[("issued", "void")];
const INVOICE_PAYMENT: Edges = &[("open", "paid"), ("open", "canceled")];
const PAYOUT: Edges = &[
    ("pending", "in_transit"),
    ("in_transit", "paid"),
    ("paid", "failed"),
    ("in_transit", "canceled"),
];
const OTHER: Edges = &[("live", "deleted")];

fn edges(kind: &str) -> Edges {
    match kind {
        "payment_intent" => PAYMENT_INTENT,
        "charge" => CHARGE,
        "refund" => REFUND,
        "dispute" => DISPUTE,
        "checkout.session" => SESSION,
        "subscription" => SUBSCRIPTION,
        "invoice" => INVOICE,
        "payout" => PAYOUT,
        "setup_intent" => SETUP_INTENT,
        "invoice_payment" => INVOICE_PAYMENT,
        "credit_note" => CREDIT_NOTE,
        _ => OTHER,
    }
}

/// The phase an object is in.
#[must_use]
pub fn phase(fields: &Fields) -> Phase {
    let status = fields.status.as_deref().unwrap_or("");
    let name = match (fields.kind.as_str(), status) {
        _ if fields.deleted => "deleted",
        (
            "payment_intent",
            "requires_payment_method"
            | "requires_confirmation"
            | "requires_action"
            | "processing"
            | "requires_capture",
        ) => "open",
        (
            "setup_intent",
            "requires_payment_method" | "requires_confirmation" | "requires_action" | "processing",
        ) => "open",
        ("charge", _) if fields.told == Some(Told::Released) => "released",
        ("charge", "succeeded") if fields.captured == Some(false) => "uncaptured",
        ("charge", "succeeded") => "captured",
        ("dispute", "lost" | "appeal_needs_response" | "appeal_under_review") => "lost",
        ("checkout.session", "complete") => match fields.payment_status.as_deref() {
            Some("paid") => "complete_paid",
            Some("no_payment_required") => "complete_no_payment_required",
            Some(_) | None if fields.told == Some(Told::PaymentFailed) => "complete_failed",
            Some(_) | None => "complete_unpaid",
        },
        ("subscription", "trialing" | "active" | "past_due" | "unpaid" | "paused") => "live",
        (
            "payment_intent" | "charge" | "refund" | "dispute" | "checkout.session"
            | "subscription" | "invoice" | "payout" | "setup_intent" | "invoice_payment"
            | "credit_note",
            other,
        ) => other,
        _ => "live",
    };
    Phase(name.to_owned())
}

/// Whether `b` lies later than `a` in the life of an object of this kind.
#[must_use]
pub fn later(kind: &str, a: &Phase, b: &Phase) -> bool {
    // Whatever is deleted is so for good; an invoice can only be deleted as a draft.
    if b.0 == "deleted" && a.0 != "deleted" && kind != "invoice" {
        return true;
    }
    let edges = edges(kind);
    let mut frontier = vec![a.0.as_str()];
    // The graphs are tiny and have no circles: at most one visit an edge and path.
    while let Some(from) = frontier.pop() {
        for (_, to) in edges.iter().filter(|(start, _)| *start == from) {
            if *to == b.0 {
                return true;
            }
            frontier.push(to);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: &str, status: &str) -> Phase {
        phase(&Fields {
            kind: kind.into(),
            status: Some(status.into()),
            ..Fields::default()
        })
    }

    #[test]
    fn legal_exceptions_are_edges() {
        assert!(later(
            "refund",
            &at("refund", "succeeded"),
            &at("refund", "failed")
        ));
        assert!(later(
            "dispute",
            &at("dispute", "lost"),
            &at("dispute", "won")
        ));
        assert!(later(
            "payout",
            &at("payout", "paid"),
            &at("payout", "failed")
        ));
        assert!(later(
            "invoice",
            &at("invoice", "uncollectible"),
            &at("invoice", "paid")
        ));
    }

    #[test]
    fn terminal_states_stay_and_cyclic_ones_are_one_phase() {
        assert!(later(
            "payment_intent",
            &at("payment_intent", "processing"),
            &at("payment_intent", "succeeded")
        ));
        assert!(!later(
            "payment_intent",
            &at("payment_intent", "succeeded"),
            &at("payment_intent", "processing")
        ));
        assert_eq!(
            at("payment_intent", "processing"),
            at("payment_intent", "requires_payment_method")
        );
        assert_eq!(at("subscription", "active"), at("subscription", "past_due"));
        for (kind, end) in [("setup_intent", "canceled"), ("invoice_payment", "paid")] {
            assert!(later(kind, &at(kind, "open"), &at(kind, end)), "{kind}");
            assert!(!later(kind, &at(kind, end), &at(kind, "open")), "{kind}");
        }
        assert_eq!(
            at("setup_intent", "requires_action"),
            at("setup_intent", "processing")
        );
    }

    #[test]
    fn what_excludes_each_other_is_unrelated() {
        for (kind, a, b) in [
            ("payment_intent", "succeeded", "canceled"),
            ("charge", "failed", "succeeded"),
            ("invoice", "paid", "void"),
            ("payment_intent", "invented_tomorrow", "succeeded"),
        ] {
            assert!(!later(kind, &at(kind, a), &at(kind, b)), "{kind} {a} {b}");
            assert!(!later(kind, &at(kind, b), &at(kind, a)), "{kind} {b} {a}");
        }
    }

    #[test]
    fn the_relation_is_transitive_and_never_circular() {
        for kind in [
            "payment_intent",
            "charge",
            "refund",
            "dispute",
            "checkout.session",
            "subscription",
            "invoice",
            "payout",
            "setup_intent",
            "invoice_payment",
            "customer",
        ] {
            let mut names: Vec<&str> = edges(kind).iter().flat_map(|(a, b)| [*a, *b]).collect();
            names.sort_unstable();
            names.dedup();
            let all: Vec<Phase> = names.iter().map(|name| Phase((*name).to_owned())).collect();
            for a in &all {
                assert!(!later(kind, a, a), "{kind} {a:?}");
                for b in &all {
                    for c in &all {
                        let both = later(kind, a, b) && later(kind, b, c);
                        assert!(!both || later(kind, a, c), "{kind} {a:?} {b:?} {c:?}");
                    }
                }
            }
        }
    }
}
