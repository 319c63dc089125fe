//! The ledger against the deliveries.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::stripe::Delivery;

#[derive(Debug, QueryableByName)]
pub(super) struct LedgerRow {
    #[diesel(sql_type = Text)]
    pub(super) id: String,
    #[diesel(sql_type = Text)]
    pub(super) source: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) verified_by: Option<String>,
    #[diesel(sql_type = Text)]
    pub(super) disposition: String,
    #[diesel(sql_type = BigInt)]
    copies: i64,
    #[diesel(sql_type = Bool)]
    stamped: bool,
}

/// Adds a sentence for each event that is missing, invented, doubled or not applied.
pub(super) fn compare(
    ledger: &BTreeMap<String, LedgerRow>,
    deliveries: &[Delivery],
    found: &mut Vec<String>,
) {
    let made: BTreeSet<&str> = deliveries.iter().map(|one| one.event.as_str()).collect();
    for id in ledger.keys().filter(|id| !made.contains(id.as_str())) {
        found.push(format!("event {id} was invented"));
    }
    for delivery in deliveries {
        let row = ledger.get(&delivery.event);
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
}
