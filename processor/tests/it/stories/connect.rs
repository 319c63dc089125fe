//! Connected accounts, payouts, customers.

use serde_json::{Value, json};

use super::{DAY, DAY_0, step, tell};

fn first(object: Value) -> (Value, Value) {
    (object, Value::Null)
}

const PAYOUT: &str = "SELECT status || coalesce(' ' || failure_code, '') FROM payouts";

#[test]
fn a_payout_that_was_paid_can_still_fail() {
    let payout = |status: &str, failure: Option<&str>| json!({"id": "po_1", "object": "payout", "status": status, "amount": 5_000, "currency": "jpy", "created": DAY_0, "arrival_date": DAY_0 + 2 * DAY, "method": "standard", "failure_code": failure});
    let story = [
        step(
            "made",
            (0, "payout.created"),
            first(payout("pending", None)),
            &[(PAYOUT, "pending")],
        ),
        step(
            "on its way",
            (1, "payout.updated"),
            (payout("in_transit", None), json!({"status": "pending"})),
            &[(PAYOUT, "in_transit")],
        ),
        step(
            "paid",
            (2, "payout.paid"),
            first(payout("paid", None)),
            &[(PAYOUT, "paid")],
        ),
        step(
            "sent back",
            (4, "payout.failed"),
            first(payout("failed", Some("account_closed"))),
            &[(PAYOUT, "failed account_closed")],
        ),
    ];
    let told = tell(&story, Some("acct_1"));
    assert_eq!(
        told.text("SELECT account FROM payouts").as_deref(),
        Some("acct_1")
    );
}

const ACCOUNT: &str = "SELECT charges_enabled || ' ' || payouts_enabled || ' ' || array_to_string(currently_due, '+') || ' ' || coalesce(disabled_reason, '-') FROM accounts";

#[test]
fn an_account_shows_what_it_can_do_and_what_it_lacks() {
    let account = |charges: bool, due: &[&str], reason: Option<&str>| json!({"id": "acct_1", "object": "account", "charges_enabled": charges, "payouts_enabled": charges, "details_submitted": true, "requirements": {"currently_due": due, "past_due": [], "current_deadline": null, "disabled_reason": reason}});
    let story = [
        step(
            "it may charge",
            (0, "account.updated"),
            first(account(true, &[], None)),
            &[(ACCOUNT, "true true  -")],
        ),
        step(
            "papers are due",
            (1, "account.updated"),
            first(account(
                true,
                &["tos_acceptance.date", "external_account"],
                None,
            )),
            &[(ACCOUNT, "true true external_account+tos_acceptance.date -")],
        ),
        step(
            "it is disabled",
            (2, "account.updated"),
            first(account(
                false,
                &["external_account"],
                Some("requirements.past_due"),
            )),
            &[(
                ACCOUNT,
                "false false external_account requirements.past_due",
            )],
        ),
    ];
    tell(&story, Some("acct_1"));
}

const CUSTOMER: &str = "SELECT deleted || ' ' || coalesce(currency, '-') FROM customers";

#[test]
fn a_customer_that_is_deleted_stays_deleted() {
    let customer = json!({"id": "cus_1", "object": "customer", "created": DAY_0, "delinquent": false, "balance": 0, "currency": "eur", "email": "guest@example.com"});
    let story = [
        step(
            "made",
            (0, "customer.created"),
            first(customer.clone()),
            &[(CUSTOMER, "false eur")],
        ),
        // Some versions send the whole object, some the id alone.
        step(
            "deleted",
            (5, "customer.deleted"),
            first(customer.clone()),
            &[(CUSTOMER, "true -")],
        ),
        step(
            "a straggler",
            (6, "customer.updated"),
            (customer, json!({"balance": 5})),
            &[(CUSTOMER, "true -")],
        ),
    ];
    let told = tell(&story, None);
    let kept =
        told.number("SELECT count(*) FROM customers c WHERE to_jsonb(c)::text LIKE '%guest@%'");
    assert_eq!(kept, 0);
}
