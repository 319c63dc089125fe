//! The status of a registered booking: the first row of the table of statuses that applies.

use serde_json::Value;

use super::super::model::text;
use super::{Amounts, Belongings};

/// `finished` is what is paid by finished payments; `is_foreign`: in another currency than was
/// registered.
pub(super) fn of(
    own: &Belongings,
    amounts: &Amounts,
    finished: i64,
    expected: i64,
    is_foreign: bool,
) -> &'static str {
    let net = amounts.amount_net;
    let is_paid = finished > 0;
    if amounts.amount_disputed > 0 || (amounts.amount_lost > 0 && net != expected) {
        "disputed"
    } else if is_paid && is_foreign {
        "amount_mismatch"
    } else if is_paid && net == expected {
        "confirmed"
    } else if is_paid && net == 0 {
        "refunded"
    } else if is_paid
        && finished >= expected
        && expected > net
        && net > 0
        && amounts.amount_refunded > 0
    {
        "partially_refunded"
    } else if is_paid {
        "amount_mismatch"
    } else if amounts.amount_authorized > 0 {
        "authorized"
    } else {
        unpaid(own)
    }
}

/// The furthest of the attempts; a session is one only until it has led to a payment.
fn unpaid(own: &Belongings) -> &'static str {
    let invoices = own.invoices.iter();
    let mut attempts: Vec<&'static str> = own.intents.iter().map(attempt).collect();
    attempts.extend(
        invoices.map(|invoice| match text(&invoice.value, "status") {
            "void" | "uncollectible" => "canceled",
            _ => "pending",
        }),
    );
    attempts.extend(own.subscription.iter().filter_map(|subscription| {
        (text(subscription, "status") == "incomplete_expired").then_some("canceled")
    }));
    if attempts.is_empty() {
        let session = own.session.iter();
        let session = session.filter(|session| text(session, "mode") != "setup");
        attempts.extend(session.map(|session| match text(session, "status") {
            "expired" => "canceled",
            _ => "pending",
        }));
    }
    [
        "processing",
        "requires_action",
        "payment_failed",
        "pending",
        "canceled",
    ]
    .into_iter()
    .find(|status| attempts.contains(status))
    .unwrap_or("pending")
}

fn attempt(intent: &Value) -> &'static str {
    match text(intent, "status") {
        "processing" => "processing",
        "requires_action" => "requires_action",
        "canceled" => "canceled",
        _ if intent
            .get("last_payment_error")
            .is_some_and(|error| !error.is_null()) =>
        {
            "payment_failed"
        }
        _ => "pending",
    }
}
