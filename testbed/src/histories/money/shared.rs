//! Money that several bookings share: one invoice for two, one intent for two invoices.
//!
//! Source: docs.stripe.com/api/invoice-payment/object, /api/invoice-line-item/object.

use serde_json::{Value, json};

use super::back::refund_unbooked;
use super::invoices::{Invoice, draft, finalize, line, paid_part, payment_for};
use super::pieces::{
    Payment, Price, merge, naming, open_as, part_of, registered, some_booking, some_price,
};
use crate::histories::ledger::{Kind, Share};
use crate::histories::recorder::Recorder;

/// One invoice pays for two bookings by its lines, after discount and tax; perhaps a third line
/// names none, or a refund is divided.
pub(super) fn invoice_for_two(history: &mut Recorder) {
    let price = some_price(history);
    let other = some_price(history);
    let bookings =
        [price, price.of(other.amount)].map(|one| (some_booking(history, one), one.amount));
    let spare = if history.happens(0.3) { 300 } else { 0 };
    let now = history.now;
    let mut lines: Vec<Value> = bookings
        .iter()
        .map(|(booking, net)| item(history, &naming(booking), *net))
        .collect();
    if spare > 0 {
        lines.push(line(
            history,
            "invoice_item_details",
            &json!({}),
            spare,
            (now, now),
        ));
    }
    let total: i64 = bookings.iter().map(|(_, net)| net).sum::<i64>() + spare;
    let more = json!({"lines": {"object": "list", "data": lines, "has_more": false}});
    let invoice = draft(history, None, price.of(total), &more);
    finalize(history, &invoice);
    let mut payment = payment_for(history, &invoice);
    invoice.settle(history, &mut payment);
    let mut shares: Vec<(Option<&str>, i64)> = bookings
        .iter()
        .map(|(id, net)| (Some(id.as_str()), *net))
        .collect();
    if spare > 0 {
        shares.push((None, spare));
    }
    split(history, &payment, &shares);
    if spare == 0 && history.happens(0.5) {
        divided_refund(history, &payment, total, &bookings);
    }
}

/// An invoice-item line of `net` after a discount and an exclusive tax of the same amount.
fn item(history: &mut Recorder, metadata: &Value, net: i64) -> Value {
    let now = history.now;
    let mut line = line(history, "invoice_item_details", metadata, net, (now, now));
    let step = net / 10;
    let more = json!({"discount_amounts": [{"amount": step, "discount": "di_Frühbucher 10%"}],
        "taxes": [{"amount": step, "tax_behavior": "exclusive"}]});
    merge(&mut line, &more);
    line
}

/// The money of a payment belongs to several bookings.
fn split(history: &mut Recorder, payment: &Payment, shares: &[(Option<&str>, i64)]) {
    let ledger = &mut history.ledger;
    ledger.clear(&payment.intent, Kind::Captured);
    ledger.no_attempt(&payment.intent);
    for (booking, amount) in shares {
        let share = share_of(payment, *booking);
        ledger.write(&share, &payment.intent, Kind::Captured, *amount);
        ledger.attempt(&payment.intent, *booking, "paid");
    }
}

fn share_of(payment: &Payment, booking: Option<&str>) -> Share {
    Share {
        booking: booking.map(str::to_owned),
        ..payment.share.clone()
    }
}

/// A refund that names no booking: in proportion, the odd units to the largest remainder.
fn divided_refund(
    history: &mut Recorder,
    payment: &Payment,
    total: i64,
    bookings: &[(String, i64)],
) {
    let amount = part_of(history, total);
    let refund = refund_unbooked(history, payment, amount);
    let mut parts: Vec<(&str, i64, i64)> = bookings
        .iter()
        .map(|(id, share)| (id.as_str(), amount * share / total, amount * share % total))
        .collect();
    parts.sort_by_key(|(id, _, remainder)| (-remainder, *id));
    let mut odd = amount - parts.iter().map(|(_, whole, _)| whole).sum::<i64>();
    for (booking, whole, _) in parts {
        let one = i64::from(odd > 0);
        odd -= one;
        let share = share_of(payment, Some(booking));
        history
            .ledger
            .write(&share, &refund, Kind::Refunded, whole + one);
        history.ledger.find(booking, "shared_refund");
    }
}

/// One intent pays two invoices of two bookings; only the shape since basil can tell.
pub(super) fn intent_for_two(history: &mut Recorder) {
    history.old_version = false;
    let price = some_price(history);
    let prices = [price, price.of(price.amount / 2)];
    let invoices: Vec<Invoice> = prices
        .into_iter()
        .map(|one| invoice_of(history, one))
        .collect();
    let total = price.amount + price.amount / 2;
    let payment = open_as(history, None, price.of(total), &json!({}));
    payment.succeed(history);
    for invoice in &invoices {
        let tie = paid_part(history, &invoice.id, &payment, invoice.price.amount);
        invoice.paid_by(history, tie);
    }
    let shares: Vec<(Option<&str>, i64)> = invoices
        .iter()
        .map(|one| (one.share.booking.as_deref(), one.price.amount))
        .collect();
    split(history, &payment, &shares);
}

fn invoice_of(history: &mut Recorder, price: Price) -> Invoice {
    let booking = registered(history, price);
    let invoice = draft(
        history,
        Some(&booking),
        price,
        &json!({"metadata": naming(&booking)}),
    );
    finalize(history, &invoice);
    invoice
}
