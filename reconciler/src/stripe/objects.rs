//! Where one object of each kind is retrieved.
//!
//! Deliberately absent: objects without a path of their own (a balance, a preview of an invoice).

use shared::ids::{AccountId, ObjectId};

use super::client::{Client, Reply};
use super::error::StripeError;

/// The path of one object, by the name in its `object` field; `None` for a kind that can't be
/// retrieved by its id. Source: <https://docs.stripe.com/api>, "Retrieve" of each object.
pub fn path(kind: &str, id: &ObjectId) -> Option<String> {
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
    Some(format!("/v1/{collection}/{id}"))
}

/// Retrieves the object at a path from [`path`], of a connected account or our own.
///
/// # Errors
/// [`StripeError`]; `is_permanent` tells an object that is gone from a passing trouble.
pub async fn retrieve(
    client: &Client,
    path: &str,
    account: Option<&AccountId>,
) -> Result<Reply, StripeError> {
    client.get(path, &[], account).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn each_kind_that_makes_a_booking_has_a_path() {
        let id = ObjectId::parse("x_1").unwrap();
        for kind in [
            "payment_intent",
            "charge",
            "refund",
            "dispute",
            "checkout.session",
        ] {
            assert!(path(kind, &id).unwrap().ends_with("/x_1"), "{kind}");
        }
        assert_eq!(path("balance", &id), None);
        assert_eq!(path("../charge", &id), None);
    }
}
