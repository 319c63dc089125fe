//! Where one object of each kind is retrieved.
//!
//! Invariant: an invoice is always retrieved with its payments: their complete list is the evidence
//! of a settlement outside Stripe, and no event holds it.
//!
//! Deliberately absent: objects without a path of their own (a balance, a preview of an invoice).

use shared::ids::{AccountId, ObjectId};

use super::client::{Client, Reply};
use super::error::StripeError;

/// The place of one object in Stripe's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    path: String,
    /// Lists within the object that are left out unless they are asked for. Source:
    /// <https://docs.stripe.com/api/expanding_objects>.
    expanded: &'static [&'static str],
}

/// The address of one object, by the name in its `object` field; `None` for a kind that can't be
/// retrieved by its id. Source: <https://docs.stripe.com/api>, "Retrieve" of each object.
pub fn address(kind: &str, id: &ObjectId) -> Option<Address> {
    // A dot alone means another place in a path.
    if id.as_str().chars().all(|c| c == '.') {
        return None;
    }
    let collection = match kind {
        "payment_intent" => "payment_intents",
        "charge" => "charges",
        "refund" => "refunds",
        "dispute" => "disputes",
        "checkout.session" => "checkout/sessions",
        "setup_intent" => "setup_intents",
        "payment_method" => "payment_methods",
        "customer" => "customers",
        "subscription" => "subscriptions",
        "subscription_schedule" => "subscription_schedules",
        "invoice" => "invoices",
        "invoiceitem" => "invoiceitems",
        "invoice_payment" => "invoice_payments",
        "credit_note" => "credit_notes",
        "quote" => "quotes",
        "product" => "products",
        "price" => "prices",
        "plan" => "plans",
        "coupon" => "coupons",
        "promotion_code" => "promotion_codes",
        "payment_link" => "payment_links",
        "payout" => "payouts",
        "transfer" => "transfers",
        "topup" => "topups",
        "account" => "accounts",
        "application_fee" => "application_fees",
        "review" => "reviews",
        "event" => "events",
        _ => return None,
    };
    let expanded: &[&str] = match kind {
        "invoice" => &["payments"],
        _ => &[],
    };
    Some(Address {
        path: format!("/v1/{collection}/{id}"),
        expanded,
    })
}

/// Retrieves the object at an address, of a connected account or our own.
///
/// # Errors
/// [`StripeError`]; `is_permanent` tells an object that is gone from a passing trouble.
pub async fn retrieve(
    client: &Client,
    address: &Address,
    account: Option<&AccountId>,
) -> Result<Reply, StripeError> {
    let query: Vec<(&str, String)> = address
        .expanded
        .iter()
        .map(|list| ("expand[]", (*list).to_owned()))
        .collect();
    client.get(&address.path, &query, account).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn each_kind_that_makes_a_booking_has_an_address() {
        let id = ObjectId::parse("x_1").unwrap();
        for kind in [
            "payment_intent",
            "charge",
            "refund",
            "dispute",
            "checkout.session",
            "subscription",
        ] {
            let found = address(kind, &id).unwrap();
            assert!(found.path.ends_with("/x_1"), "{kind}");
            assert!(found.expanded.is_empty(), "{kind}");
        }
        assert_eq!(address("balance", &id), None);
        assert_eq!(address("../charge", &id), None);
    }

    #[test]
    fn invoice_is_retrieved_with_its_payments() {
        let id = ObjectId::parse("in_1").unwrap();
        let found = address("invoice", &id).unwrap();
        assert_eq!(found.path, "/v1/invoices/in_1");
        assert_eq!(found.expanded, ["payments"]);
    }
}
