//! `bookend booking list`.

use serde::Serialize;

use super::super::{millisecond, money};
use crate::args::{BookingList, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::booking::{self, BookingRow};
use crate::output::{self, Form, columns, or_dash};

#[derive(Serialize)]
struct Listed {
    bookings: Vec<BookingRow>,
}

pub(super) fn run(global: &Global, filter: &BookingList) -> Result<(), Failure> {
    let bookings = read(global.timeout, "booking_list", |db| {
        booking::list(db, filter)
    })?;
    let Some(last) = bookings.last() else {
        return Err(Failure::NothingMatched {
            what: "no booking fits all filters".to_owned(),
        });
    };
    if bookings.len() >= usize::from(filter.limit) {
        let last = crate::text::printable(&last.id);
        eprintln!("bookend: --limit is reached, there may be more: --after {last}");
    }
    match global.output {
        Form::Json => output::json(&Listed { bookings }),
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
