//! The verdict: compares the database with the truth of the fake Stripe.
//!
//! Everything is compared, and every difference has a sentence of its own.

mod bookings;
mod faults;
mod ledger;

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;

use crate::stripe::{Delivery, Truth};
use bookings::{BookingRow, OtherCurrency};
pub use faults::unseen;
use ledger::LedgerRow;

#[derive(Debug, QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// What the database holds, read in one go.
#[derive(Debug)]
pub struct Held {
    ledger: BTreeMap<String, LedgerRow>,
    bookings: BTreeMap<String, BookingRow>,
    other_currencies: Vec<OtherCurrency>,
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
        let bookings: Vec<BookingRow> =
            sql_query("SELECT * FROM bookings").load(&mut connection)?;
        let other_currencies: Vec<OtherCurrency> = sql_query(
            "SELECT a.* FROM booking_amounts a JOIN bookings b ON b.id = a.booking_id \
             WHERE a.currency <> b.currency",
        )
        .load(&mut connection)?;
        let dead: Number =
            sql_query("SELECT count(*) AS n FROM dead_letters").get_result(&mut connection)?;
        Ok(Self {
            dead_letters: dead.n,
            other_currencies,
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
    bookings::compare(&held.bookings, &held.other_currencies, truth, &mut found);
    if held.dead_letters > 0 {
        found.push(format!(
            "{} dead letter(s), though nothing was poison",
            held.dead_letters
        ));
    }
    ledger::compare(&held.ledger, deliveries, &mut found);
    found
}
