//! `bookend parked list | show | release | skip`.

mod wishes;

use serde::Serialize;

use super::{millisecond, second, up_to};
use crate::args::{Global, ParkedCommand, ParkedList};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::page::More;
use crate::ledger::parked::{self, MAX_WAITING, ParkedRow, QueueRow};
use crate::output::{self, Form, columns, or_dash};

pub(crate) fn run(global: &Global, command: ParkedCommand) -> Result<(), Failure> {
    match command {
        ParkedCommand::List(filter) => list(global, &filter),
        ParkedCommand::Show { booking } => show(global, &booking),
        ParkedCommand::Release(args) => wishes::release(global, &args),
        ParkedCommand::Skip(args) => wishes::skip(global, &args),
    }
}

#[derive(Serialize)]
struct Listed {
    queues: Vec<QueueRow>,
    #[serde(flatten)]
    more: More,
}

fn list(global: &Global, filter: &ParkedList) -> Result<(), Failure> {
    let page = read(global.timeout, "parked_list", |db| parked::list(db, filter))?;
    let (queues, more) = page.report("no queue fits all filters")?;
    match global.output {
        Form::Json => output::json(&Listed { queues, more }),
        Form::Table => output::text(&table(&queues)),
    }
}

/// Queues for people.
fn table(rows: &[QueueRow]) -> String {
    columns(
        [
            "BOOKING", "HEAD", "CLASS", "KIND", "ATTEMPTS", "NEXT", "WAITING", "OLDEST", "ERROR",
        ],
        rows.iter().map(|row| {
            [
                row.booking_id.clone(),
                row.event_id.clone(),
                or_dash(row.error_class.clone()),
                or_dash(row.error_kind.clone()),
                row.attempts.to_string(),
                next(row.gave_up_at.is_some(), row.next_attempt_at),
                up_to(row.waiting, MAX_WAITING),
                millisecond(row.oldest),
                or_dash(row.error.clone()),
            ]
        }),
    )
}

fn next(gave_up: bool, at: chrono::DateTime<chrono::Utc>) -> String {
    if gave_up {
        "given up".to_owned()
    } else {
        millisecond(at)
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    booking_id: &'a str,
    events: Vec<ParkedRow>,
}

fn show(global: &Global, booking: &str) -> Result<(), Failure> {
    let events = read(global.timeout, "parked_show", |db| {
        parked::queue(db, booking)
    })?;
    if events.is_empty() {
        return Err(Failure::NothingMatched {
            what: format!("nothing of {booking} is parked"),
        });
    }
    match global.output {
        Form::Json => output::json(&Shown {
            booking_id: booking,
            events,
        }),
        Form::Table => output::text(&queue_table(&events)),
    }
}

/// A queue for people, the head first.
pub(super) fn queue_table(events: &[ParkedRow]) -> String {
    columns(
        [
            "PARKED EVENT",
            "CREATED",
            "RECORD",
            "PARKED",
            "ATTEMPTS",
            "NEXT",
            "KIND",
            "ERROR",
        ],
        events.iter().enumerate().map(|(place, row)| {
            let next = if place == 0 {
                next(row.gave_up_at.is_some(), row.next_attempt_at)
            } else {
                "behind".to_owned()
            };
            [
                row.event_id.clone(),
                second(row.created),
                format!("{}/{}/{}", row.topic, row.partition, row.offset),
                millisecond(row.parked_at),
                row.attempts.to_string(),
                next,
                or_dash(row.error_kind.clone()),
                or_dash(row.error.clone()),
            ]
        }),
    )
}
