//! The kinds of objects that the API serves.

/// One kind of object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Path below `/v1/`.
    pub(crate) path: &'static str,
    /// The value of its `object`.
    pub(crate) name: &'static str,
    /// What "No such …" calls it.
    pub(crate) missing: &'static str,
    /// Fields that its list can be filtered by.
    pub(crate) filters: &'static [&'static str],
}

const fn kind(path: &'static str, name: &'static str, filters: &'static [&'static str]) -> Kind {
    Kind {
        path,
        name,
        missing: name,
        filters,
    }
}

pub(crate) const KINDS: &[Kind] = &[
    kind("payment_intents", "payment_intent", &["customer"]),
    kind(
        "charges",
        "charge",
        &["customer", "payment_intent", "transfer_group"],
    ),
    kind("refunds", "refund", &["charge", "payment_intent"]),
    kind("disputes", "dispute", &["charge", "payment_intent"]),
    kind(
        "checkout/sessions",
        "checkout.session",
        &["customer", "payment_intent", "status", "subscription"],
    ),
    kind("customers", "customer", &["email"]),
    Kind {
        missing: "PaymentMethod",
        ..kind("payment_methods", "payment_method", &["customer", "type"])
    },
    kind("subscriptions", "subscription", &["customer", "status"]),
    kind(
        "invoices",
        "invoice",
        &["customer", "status", "subscription"],
    ),
    kind(
        "invoice_payments",
        "invoice_payment",
        &["invoice", "payment", "status"],
    ),
    kind("setup_intents", "setup_intent", &["customer"]),
    kind("payouts", "payout", &["status"]),
    kind("accounts", "account", &[]),
];

/// `/v1/…` of one object.
pub(crate) fn url_of(name: &str, id: &str) -> String {
    let known = KINDS.iter().find(|kind| kind.name == name);
    format!("/v1/{}/{id}", known.map_or(name, |kind| kind.path))
}
