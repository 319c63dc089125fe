//! `bookend parked release | skip`: commands for the processor, under the key of the queue's head,
//! so that they are ordered with its events.

use diesel::pg::PgConnection;
use serde::Serialize;
use serde_json::json;
use shared::commands::Wish;

use super::table;
use crate::action::{Action, Deed, Outgoing, Step, act};
use crate::args::{Global, ParkedRelease, ParkedSkip};
use crate::database::Writer;
use crate::failure::Failure;
use crate::ledger::parked::{self, QueueRow, Which};

/// Most queues of one action.
const MOST: i64 = 10_000;
/// Commands a second.
const RATE: u32 = 100;

#[derive(Serialize)]
#[serde(transparent)]
struct Released(QueueRow);

#[derive(Serialize)]
#[serde(transparent)]
struct Skipped(QueueRow);

pub(super) fn release(global: &Global, args: &ParkedRelease) -> Result<(), Failure> {
    let deed = Deed {
        verb: "parked release",
        request: json!({
            "bookings": args.bookings, "all": args.all, "reason_kind": args.reason_kind,
        }),
        writing: &args.writing,
        log: &args.log,
        rate: RATE,
    };
    act(global, &deed, |db| {
        let which = Which {
            names: (!args.all).then_some(args.bookings.as_slice()),
            kind: args.reason_kind.as_deref(),
        };
        let rows = queues(db, &which)?;
        for missing in args
            .bookings
            .iter()
            .filter(|name| rows.iter().all(|row| row.booking_id != **name))
        {
            let missing = crate::text::printable(missing);
            eprintln!("bookend: nothing of {missing} is parked");
        }
        Ok(rows.into_iter().map(Released).collect())
    })
}

pub(super) fn skip(global: &Global, args: &ParkedSkip) -> Result<(), Failure> {
    let expected = args.event.as_ref().map(ToString::to_string);
    let deed = Deed {
        verb: "parked skip",
        request: json!({"booking": args.booking, "event": expected}),
        writing: &args.writing,
        log: &args.log,
        rate: RATE,
    };
    act(global, &deed, |db| {
        let which = Which {
            names: Some(std::slice::from_ref(&args.booking)),
            kind: None,
        };
        let rows = queues(db, &which)?;
        if let (Some(expected), Some(row)) = (&expected, rows.first())
            && row.event_id != *expected
        {
            return Err(Failure::Precondition {
                what: format!(
                    "the plan has changed: the head is {} instead of {expected}; nothing was done",
                    row.event_id
                ),
            });
        }
        Ok(rows.into_iter().map(Skipped).collect())
    })
}

/// At least one.
fn queues(db: &mut PgConnection, which: &Which<'_>) -> Result<Vec<QueueRow>, Failure> {
    let rows = parked::queues(db, which, MOST)?;
    if rows.is_empty() {
        return Err(Failure::NothingMatched {
            what: "nothing of that is parked".to_owned(),
        });
    }
    Ok(rows)
}

impl Step for Released {
    fn subject(&self) -> String {
        self.0.booking_id.clone()
    }

    fn table(rows: &[Self]) -> String {
        table(&rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>())
    }

    fn outgoing(&self, _writer: &mut Writer, action: &Action) -> Result<Outgoing, Failure> {
        let booking_id = self.0.booking_id.clone();
        Outgoing::command(action, &self.0.key, Wish::Release { booking_id })
    }
}

impl Step for Skipped {
    fn subject(&self) -> String {
        self.0.booking_id.clone()
    }

    fn table(rows: &[Self]) -> String {
        table(&rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>())
    }

    fn outgoing(&self, _writer: &mut Writer, action: &Action) -> Result<Outgoing, Failure> {
        let wish = Wish::Skip {
            booking_id: self.0.booking_id.clone(),
            event_id: self.0.event_id.clone(),
        };
        Outgoing::command(action, &self.0.key, wish)
    }
}
