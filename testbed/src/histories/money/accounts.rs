//! Connected accounts: destination charges, direct charges, organizations.
//!
//! Source: docs.stripe.com/connect/destination-charges, /connect/direct-charges; changelog of
//! 2025-04-30 (`context`).

use serde_json::json;

use super::pieces::{Payment, Price, merge, naming, open, open_as, registered, some_price};
use crate::histories::recorder::Recorder;

/// A booking that is registered for a connected account.
fn of_account(history: &mut Recorder, price: Price) -> (String, String) {
    let booking = registered(history, price);
    let account = history.id("acct");
    if let Some(registered) = history.ledger.registered(&booking) {
        registered.account = Some(account.clone());
    }
    (booking, account)
}

/// The platform charges and passes the money on; the account sees the charge again.
pub(super) fn destination(history: &mut Recorder) {
    let price = some_price(history);
    let (booking, account) = of_account(history, price);
    let mut more = match history.happens(0.7) {
        true => json!({"transfer_data": {"destination": account}}),
        false => json!({"on_behalf_of": account}),
    };
    let transferred = more.get("transfer_data").is_some();
    merge(&mut more, &json!({"metadata": naming(&booking)}));
    let payment = open_as(history, Some(&booking), price, &more);
    payment.succeed(history);
    if transferred && history.happens(0.6) {
        mirror(history, &payment, &account);
    }
}

/// The account's charge for a transfer: the same money, seen again.
fn mirror(history: &mut Recorder, payment: &Payment, account: &str) {
    let transfer = history.id("tr");
    let mut charge = payment.new_charge(history, payment.price.amount);
    let own = json!({"id": history.id("py"), "source_transfer": transfer, "payment_intent": null,
        "transfer_data": null, "on_behalf_of": null});
    merge(&mut charge, &own);
    history.account = Some(account.to_owned());
    history.create("charge.succeeded", charge);
    history.account = None;
}

/// The account charges itself, for a booking that is registered for it.
pub(super) fn direct(history: &mut Recorder) {
    let price = some_price(history);
    let (booking, account) = of_account(history, price);
    history.account = Some(account);
    open(history, &booking, price).succeed(history);
}

/// An account's own charge names a booking that is registered for the platform.
pub(super) fn foreign(history: &mut Recorder) {
    let price = some_price(history);
    let booking = registered(history, price);
    history.account = Some(history.id("acct"));
    let more = json!({"metadata": naming(&booking)});
    open_as(history, None, price, &more).succeed(history);
    history.ledger.find(&booking, "foreign_claim");
}

/// Events of an organization's account name it by their context, with or without `account`.
pub(super) fn organization(history: &mut Recorder) {
    let price = some_price(history);
    let (booking, account) = of_account(history, price);
    let outer = history.id("acct");
    history.context = Some(format!("{outer}/{account}"));
    if history.happens(0.5) {
        history.account = Some(account);
    }
    open(history, &booking, price).succeed(history);
}
