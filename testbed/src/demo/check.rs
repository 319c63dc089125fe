//! The verdict: what the database holds against what the fake Stripe knows to be true.
//!
//! Everything is compared, and every difference has a sentence of its own.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::stripe::Truth;
use crate::stripe::{Delivery, Stats};

#[derive(Debug, QueryableByName)]
struct LedgerRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Nullable<Text>)]
    verified_by: Option<String>,
    #[diesel(sql_type = Text)]
    disposition: String,
    #[diesel(sql_type = BigInt)]
    copies: i64,
    #[diesel(sql_type = Bool)]
    stamped: bool,
}

#[derive(Debug, QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(Debug, QueryableByName)]
struct BookingRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    currency: Option<String>,
    #[diesel(sql_type = BigInt)]
    amount_paid: i64,
    #[diesel(sql_type = BigInt)]
    amount_refunded: i64,
    #[diesel(sql_type = Nullable<Text>)]
    hold: Option<String>,
}

/// What the database holds, read in one go.
#[derive(Debug)]
pub struct Held {
    ledger: BTreeMap<String, LedgerRow>,
    bookings: BTreeMap<String, BookingRow>,
    dead_letters: i64,
}

/// Faults that must really have been seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Before and after the kill.
    pub ingestor_pids: (i32, i32),
    /// Before and after the kill.
    pub processor_pids: (i32, i32),
    /// Transactions of the processor that were open when it was killed.
    pub open_transactions: i64,
    /// Answers of 200 while the database was down.
    pub answered_while_down: u64,
}

impl Held {
    /// Reads ledger and bookings.
    ///
    /// # Errors
    /// The database's.
    pub fn read(url: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::establish(url)?;
        let ledger: Vec<LedgerRow> = sql_query(
            "SELECT id, min(source) AS source, min(verified_by) AS verified_by, \
               min(disposition) AS disposition, count(*) AS copies, \
               bool_and(applied_at IS NOT NULL) AS stamped \
             FROM events WHERE record_kind = 'event' GROUP BY id",
        )
        .load(&mut connection)?;
        let bookings: Vec<BookingRow> = sql_query(
            "SELECT id, status, currency, amount_paid, amount_refunded, hold FROM bookings",
        )
        .load(&mut connection)?;
        let dead: Number =
            sql_query("SELECT count(*) AS n FROM dead_letters").get_result(&mut connection)?;
        Ok(Self {
            dead_letters: dead.n,
            ledger: ledger
                .into_iter()
                .map(|row| (row.id.clone(), row))
                .collect(),
            bookings: bookings
                .into_iter()
                .map(|row| (row.id.clone(), row))
                .collect(),
        })
    }

    /// Rows by disposition.
    #[must_use]
    pub fn by_disposition(&self) -> BTreeMap<String, u64> {
        count(self.ledger.values().map(|row| row.disposition.clone()))
    }

    /// Bookings by status.
    #[must_use]
    pub fn by_status(&self) -> BTreeMap<String, u64> {
        count(self.bookings.values().map(|row| row.status.clone()))
    }

    /// Events that only the reconciler brought.
    #[must_use]
    pub fn found_by_reconciler(&self) -> usize {
        self.ledger
            .values()
            .filter(|row| row.source == "reconciler")
            .count()
    }

    /// Rows verified by the secret of this name.
    #[must_use]
    pub fn verified_by(&self, name: &str) -> usize {
        self.ledger
            .values()
            .filter(|row| row.verified_by.as_deref() == Some(name))
            .count()
    }
}

fn count(labels: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for label in labels {
        *counts.entry(label).or_default() += 1;
    }
    counts
}

/// Every difference between what is held and what is true; empty: all is right.
#[must_use]
pub fn differences(held: &Held, truth: &Truth, deliveries: &[Delivery]) -> Vec<String> {
    let mut found = Vec::new();
    for (id, want) in &truth.bookings {
        let Some(have) = held.bookings.get(id) else {
            found.push(format!(
                "booking {id} is missing; it should be {}",
                want.status
            ));
            continue;
        };
        let paid = want.amount_paid > 0;
        let same = have.status == want.status
            && have.amount_paid == want.amount_paid
            && have.amount_refunded == want.amount_refunded
            && (!paid || have.currency.as_deref() == Some(want.currency.as_str()))
            && have.hold.is_none();
        if !same {
            found.push(format!(
                "booking {id} ({:?}) is {} {} −{} {:?} hold {:?}; true is {} {} −{} {}",
                want.story,
                have.status,
                have.amount_paid,
                have.amount_refunded,
                have.currency,
                have.hold,
                want.status,
                want.amount_paid,
                want.amount_refunded,
                want.currency,
            ));
        }
    }
    for id in held
        .bookings
        .keys()
        .filter(|id| !truth.bookings.contains_key(*id))
    {
        found.push(format!("booking {id} was invented"));
    }
    if held.dead_letters > 0 {
        found.push(format!(
            "{} dead letter(s), though nothing was poison",
            held.dead_letters
        ));
    }
    let made: BTreeSet<&str> = deliveries.iter().map(|one| one.event.as_str()).collect();
    for id in held.ledger.keys().filter(|id| !made.contains(id.as_str())) {
        found.push(format!("event {id} was invented"));
    }
    for delivery in deliveries {
        let row = held.ledger.get(&delivery.event);
        match row {
            None if delivery.fate.lost => found.push(format!(
                "event {} was lost on the way and not found again",
                delivery.event
            )),
            None if delivery.accepted > 0 => found.push(format!(
                "event {} was answered 200 and is not in the ledger",
                delivery.event
            )),
            None => found.push(format!("event {} is not in the ledger", delivery.event)),
            Some(row) if row.copies != 1 => found.push(format!(
                "event {} is in the ledger {} times",
                delivery.event, row.copies
            )),
            Some(row) if delivery.fate.lost && row.source != "reconciler" => {
                found.push(format!(
                    "event {} was lost, yet came by {}",
                    delivery.event, row.source
                ));
            }
            Some(row) if !matches!(row.disposition.as_str(), "applied" | "no_change") => {
                found.push(format!("event {} is {}", delivery.event, row.disposition));
            }
            Some(row) if !row.stamped => {
                found.push(format!("event {} has no applied_at", delivery.event));
            }
            Some(_) => {}
        }
    }
    found
}

/// Every fault that the day should have had and had not; empty: all were seen.
#[must_use]
pub fn unseen(held: &Held, stats: &Stats, seen: &Seen) -> Vec<String> {
    let facts = [
        (
            stats.events >= 3_000,
            format!("only {} events happened", stats.events),
        ),
        (
            stats.types >= 12,
            format!("only {} types of events", stats.types),
        ),
        (stats.lost > 0, "no event was lost".to_owned()),
        (stats.duplicated > 0, "no event was duplicated".to_owned()),
        (stats.reordered > 0, "no event was reordered".to_owned()),
        (
            stats.illegal_steps == 0,
            format!("the fake took {} illegal steps", stats.illegal_steps),
        ),
        (
            is_replaced(seen.ingestor_pids),
            "the ingestor was not killed".to_owned(),
        ),
        (
            is_replaced(seen.processor_pids),
            "the processor was not killed".to_owned(),
        ),
        (
            seen.open_transactions > 0,
            "the processor had no open transaction when it was killed".to_owned(),
        ),
        (
            seen.answered_while_down >= 100,
            format!(
                "only {} answers of 200 while the database was down",
                seen.answered_while_down
            ),
        ),
        (
            held.verified_by("new") > 0,
            "no request was verified by the new secret".to_owned(),
        ),
        (
            held.verified_by("first") > 0,
            "no request was verified by the first secret".to_owned(),
        ),
    ];
    facts
        .into_iter()
        .filter(|(fine, _)| !fine)
        .map(|(_, what)| what)
        .collect()
}

fn is_replaced((before, after): (i32, i32)) -> bool {
    before > 0 && after > 0 && before != after
}
