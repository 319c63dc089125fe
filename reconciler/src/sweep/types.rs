//! Which events may explain that an object is in another state than we believe.
//!
//! Pure. Stripe lists at most 20 types at once (<https://docs.stripe.com/api/events/list>), so each
//! group is one list.

const PAYMENT: &[&str] = &[
    "payment_intent.created",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.partially_funded",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "charge.pending",
    "charge.succeeded",
    "charge.captured",
    "charge.failed",
    "charge.expired",
    "charge.updated",
    "charge.refunded",
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
];

const MONEY_BACK: &[&str] = &[
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

const BILLING: &[&str] = &[
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.created",
    "invoice.finalized",
    "invoice.updated",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "invoice.deleted",
    "invoice_payment.paid",
];

/// The lists to ask for, for objects of these kinds; none: an observation tells instead.
pub(super) fn groups<'a>(kinds: impl Iterator<Item = &'a str>) -> Vec<&'static [&'static str]> {
    let mut wanted: [(&'static [&'static str], bool); 3] =
        [(PAYMENT, false), (MONEY_BACK, false), (BILLING, false)];
    for kind in kinds {
        let group = match kind {
            "payment_intent" | "charge" | "checkout.session" => PAYMENT,
            "refund" | "dispute" => MONEY_BACK,
            "subscription" | "invoice" | "invoice_payment" => BILLING,
            _ => continue,
        };
        for (types, asked) in &mut wanted {
            *asked |= *types == group;
        }
    }
    wanted
        .into_iter()
        .filter_map(|(types, asked)| asked.then_some(types))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_asked_for_once_and_unknown_kinds_for_none() {
        assert_eq!(groups(["charge", "payment_intent"].into_iter()), [PAYMENT]);
        assert_eq!(
            groups(["invoice", "x", "refund", "dispute"].into_iter()),
            [MONEY_BACK, BILLING]
        );
        assert!(groups(["customer"].into_iter()).is_empty());
    }

    #[test]
    fn no_list_asks_for_more_types_than_stripe_takes() {
        for group in [PAYMENT, MONEY_BACK, BILLING] {
            assert!(group.len() <= 20);
        }
    }
}
