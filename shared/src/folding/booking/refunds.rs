//! What was or is being given back.
//!
//! Two sources tell it: the refunds themselves and their charge's total. Each may be the newer
//! one, and neither is ever taken as "the greater counts": a refund can fail after it succeeded,
//! and the total shrinks.

use std::collections::BTreeSet;

use super::{FoldError, Member, add};
use crate::envelope::ObjectRef;
use crate::ids::ObjectId;

pub(super) struct Refunded {
    pub(super) amount: i64,
    pub(super) doubtful: Vec<ObjectRef>,
}

pub(super) fn refunded(members: &[Member<'_>]) -> Result<Refunded, FoldError> {
    let mut total = Refunded {
        amount: 0,
        doubtful: Vec::new(),
    };
    for charge in charges(members) {
        let refunds: Vec<&Member<'_>> = members
            .iter()
            .filter(|member| member.is("refund") && charge_of(member) == charge)
            .collect();
        let mut sum = 0_i64;
        for refund in refunds.iter().filter(|refund| counts(refund)) {
            sum = add(sum, refund.fields.amount.unwrap_or(0))?;
        }
        let own = members
            .iter()
            .find(|member| member.is("charge") && Some(member.id) == charge);
        let told = own.and_then(|own| Some((own.at, own.fields.amount_refunded?)));
        let latest = refunds.iter().map(|refund| refund.at).max();
        let amount = match (latest, told) {
            (None, None) => 0,
            (None, Some((_, told))) => told,
            (Some(_), None) => sum,
            (Some(_), Some((_, told))) if told == sum => sum,
            (Some(latest), Some((at, told))) => {
                total.doubtful.extend(own.and_then(reference));
                if at > latest { told } else { sum }
            }
        };
        total.amount = add(total.amount, amount)?;
    }
    Ok(total)
}

/// Every charge that is a member or that a refund names; refunds without one stand together.
fn charges<'a>(members: &[Member<'a>]) -> BTreeSet<Option<&'a str>> {
    members
        .iter()
        .filter_map(|member| match member.fields.kind.as_str() {
            "charge" => Some(Some(member.id)),
            "refund" => Some(charge_of(member)),
            _ => None,
        })
        .collect()
}

fn charge_of<'a>(refund: &Member<'a>) -> Option<&'a str> {
    refund.fields.charge.as_ref().map(ObjectId::as_str)
}

fn counts(refund: &Member<'_>) -> bool {
    matches!(refund.status(), "pending" | "succeeded")
}

fn reference(charge: &Member<'_>) -> Option<ObjectRef> {
    Some(ObjectRef {
        kind: charge.fields.kind.clone(),
        id: ObjectId::parse(charge.id).ok()?,
    })
}
