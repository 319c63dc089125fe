//! Invoices: attempts, out of band, credit balances, credit notes.
//!
//! Source: docs.stripe.com/invoicing/overview, /invoicing/customer/balance, /invoicing/credit-notes.

use serde_json::json;

use super::back::refund_unbooked;
use super::invoices::{Invoice, draft, finalize, payment_for};
use super::pieces::{merge, naming, part_of, some_booking, some_price};
use crate::histories::ledger::Kind;
use crate::histories::recorder::Recorder;
use crate::histories::shape::OLD;

fn own_invoice(history: &mut Recorder) -> Invoice {
    let price = some_price(history);
    let booking = some_booking(history, price);
    draft(
        history,
        Some(&booking),
        price,
        &json!({"metadata": naming(&booking)}),
    )
}

/// Up to two failed attempts, then any end.
pub(super) fn attempts(history: &mut Recorder) {
    let invoice = own_invoice(history);
    if history.happens(0.1) {
        if history.happens(0.6) {
            history.wait(3_600);
            history.delete("invoice.deleted", &invoice.id);
            invoice.attempt(history, "canceled");
        }
        return;
    }
    finalize(history, &invoice);
    let mut payment = payment_for(history, &invoice);
    for count in 1..=2 {
        if history.happens(0.5) {
            break;
        }
        invoice.fail(history, &payment, count);
    }
    if history.happens(0.4) {
        invoice.settle(history, &mut payment);
    } else if history.happens(0.6) {
        let how = if history.happens(0.5) {
            "void"
        } else {
            "uncollectible"
        };
        invoice.close(history, &payment, how);
    }
}

/// A bank debit runs after a card failed: the old failure must not release anything.
pub(super) fn debit_after_failure(history: &mut Recorder) {
    let invoice = own_invoice(history);
    finalize(history, &invoice);
    let mut payment = payment_for(history, &invoice);
    invoice.fail(history, &payment, 1);
    history.wait(3 * 86_400);
    invoice.debit(history, &payment, 2);
    if history.happens(0.5) {
        history.wait(3 * 86_400);
        if history.happens(0.5) {
            invoice.settle(history, &mut payment);
        } else {
            invoice.fail(history, &payment, 2);
        }
    }
}

pub(super) fn out_of_band(history: &mut Recorder) {
    let invoice = own_invoice(history);
    finalize(history, &invoice);
    history.wait(86_400);
    let recorded = history.happens(0.4);
    invoice.paid_out_of_band(history, recorded);
}

/// The customer's credit balance pays the whole invoice, or a part and an intent the rest.
pub(super) fn from_balance(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let all = history.happens(0.5);
    let used = if all {
        price.amount
    } else {
        part_of(history, price.amount)
    };
    let left = if all { 500 } else { 0 };
    let more = json!({"metadata": naming(&booking), "starting_balance": -used - left});
    let invoice = draft(history, Some(&booking), price, &more);
    let due = price.amount - used;
    history.wait(3_600);
    let applied = json!({"ending_balance": -left, "amount_due": due, "amount_remaining": due});
    history.change("invoice.updated", &invoice.id, &applied);
    finalize(history, &invoice);
    if all {
        invoice.paid_by_nothing(history);
    } else {
        let mut payment = payment_for(history, &invoice);
        invoice.settle(history, &mut payment);
    }
    history
        .ledger
        .write(&invoice.share, &invoice.id, Kind::FromBalance, used);
    history.ledger.finish(&invoice.id);
}

/// A credit note after payment: by refund, out of band, or to the customer's balance.
pub(super) fn credit_note(history: &mut Recorder) {
    let invoice = own_invoice(history);
    finalize(history, &invoice);
    let mut payment = payment_for(history, &invoice);
    invoice.settle(history, &mut payment);
    let amount = part_of(history, invoice.price.amount);
    history.wait(86_400);
    let id = history.id("cn");
    let mut note = json!({
        "id": id, "object": "credit_note", "status": "issued", "type": "post_payment",
        "invoice": invoice.id, "currency": invoice.price.currency, "amount": amount, "total": amount,
        "pre_payment_amount": 0, "post_payment_amount": amount, "out_of_band_amount": null,
        "customer_balance_transaction": null, "refunds": [], "created": history.now, "metadata": {},
        OLD: {"refund": null},
    });
    let by = if history.happens(0.4) {
        let refund = refund_unbooked(history, &payment, amount);
        history
            .ledger
            .write(&payment.share, &refund, Kind::Refunded, amount);
        json!({"refunds": [{"amount_refunded": amount, "refund": refund, "type": "refund"}], OLD: {"refund": refund, "refunds": []}})
    } else if history.happens(0.5) {
        history
            .ledger
            .write(&payment.share, &id, Kind::Refunded, amount);
        json!({"out_of_band_amount": amount})
    } else {
        history
            .ledger
            .write(&payment.share, &id, Kind::Credited, amount);
        json!({"customer_balance_transaction": history.id("cbtxn")})
    };
    merge(&mut note, &by);
    history.create("credit_note.created", note);
}
