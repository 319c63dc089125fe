//! `bookend booking show`: a booking's state and every event with its effect, in order.

use serde::Serialize;
use shared::ids::BookingId;

use super::parked::queue_table;
use super::{millisecond, money, second};
use crate::args::{BookingCommand, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::history::{self, Step};
use crate::ledger::MOST_ROWS;
use crate::ledger::booking::{self, BookingRow, ObjectRow, Refetch, Registration};
use crate::ledger::event::{self, DeadLetter};
use crate::ledger::parked::{self, ParkedRow};
use crate::output::{self, Form, columns, fields, or_dash};

pub(crate) fn run(global: &Global, command: BookingCommand) -> Result<(), Failure> {
    match command {
        BookingCommand::Show { id } => show(global, &id),
    }
}

/// Everything that tells why a booking is as it is. Without `booking` it is registered but not
/// folded yet, or only dead letters name it.
#[derive(Serialize)]
struct Shown {
    id: String,
    booking: Option<BookingRow>,
    registration: Option<Registration>,
    objects: Vec<ObjectRow>,
    refetches: Vec<Refetch>,
    dead_letters: Vec<DeadLetter>,
    /// The queue of a held booking, in order; the first is its head.
    parked: Vec<ParkedRow>,
    history: Vec<Step>,
    /// True when the booking has more events than are shown.
    truncated: bool,
}

fn show(global: &Global, id: &BookingId) -> Result<(), Failure> {
    let shown = read(global.timeout, "booking_show", |db| load(db, id))?;
    if shown.truncated {
        eprintln!("bookend: only the first {MOST_ROWS} events are shown");
    }
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => output::text(&describe(shown)),
    }
}

fn load(db: &mut diesel::pg::PgConnection, id: &BookingId) -> Result<Shown, Failure> {
    let booking = booking::find(db, id.as_str())?;
    let registration = booking::registration(db, id.as_str())?;
    let events = booking::events(db, id.as_str())?;
    let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
    let dead_letters = event::dead_letters(db, &ids, Some(id.as_str()))?;
    if booking.is_none() && registration.is_none() && events.is_empty() && dead_letters.is_empty() {
        return Err(Failure::NothingMatched {
            what: format!("no booking {id}"),
        });
    }
    let truncated = i64::try_from(events.len()).is_ok_and(|shown| shown >= MOST_ROWS);
    let transitions = booking::transitions(db, id.as_str())?;
    Ok(Shown {
        id: id.as_str().to_owned(),
        booking,
        registration,
        objects: booking::objects(db, id.as_str())?,
        refetches: booking::refetches(db, id.as_str())?,
        parked: parked::queue(db, id.as_str())?,
        history: history::merge(events, transitions, &dead_letters),
        dead_letters,
        truncated,
    })
}

fn describe(shown: Shown) -> String {
    let mut text = summary(&shown);
    let Shown {
        objects,
        refetches,
        dead_letters,
        parked,
        history,
        ..
    } = shown;
    section(&mut text, objects, |rows| {
        columns(
            ["OBJECT", "TYPE", "STATUS", "AMOUNT", "SETTLED"],
            rows.into_iter().map(|o| {
                let amount = or_dash(money(o.amount, o.currency.as_deref()));
                [
                    o.id,
                    o.r#type,
                    or_dash(o.status),
                    amount,
                    yes_or_no(o.settled),
                ]
            }),
        )
    });
    section(&mut text, refetches, |rows| {
        columns(
            ["REFETCH OF", "REASON", "STATE", "ASKED", "ANSWER"],
            rows.into_iter().map(|r| {
                let answer = or_dash(r.observation_id.or(r.error));
                [
                    r.object_id,
                    r.reason,
                    r.state,
                    millisecond(r.requested_at),
                    answer,
                ]
            }),
        )
    });
    section(&mut text, dead_letters, |rows| {
        columns(
            ["DEAD LETTER", "EVENT", "STAGE", "STATUS", "ERROR"],
            rows.into_iter().map(|d| {
                [
                    d.id.to_string(),
                    or_dash(d.event_id),
                    d.stage,
                    d.status,
                    d.error,
                ]
            }),
        )
    });
    section(&mut text, parked, |rows| queue_table(&rows));
    section(&mut text, history, |steps| {
        columns(
            ["CREATED", "APPLIED", "EVENT", "TYPE", "SOURCE", "EFFECT"],
            steps.into_iter().map(line),
        )
    });
    text
}

fn summary(shown: &Shown) -> String {
    let mut rows = vec![("booking", Some(shown.id.clone()))];
    match &shown.booking {
        None => rows.push(("status", Some("not folded yet".to_owned()))),
        Some(b) => rows.extend([
            ("status", Some(b.status.clone())),
            ("hold", b.hold.clone()),
            ("account", b.account.clone()),
            ("amount", money(b.amount, b.currency.as_deref())),
            ("paid", money(Some(b.amount_paid), b.currency.as_deref())),
            (
                "refunded",
                money(Some(b.amount_refunded), b.currency.as_deref()),
            ),
            ("version", Some(b.version.to_string())),
            ("updated", Some(millisecond(b.updated_at))),
        ]),
    }
    if let Some(r) = &shown.registration {
        let folded = if r.folded_at.is_some() {
            ""
        } else {
            " (not folded yet)"
        };
        rows.push(("expected", money(Some(r.amount), Some(&r.currency))));
        rows.push((
            "registered",
            Some(format!("{}{folded}", millisecond(r.registered_at))),
        ));
        rows.push(("payment intent", r.payment_intent_id.clone()));
    }
    fields(rows)
}

fn line(step: Step) -> [String; 6] {
    match step.event {
        Some(event) => [
            second(event.created),
            or_dash(event.applied_at.map(millisecond)),
            event.id,
            event.r#type,
            event.source,
            step.effect,
        ],
        None => {
            let cause = step.transitions.into_iter().next();
            let (at, kind, id) = cause.map_or_else(Default::default, |t| {
                (millisecond(t.at), t.cause_kind, t.cause_id)
            });
            ["-".to_owned(), at, id, kind, "-".to_owned(), step.effect]
        }
    }
}

fn section<T>(text: &mut String, rows: Vec<T>, table: impl FnOnce(Vec<T>) -> String) {
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table(rows));
    }
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}
