//! What a billing product reads of one object: a row of its projection, and who may use what.
//!
//! Pure. Invariant: both are functions of the object's winning snapshot and its booking alone.
//! So a projection can be thrown away and made again, and no order of events shows in it.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};
use shared::envelope::MAX_CREATED;
use shared::folding::details::{
    Account, Customer, Details, Invoice, Payout, Subscription, Summary,
};
use shared::folding::{Fields, Told};

use super::world::ObjectRow;

/// A projection, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `accounts`.
    Accounts,
    /// `customers`.
    Customers,
    /// `invoices`.
    Invoices,
    /// `payouts`.
    Payouts,
    /// `subscriptions`.
    Subscriptions,
}

/// One object's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// Kind of the fact that tells a change.
    pub fact: &'static str,
    /// Its own row; a summary of features has none.
    pub row: Option<(Table, Map<String, Value>)>,
    /// All its rows in `entitlements`; none for a kind that grants nothing.
    pub entitlements: Option<Vec<Map<String, Value>>>,
}

/// The rows of an object; none for a kind without projection, or one that was told nothing.
#[must_use]
pub fn project(object: &ObjectRow) -> Option<Projection> {
    let winner = object.state.winner()?;
    let fields = &winner.snapshot.fields;
    // A deleted object has no details any more, but it keeps its row.
    let empty;
    let details = if fields.details.is_none() {
        empty = Details::read(&fields.kind, &Value::Null);
        &empty
    } else {
        &fields.details
    };
    let mut projection = match details {
        Details::None | Details::CreditNote(_) => return None,
        Details::Subscription(it) => subscription(fields, it),
        Details::Invoice(it) => plain("invoice.changed", Table::Invoices, invoice(fields, it)),
        Details::Customer(it) => plain("customer.changed", Table::Customers, customer(fields, it)),
        Details::Payout(it) => plain("payout.changed", Table::Payouts, payout(fields, it)),
        Details::Account(it) => plain("account.changed", Table::Accounts, account(fields, it)),
        Details::Summary(it) => summary(fields, it),
    };
    let as_of = time(Some(winner.snapshot.at.clamp(0, MAX_CREATED)));
    if let Some((table, row)) = &mut projection.row {
        row.insert("id".into(), object.key.id.clone().into());
        if matches!(table, Table::Subscriptions | Table::Invoices) {
            row.insert("booking_id".into(), json!(object.booking_id));
        }
    }
    let rows = projection.row.iter_mut().map(|(_, row)| row);
    for row in rows.chain(projection.entitlements.iter_mut().flatten()) {
        row.insert("account".into(), object.key.account.clone().into());
        row.insert("settled".into(), winner.settled.into());
        row.insert("as_of".into(), as_of.clone());
    }
    for row in projection.entitlements.iter_mut().flatten() {
        row.insert("source_id".into(), object.key.id.clone().into());
        row.insert("customer".into(), json!(fields.customer));
    }
    Some(projection)
}

/// What a fact says: the rows without their keys and without when they were seen.
#[must_use]
pub fn state(projection: &Projection) -> Value {
    let strip = |row: &Map<String, Value>| {
        let mut row = row.clone();
        for name in [
            "account",
            "id",
            "settled",
            "as_of",
            "source_id",
            "booking_id",
        ] {
            row.remove(name);
        }
        row
    };
    let mut state = projection
        .row
        .as_ref()
        .map(|(_, row)| strip(row))
        .unwrap_or_default();
    if let Some(rows) = &projection.entitlements {
        state.insert("entitlements".into(), rows.iter().map(strip).collect());
    }
    Value::Object(state)
}

fn plain(fact: &'static str, table: Table, row: Value) -> Projection {
    Projection {
        fact,
        row: Some((table, object(row))),
        entitlements: None,
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// RFC 3339, UTC, as Postgres and JSON readers take it; up to the year 9999.
fn time(seconds: Option<i64>) -> Value {
    seconds
        .filter(|at| *at <= MAX_CREATED)
        .and_then(|at| DateTime::from_timestamp(at, 0))
        .map_or(Value::Null, |at| {
            at.to_rfc3339_opts(SecondsFormat::Secs, true).into()
        })
}

fn subscription(fields: &Fields, it: &Subscription) -> Projection {
    let row = json!({
        "customer": fields.customer, "status": fields.status, "currency": fields.currency,
        "start_date": time(it.start_date),
        "current_period_start": time(it.current_period_start),
        "current_period_end": time(it.current_period_end),
        "trial_start": time(it.trial_start), "trial_end": time(it.trial_end),
        "cancel_at": time(it.cancel_at), "cancel_at_period_end": it.cancel_at_period_end,
        "canceled_at": time(it.canceled_at), "ended_at": time(it.ended_at),
        "pause_behavior": it.pause_behavior, "pause_resumes_at": time(it.pause_resumes_at),
        "collection_method": it.collection_method, "latest_invoice": it.latest_invoice,
        "items": it.items, "items_complete": it.items_complete,
    });
    let active = Subscription::grants(fields.status.as_deref());
    let entitlements = it
        .items
        .iter()
        .map(|item| {
            object(json!({
                "item_id": item.id, "kind": "price", "subject": item.price,
                "lookup_key": item.lookup_key, "product": item.product,
                "quantity": item.quantity, "active": active,
                "active_from": time(item.created.or(it.start_date)),
                "active_until": time(it.until()),
            }))
        })
        .collect();
    Projection {
        entitlements: Some(entitlements),
        ..plain("subscription.changed", Table::Subscriptions, row)
    }
}

fn summary(fields: &Fields, it: &Summary) -> Projection {
    let entitlements = it
        .features
        .iter()
        .map(|feature| {
            object(json!({
                "item_id": feature.id, "kind": "feature", "subject": feature.feature,
                "lookup_key": feature.lookup_key, "product": null, "quantity": null,
                "active": !fields.deleted, "active_from": null, "active_until": null,
            }))
        })
        .collect();
    Projection {
        fact: "entitlements.changed",
        row: None,
        entitlements: Some(entitlements),
    }
}

fn invoice(fields: &Fields, it: &Invoice) -> Value {
    json!({
        "customer": fields.customer, "subscription": it.subscription, "status": fields.status,
        "deleted": fields.deleted, "currency": fields.currency,
        "amount_due": it.amount_due, "amount_paid": it.amount_paid,
        "amount_remaining": it.amount_remaining, "total": it.total,
        "billing_reason": it.billing_reason, "collection_method": it.collection_method,
        "due_date": time(it.due_date), "finalized_at": time(it.finalized_at),
        "paid_at": time(it.paid_at), "voided_at": time(it.voided_at),
        "attempt_count": it.attempt_count, "next_payment_attempt": time(it.next_payment_attempt),
    })
}

fn customer(fields: &Fields, it: &Customer) -> Value {
    json!({
        "deleted": fields.deleted, "created": time(it.created), "currency": fields.currency,
        "delinquent": it.delinquent, "balance": it.balance,
    })
}

fn payout(fields: &Fields, it: &Payout) -> Value {
    json!({
        "status": fields.status, "amount": fields.amount, "currency": fields.currency,
        "created": time(it.created), "arrival_date": time(it.arrival_date),
        "method": it.method, "failure_code": it.failure_code,
    })
}

fn account(fields: &Fields, it: &Account) -> Value {
    json!({
        "deleted": fields.deleted,
        "deauthorized": fields.told == Some(Told::Deauthorized),
        "charges_enabled": it.charges_enabled,
        "payouts_enabled": it.payouts_enabled, "details_submitted": it.details_submitted,
        "currently_due": it.currently_due, "past_due": it.past_due,
        "current_deadline": time(it.current_deadline), "disabled_reason": it.disabled_reason,
    })
}
