//! The legal steps of each kind of object, written from Stripe's documentation of the objects
//! (docs.stripe.com/payments/paymentintents/lifecycle, /refunds, /disputes) and nowhere else:
//! the fake must be able to prove the services wrong.

use serde_json::Value;

use super::{IllegalStep, text};

const INTENT: &[(&str, &[&str])] = &[
    (
        "requires_payment_method",
        &[
            "requires_confirmation",
            "requires_action",
            "processing",
            "requires_capture",
            "succeeded",
            "canceled",
        ],
    ),
    (
        "requires_confirmation",
        &[
            "requires_payment_method",
            "requires_action",
            "processing",
            "requires_capture",
            "succeeded",
            "canceled",
        ],
    ),
    (
        "requires_action",
        &[
            "requires_payment_method",
            "requires_confirmation",
            "processing",
            "requires_capture",
            "succeeded",
            "canceled",
        ],
    ),
    (
        "processing",
        &[
            "requires_payment_method",
            "requires_capture",
            "succeeded",
            "canceled",
        ],
    ),
    ("requires_capture", &["processing", "succeeded", "canceled"]),
];
const CHARGE: &[(&str, &[&str])] = &[("pending", &["succeeded", "failed"])];
const REFUND: &[(&str, &[&str])] = &[
    (
        "requires_action",
        &["pending", "succeeded", "failed", "canceled"],
    ),
    ("pending", &["succeeded", "failed", "canceled"]),
    // A bank may send the money back days later.
    ("succeeded", &["failed"]),
];
const DISPUTE: &[(&str, &[&str])] = &[
    (
        "warning_needs_response",
        &["warning_under_review", "warning_closed", "needs_response"],
    ),
    (
        "warning_under_review",
        &["warning_closed", "needs_response"],
    ),
    ("needs_response", &["under_review", "won", "lost"]),
    ("under_review", &["won", "lost"]),
    // A "late win".
    ("lost", &["won"]),
];
/// `status/payment_status`: both move.
const SESSION: &[(&str, &[&str])] = &[
    (
        "open/unpaid",
        &["complete/unpaid", "complete/paid", "expired/unpaid"],
    ),
    ("complete/unpaid", &["complete/paid"]),
    // Setup mode: nothing to pay.
    (
        "open/no_payment_required",
        &[
            "complete/no_payment_required",
            "expired/no_payment_required",
        ],
    ),
];
/// docs.stripe.com/invoicing/overview: a void invoice is final, an uncollectible one is not.
const INVOICE: &[(&str, &[&str])] = &[
    ("draft", &["open"]),
    ("open", &["paid", "void", "uncollectible"]),
    ("uncollectible", &["paid", "void"]),
];
const INVOICE_PAYMENT: &[(&str, &[&str])] = &[("open", &["paid", "canceled"])];
/// docs.stripe.com/billing/subscriptions/overview
const SUBSCRIPTION: &[(&str, &[&str])] = &[
    ("incomplete", &["active", "trialing", "incomplete_expired"]),
    ("trialing", &["active", "past_due", "paused", "canceled"]),
    ("active", &["past_due", "paused", "trialing", "canceled"]),
    ("past_due", &["active", "unpaid", "canceled"]),
    ("unpaid", &["active", "canceled"]),
    ("paused", &["active", "canceled"]),
];
const SETUP_INTENT: &[(&str, &[&str])] = &[(
    "requires_payment_method",
    &["requires_action", "processing", "succeeded", "canceled"],
)];

/// Refuses a patch whose status can't follow the object's present one.
pub(super) fn check(object: &Value, patch: &Value) -> Result<(), IllegalStep> {
    let kind = text(object, "object");
    let edges = match kind {
        "payment_intent" => INTENT,
        "charge" => CHARGE,
        "refund" => REFUND,
        "dispute" => DISPUTE,
        "checkout.session" => SESSION,
        "invoice" => INVOICE,
        "invoice_payment" => INVOICE_PAYMENT,
        "subscription" => SUBSCRIPTION,
        "setup_intent" => SETUP_INTENT,
        _ => return Ok(()),
    };
    let from = state(kind, object, object);
    let to = state(kind, patch, object);
    let legal = from == to
        || edges
            .iter()
            .any(|(at, next)| *at == from && next.contains(&to.as_str()));
    if legal {
        return Ok(());
    }
    Err(IllegalStep {
        kind: kind.to_owned(),
        id: text(object, "id").to_owned(),
        from,
        to,
    })
}

fn state(kind: &str, newest: &Value, fallback: &Value) -> String {
    let field = |key: &str| match text(newest, key) {
        "" => text(fallback, key).to_owned(),
        found => found.to_owned(),
    };
    match kind {
        "checkout.session" => format!("{}/{}", field("status"), field("payment_status")),
        _ => field("status"),
    }
}
