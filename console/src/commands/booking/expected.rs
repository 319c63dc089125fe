//! `bookend booking amend | accept`: commands for the processor, under the booking's own key.
//!
//! *Invariant:* `accept` carries the net amount that the plan read. The processor refuses it when
//! the booking has another one by then.

use serde::Serialize;
use serde_json::json;
use shared::commands::Wish;

use super::super::money;
use super::known::Known;
use crate::action::{Action, Deed, Outgoing, Step, act};
use crate::args::{BookingAccept, BookingAmend, Global};
use crate::database::Writer;
use crate::failure::Failure;
use crate::output::{columns, or_dash};

/// Commands a second; an action has one.
const RATE: u32 = 100;

/// A booking, the amount that it expects, and the amount that it shall expect.
#[derive(Debug, Serialize)]
struct Expectation {
    booking_id: String,
    status: Option<String>,
    hold: Option<String>,
    expected_amount: Option<i64>,
    expected_currency: Option<String>,
    amount_net: Option<i64>,
    currency: Option<String>,
    new_amount: i64,
    new_currency: String,
    #[serde(skip)]
    accept: bool,
}

pub(super) fn amend(global: &Global, args: &BookingAmend) -> Result<(), Failure> {
    let (amount, currency) = (args.amount, args.currency.as_str());
    let deed = Deed {
        verb: "booking amend",
        request: json!({
            "booking": args.booking.as_str(), "amount": amount, "currency": currency,
        }),
        writing: &args.writing,
        log: &args.log,
        rate: RATE,
    };
    act(global, &deed, |db| {
        let known = Known::read(db, &args.booking)?;
        known.changed((amount, currency))?;
        Ok(vec![Expectation::of(known, (amount, currency), false)])
    })
}

pub(super) fn accept(global: &Global, args: &BookingAccept) -> Result<(), Failure> {
    let deed = Deed {
        verb: "booking accept",
        request: json!({"booking": args.booking.as_str()}),
        writing: &args.writing,
        log: &args.log,
        rate: RATE,
    };
    act(global, &deed, |db| {
        let known = Known::read(db, &args.booking)?;
        let (amount, currency) = known.acceptable()?;
        known.changed((amount, &currency))?;
        Ok(vec![Expectation::of(known, (amount, &currency), true)])
    })
}

impl Expectation {
    fn of(known: Known, (amount, currency): (i64, &str), accept: bool) -> Self {
        let (expected_amount, expected_currency) = known.expected.unzip();
        let row = known.row.as_ref();
        Self {
            booking_id: known.id,
            status: row.map(|row| row.status.clone()),
            hold: row.and_then(|row| row.hold.clone()),
            expected_amount,
            expected_currency,
            amount_net: row.map(|row| row.amounts.amount_net),
            currency: row.and_then(|row| row.currency.clone()),
            new_amount: amount,
            new_currency: currency.to_owned(),
            accept,
        }
    }
}

impl Step for Expectation {
    fn subject(&self) -> String {
        self.booking_id.clone()
    }

    fn table(rows: &[Self]) -> String {
        columns(
            [
                "BOOKING",
                "STATUS",
                "HOLD",
                "NET",
                "EXPECTED",
                "NEW EXPECTED",
            ],
            rows.iter().map(|row| {
                let expected = money(row.expected_amount, row.expected_currency.as_deref());
                [
                    row.booking_id.clone(),
                    or_dash(row.status.clone()),
                    or_dash(row.hold.clone()),
                    or_dash(money(row.amount_net, row.currency.as_deref())),
                    or_dash(expected),
                    format!("{} {}", row.new_amount, row.new_currency),
                ]
            }),
        )
    }

    fn outgoing(&self, _writer: &mut Writer, action: &Action) -> Result<Outgoing, Failure> {
        let (booking_id, amount) = (self.booking_id.clone(), self.new_amount);
        let currency = self.new_currency.clone();
        let wish = if self.accept {
            Wish::Accept {
                booking_id,
                amount,
                currency,
            }
        } else {
            Wish::Amend {
                booking_id,
                amount,
                currency,
            }
        };
        Outgoing::command(action, &self.booking_id, wish)
    }
}
