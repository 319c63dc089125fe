//! Contradictions that only the whole booking shows.

use serde_json::json;

use super::MAX_BOOKING_PAYMENTS;
use super::status::Facts;
use crate::folding::graph::Key;
use crate::folding::money::{Finding, Policy, Share, identity};

fn of(
    kind: &'static str,
    booking_id: &str,
    contradiction: &str,
    detail: String,
    evidence: serde_json::Value,
) -> Finding {
    Finding {
        kind,
        key: None,
        booking_id: Some(booking_id.to_owned()),
        identity: identity(kind, &[booking_id, contradiction]),
        detail,
        evidence,
    }
}

pub(super) fn of_booking(
    booking_id: &str,
    shares: &[(&Key, &Share)],
    facts: &Facts,
    policy: Policy,
    too_many: bool,
) -> Vec<Finding> {
    let mut found = Vec::new();
    if too_many {
        let detail = format!(
            "booking {booking_id} has more than {MAX_BOOKING_PAYMENTS} payments: it is not folded any more"
        );
        let evidence = json!({"limit": MAX_BOOKING_PAYMENTS});
        found.push(of("too_many_payments", booking_id, "", detail, evidence));
        return found;
    }
    let paying: Vec<&str> = shares
        .iter()
        .filter(|(_, share)| share.is_finished && share.amounts.net().is_ok_and(|net| net > 0))
        // What the credit balance pays is the rest of another payment.
        .filter(|(_, share)| share.amounts.captured > 0 || share.amounts.settled_elsewhere > 0)
        .map(|(key, _)| key.id.as_str())
        .collect();
    let exceeds = facts.expected.is_none_or(|expected| facts.net > expected);
    if paying.len() > 1 && exceeds {
        let detail = format!(
            "booking {booking_id} was paid by {} payments, {} in all",
            paying.len(),
            facts.net
        );
        let evidence = json!({"payments": paying, "net": facts.net, "expected": facts.expected});
        found.push(of(
            "paid_twice",
            booking_id,
            &paying.join("\n"),
            detail,
            evidence,
        ));
    }
    for (key, share) in shares {
        let it = &share.amounts;
        let gone = it.refunded.saturating_add(it.lost);
        if it.refunded > 0 && it.lost > 0 && gone > it.captured {
            let detail = format!(
                "{} was refunded and its dispute was lost: {gone} of {} went back",
                key.id, it.captured
            );
            let evidence = json!({"payment": key.id, "refunded": it.refunded, "lost": it.lost});
            found.push(of("lost_twice", booking_id, &key.id, detail, evidence));
        }
    }
    if policy.require_registration && facts.expected.is_none() && facts.finished > 0 {
        let detail = format!(
            "booking {booking_id} was paid {} and is not registered",
            facts.finished
        );
        let evidence = json!({"paid": facts.finished});
        found.push(of("paid_unregistered", booking_id, "", detail, evidence));
    }
    let beside = facts
        .amounts
        .in_flight
        .saturating_add(facts.amounts.authorized);
    if facts.expected == Some(facts.net_finished) && facts.finished > 0 && beside > 0 {
        let detail =
            format!("booking {booking_id} is paid and {beside} more is in flight or authorized");
        let evidence =
            json!({"in_flight": facts.amounts.in_flight, "authorized": facts.amounts.authorized});
        found.push(of("overlapping_payment", booking_id, "", detail, evidence));
    }
    found
}
