//! What operators decide about money: each decision is a row of an insert-only table, and what it
//! concerns is folded in the same transaction.

use diesel::pg::PgConnection;
use shared::db::belonging;
use shared::folding::graph::Key;

use super::Done;
use crate::apply::inputs::fold_inputs;
use crate::apply::world::Cause;
use crate::apply::{ApplyError, Rules};
use crate::store;

const BY: &str = "decision";

fn cause(action_id: &str) -> Cause<'_> {
    Cause {
        kind: "action",
        id: action_id,
        trace_id: None,
    }
}

fn done(changed: &[String]) -> Done {
    match changed {
        [] => Done::no_change("no booking shows anything else"),
        changed => Done::applied(format!("changed: {}", changed.join(", "))),
    }
}

/// Decides which booking an object belongs to, or that it belongs to none.
pub(super) fn assign(
    conn: &mut PgConnection,
    (account, object_id): (&str, &str),
    booking_id: Option<&str>,
    action_id: &str,
    rules: Rules,
) -> Result<Done, ApplyError> {
    let key = Key {
        account: account.to_owned(),
        id: object_id.to_owned(),
    };
    let known = belonging::of_objects(conn, std::slice::from_ref(&key))?;
    let Some(object) = known.get(&key) else {
        return Ok(Done::failed(format!("there is no object {object_id}")));
    };
    if let Some(parent) = parent(conn, &key, &object.kind)? {
        return Ok(Done::failed(format!(
            "{object_id} follows {parent}: assign that one"
        )));
    }
    store::inputs::assign(conn, (account, object_id), booking_id, action_id)?;
    let objects = [(key, object.kind.clone())];
    let bookings: Vec<String> = booking_id.map(ToOwned::to_owned).into_iter().collect();
    let changed = fold_inputs(conn, (&bookings, &objects), rules, BY, |_| cause(action_id))?;
    Ok(done(&changed))
}

/// The payment that an object's money follows, where it owns none itself.
fn parent(conn: &mut PgConnection, key: &Key, kind: &str) -> Result<Option<String>, ApplyError> {
    let parents: &[&str] = match kind {
        "charge" => &["payment_intent"],
        "refund" | "dispute" => &["payment_intent", "charge"],
        "credit_note" | "invoice_payment" => &["invoice"],
        _ => return Ok(None),
    };
    let links = shared::db::ties::links(conn, std::slice::from_ref(key))?;
    let near: Vec<Key> = links
        .into_iter()
        .map(|link| Key {
            id: if link.from_id == key.id {
                link.to_id
            } else {
                link.from_id
            },
            account: link.account,
        })
        .collect();
    let near = belonging::of_objects(conn, &near)?;
    let mut found = near
        .iter()
        .filter(|(_, object)| parents.contains(&object.kind.as_str()));
    Ok(found.next().map(|(key, _)| key.id.clone()))
}

/// Changes what a booking expects.
pub(super) fn amend(
    conn: &mut PgConnection,
    booking_id: &str,
    money: (i64, &str),
    action_id: &str,
    rules: Rules,
) -> Result<Done, ApplyError> {
    expect(conn, booking_id, "amend", money, action_id, rules)
}

/// Takes the net amount that the operator saw as what is expected; refused once it is another.
pub(super) fn accept(
    conn: &mut PgConnection,
    booking_id: &str,
    (amount, currency): (i64, &str),
    action_id: &str,
    rules: Rules,
) -> Result<Done, ApplyError> {
    let shown = belonging::shown(conn, &[booking_id.to_owned()])?;
    let Some(shown) = shown.get(booking_id) else {
        return Ok(Done::failed(format!("there is no booking {booking_id}")));
    };
    let net = shown.amounts.amount_net;
    if net != amount || shown.currency.as_deref() != Some(currency) {
        let of = shown.currency.as_deref().unwrap_or("-");
        return Ok(Done::failed(format!("its net amount is {net} {of} by now")));
    }
    expect(
        conn,
        booking_id,
        "accept",
        (amount, currency),
        action_id,
        rules,
    )
}

fn expect(
    conn: &mut PgConnection,
    booking_id: &str,
    kind: &str,
    money: (i64, &str),
    action_id: &str,
    rules: Rules,
) -> Result<Done, ApplyError> {
    let bookings = [booking_id.to_owned()];
    let human = belonging::human_inputs(conn, &[], &bookings)?;
    if !human.registered.contains_key(booking_id) {
        return Ok(Done::failed(format!(
            "booking {booking_id} is not registered"
        )));
    }
    store::inputs::amend(conn, booking_id, kind, money, action_id)?;
    let changed = fold_inputs(conn, (&bookings, &[]), rules, BY, |_| cause(action_id))?;
    Ok(done(&changed))
}

/// Closes a finding.
pub(super) fn close_finding(
    conn: &mut PgConnection,
    identity: &str,
    reason: &str,
    action_id: &str,
) -> Result<Done, ApplyError> {
    let closed = store::inputs::close_finding(conn, identity, reason, action_id)?;
    Ok(match closed {
        0 => Done::no_change("no finding of that name was open"),
        _ => Done::applied("the finding is closed"),
    })
}
