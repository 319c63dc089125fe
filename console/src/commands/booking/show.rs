//! `bookend booking show`: a booking's state and every event with its effect, in order.

use serde::Serialize;
use shared::ids::BookingId;

use super::describe::describe;
use crate::args::Global;
use crate::database::read;
use crate::failure::Failure;
use crate::history::{self, Step};
use crate::ledger::MOST_ROWS;
use crate::ledger::amounts::{self, CurrencyRow};
use crate::ledger::booking::{self, BookingRow, Registration};
use crate::ledger::decision::{self, Amendment};
use crate::ledger::event::{self, DeadLetter};
use crate::ledger::finding::{self, FindingRow};
use crate::ledger::object::{self, ObjectRow, Refetch};
use crate::ledger::parked::{self, ParkedRow};
use crate::ledger::share::{self, ShareRow};
use crate::output::{self, Form};

/// Everything that tells why a booking is as it is. Without `booking` it is registered but not
/// folded yet, or only dead letters name it.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) booking: Option<BookingRow>,
    pub(super) registration: Option<Registration>,
    /// The operator's decision about the expected amount that holds.
    pub(super) amendment: Option<Amendment>,
    /// Every currency, the booking's own first; nothing is added across currencies.
    pub(super) currencies: Vec<CurrencyRow>,
    /// Its part of each payment.
    pub(super) shares: Vec<ShareRow>,
    /// Open ones.
    pub(super) findings: Vec<FindingRow>,
    pub(super) objects: Vec<ObjectRow>,
    pub(super) refetches: Vec<Refetch>,
    pub(super) dead_letters: Vec<DeadLetter>,
    /// The queue of a held booking, in order; the first is its head.
    pub(super) parked: Vec<ParkedRow>,
    pub(super) history: Vec<Step>,
    /// True when the booking has more events than are shown.
    pub(super) truncated: bool,
}

pub(super) fn run(global: &Global, id: &BookingId) -> Result<(), Failure> {
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
    let own = booking.as_ref().and_then(|row| row.currency.clone());
    Ok(Shown {
        id: id.as_str().to_owned(),
        booking,
        registration,
        amendment: decision::amendment(db, id.as_str())?,
        currencies: amounts::by_currency(db, id.as_str(), own.as_deref())?,
        shares: share::of_booking(db, id.as_str())?,
        findings: finding::open_of_booking(db, id.as_str())?,
        objects: object::of_booking(db, id.as_str())?,
        refetches: object::refetches(db, id.as_str())?,
        parked: parked::queue(db, id.as_str())?,
        history: history::merge(events, transitions, &dead_letters),
        dead_letters,
        truncated,
    })
}
