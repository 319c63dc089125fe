//! `bookend booking list`.

use serde::Serialize;

use super::super::{millisecond, money};
use crate::args::{BookingList, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::booking::{self, BookingRow};
use crate::ledger::page::More;
use crate::output::{self, Form, columns, or_dash};

#[derive(Serialize)]
struct Listed {
    bookings: Vec<BookingRow>,
    #[serde(flatten)]
    more: More,
}

pub(super) fn run(global: &Global, filter: &BookingList) -> Result<(), Failure> {
    let page = read(global.timeout, "booking_list", |db| {
        booking::list(db, filter)
    })?;
    let (bookings, more) = page.report("no booking fits all filters")?;
    match global.output {
        Form::Json => output::json(&Listed { bookings, more }),
        Form::Table => output::text(&table(bookings)),
    }
}

fn table(rows: Vec<BookingRow>) -> String {
    columns(
        [
            "BOOKING", "STATUS", "HOLD", "EXPECTED", "NET", "PAID", "REFUNDED", "UPDATED",
        ],
        rows.into_iter().map(|row| {
            let of = |amount| or_dash(money(Some(amount), row.currency.as_deref()));
            let (net, paid) = (of(row.amounts.amount_net), of(row.amounts.amount_paid));
            let refunded = of(row.amounts.amount_refunded);
            let expected = money(row.expected_amount, row.expected_currency.as_deref());
            [
                row.id,
                row.status,
                or_dash(row.hold),
                or_dash(expected),
                net,
                paid,
                refunded,
                millisecond(row.updated_at),
            ]
        }),
    )
}
