//! Bookings paid once or twice, refunds that fail or wait, disputes of a part.

use rand::RngExt;

use super::back::{dispute, failed_refund, inquiry, refund, refund_with_action};
use super::pieces::{open, part_of, registered, some_booking, some_price};
use crate::histories::recorder::Recorder;

/// Attempts that fail, or one that succeeds.
pub(super) fn plain(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let payment = open(history, &booking, price);
    if history.happens(0.4) {
        payment.fail(history);
        if history.happens(0.3) {
            payment.cancel(history, "abandoned");
            return;
        }
    }
    if history.happens(0.2) {
        payment.process(history);
    }
    if history.happens(0.6) {
        payment.succeed(history);
    }
}

/// Another amount than the expected one.
pub(super) fn mismatch(history: &mut Recorder) {
    let price = some_price(history);
    let booking = registered(history, price);
    let part = part_of(history, price.amount);
    let payment = open(history, &booking, price.of(part));
    payment.succeed(history);
    if history.happens(0.4) {
        let back = part_of(history, part).min(part);
        refund(history, &payment, back);
    }
}

pub(super) fn refund_states(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let payment = open(history, &booking, price);
    payment.succeed(history);
    let mut left = price.amount;
    for _refund in 0..history.random.random_range(1..=3_u32) {
        let amount = part_of(history, left);
        match history.random.random_range(0..3_u32) {
            0 => {
                refund(history, &payment, amount);
                left -= amount;
            }
            1 => failed_refund(history, &payment, amount),
            _ => {
                refund_with_action(history, &payment, amount);
                left -= amount;
            }
        }
        if left < 2 {
            return;
        }
    }
}

pub(super) fn double_payment(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    open(history, &booking, price).succeed(history);
    let second = open(history, &booking, price);
    second.succeed(history);
    if history.happens(0.6) {
        refund(history, &second, price.amount);
    }
}

pub(super) fn paid_again(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let first = open(history, &booking, price);
    first.succeed(history);
    refund(history, &first, price.amount);
    history.wait(86_400);
    open(history, &booking, price).succeed(history);
}

/// A part is refunded, and the rest, or a part of it, disputed.
pub(super) fn disputed_rest(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let payment = open(history, &booking, price);
    payment.succeed(history);
    let back = part_of(history, price.amount);
    refund(history, &payment, back);
    let disputed = part_of(history, price.amount - back).min(price.amount - back);
    let dispute = dispute(history, &payment, disputed);
    if history.happens(0.8) {
        dispute.becomes(history, &payment, "under_review");
    }
    if history.happens(0.7) {
        dispute.becomes(history, &payment, "lost");
    }
}

/// The same money is refunded and lost.
pub(super) fn lost_twice(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let payment = open(history, &booking, price);
    payment.succeed(history);
    let dispute = dispute(history, &payment, price.amount);
    refund(history, &payment, price.amount);
    dispute.becomes(history, &payment, "lost");
}

/// Disputes that cost nothing in the end: an inquiry, prevented, won, won after it was lost.
pub(super) fn disputes_without_loss(history: &mut Recorder) {
    let price = some_price(history);
    let booking = some_booking(history, price);
    let payment = open(history, &booking, price);
    payment.succeed(history);
    let part = part_of(history, price.amount);
    let path: &[&str] = match history.random.random_range(0..4_u32) {
        0 => &["warning_under_review", "warning_closed"],
        1 => &["prevented"],
        2 => &["under_review", "won"],
        _ => &["under_review", "lost", "won"],
    };
    let asked = path.first() == Some(&"warning_under_review");
    let dispute = match asked {
        true => inquiry(history, &payment, part),
        false => dispute(history, &payment, part),
    };
    for status in path {
        dispute.becomes(history, &payment, status);
    }
    if asked && history.happens(0.4) {
        // The bank asks on another part, and this time goes on.
        let second = inquiry(history, &payment, part);
        second.becomes(history, &payment, "needs_response");
    }
}
