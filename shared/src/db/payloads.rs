//! Payloads that leave the ledger, and the readings that stay instead of them.
//!
//! Invariant: an applied event loses its payload only in the transaction that keeps its reading, so
//! a rebuild says the same before and after. Only the database's `remove_payloads()` blanks bytes;
//! hash, signature and times stay.
//!
//! Deliberately absent: which payloads go, and when.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};

use super::ledger::LedgerRow;
use crate::folding::{FOLD_VERSION, KeptReading, Reading};

/// `removed_by` of what retention removes.
pub const BY_RETENTION: &str = "retention";

/// An applied event that today's rules cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Its payload stays: retention removes nothing that it does not understand.
    Keep,
    /// Its payload goes, and it says nothing any more: a person's data goes whatever it is.
    KeepNothing,
}

/// What is kept of a row, as JSON; `None`: it must keep its payload.
fn kept(row: &LedgerRow, unreadable: Unreadable) -> Option<String> {
    let reading = match (row.read(), unreadable) {
        (Ok(said), Unreadable::Keep | Unreadable::KeepNothing) => said.reading,
        (Err(_malformed), Unreadable::KeepNothing) => Reading::default(),
        (Err(_malformed), Unreadable::Keep) => return None,
    };
    serde_json::to_string(&KeptReading::from(reading)).ok()
}

/// Removes the payloads of these rows, in one statement; returns the ids of those that lost theirs.
/// A row that the database finds too young, parked or an open dead letter keeps its payload.
///
/// # Errors
/// diesel's; a violated `payloads_removed_by_somebody`: `removed_by` is neither retention nor a
/// running erasure.
pub fn remove(
    conn: &mut PgConnection,
    rows: &[LedgerRow],
    removed_by: &str,
    unreadable: Unreadable,
) -> QueryResult<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Removed {
        #[diesel(sql_type = Text)]
        id: String,
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let seconds: Vec<_> = rows.iter().map(|row| row.created).collect();
    let readings: Vec<_> = rows.iter().map(|row| kept(row, unreadable)).collect();
    let keys: Vec<_> = rows.iter().map(LedgerRow::record_key).collect();
    let removed: Vec<Removed> = sql_query("SELECT id FROM remove_payloads($1, $2, $3, $4, $5, $6)")
        .bind::<Array<Text>, _>(ids)
        .bind::<Array<Timestamptz>, _>(seconds)
        .bind::<Text, _>(removed_by)
        .bind::<Array<Nullable<Text>>, _>(readings)
        .bind::<Array<Text>, _>(keys)
        .bind::<Integer, _>(FOLD_VERSION)
        .load(conn)?;
    Ok(removed.into_iter().map(|row| row.id).collect())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn row(payload: &[u8]) -> LedgerRow {
        LedgerRow {
            id: "evt_1".to_owned(),
            created: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            record_kind: "event".to_owned(),
            account: String::new(),
            object_id: "ch_1".to_owned(),
            payload: payload.to_vec(),
            reading: None,
            kept_key: None,
        }
    }

    const CHARGE: &[u8] = br#"{"id":"evt_1","object":"event","type":"charge.refunded","created":1700000000,
        "livemode":true,"api_version":"2025-03-31.basil","data":{"object":{"object":"charge","id":"ch_1",
        "amount":5000,"amount_captured":5000,"amount_refunded":1000,"captured":true,"currency":"eur",
        "status":"succeeded","paid":true,"payment_intent":"pi_1","metadata":{"booking_id":"bk_1"},
        "billing_details":{"email":"jenny.rosen@example.com","name":"Jenny Rosen"},
        "receipt_email":"jenny.rosen@example.com"},"previous_attributes":{"amount_refunded":0}}}"#;

    #[test]
    fn the_reading_that_is_kept_says_what_the_payload_said_and_names_nobody() {
        let whole = row(CHARGE);
        let json = kept(&whole, Unreadable::Keep).unwrap();
        assert!(!json.contains("Jenny") && !json.contains('@'), "{json}");
        let blank = LedgerRow {
            reading: Some(json),
            kept_key: Some(whole.record_key()),
            ..row(b"")
        };
        let said = whole.read().unwrap();
        assert!(said.reading.object.is_some() && !said.reading.links.is_empty());
        assert_eq!(blank.read().unwrap().reading, said.reading);
        assert_eq!(blank.record_key(), whole.record_key());
    }

    #[test]
    fn an_unreadable_payload_is_kept_by_retention_and_goes_by_erasure() {
        assert_eq!(kept(&row(b"{"), Unreadable::Keep), None);
        let nothing = kept(&row(b"{"), Unreadable::KeepNothing).unwrap();
        let kept: KeptReading = serde_json::from_str(&nothing).unwrap();
        assert_eq!(Reading::from(kept), Reading::default());
    }
}
