//! The bytes, key and headers of what only the database still has.
//!
//! *Invariant:* statements only select. A dead letter that kept its record's key and headers gives
//! them back as they were; a ledger row gives its columns.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Binary, Bool, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use rdkafka::message::{Header, OwnedHeaders};
use shared::kafka::headers::RecordHeaders;

use super::candidate::hash_of;
use super::record::Stored;
use crate::failure::Failure;
use crate::ledger::rows;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Bool)]
    observation: bool,
    #[diesel(sql_type = Nullable<Text>)]
    event_type: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    account: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    created: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    booking_id: Option<String>,
    #[diesel(sql_type = Binary)]
    payload: Vec<u8>,
    #[diesel(sql_type = Nullable<Text>)]
    signature: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    verified_by: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    received_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    key: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    headers: Option<String>,
}

/// A ledger row by its id; where it is dead, with the key and headers that its dead letter kept
/// for the same bytes. What has no ledger row is a dead letter alone.
const STORED: &str = "
    SELECT e.id AS subject, e.record_kind = 'observation' AS observation,
           nullif(e.type, 'unknown') AS event_type, e.account, e.created, e.booking_id, e.payload,
           e.signature, e.verified_by, e.received_at, d.key, d.headers::text AS headers
    FROM events e
    LEFT JOIN dead_letters d ON e.disposition = 'dead' AND d.event_id = e.id
         AND d.payload_sha256 = e.payload_sha256
    WHERE e.id = ANY($1) AND e.payload_removed_at IS NULL
    UNION ALL
    SELECT coalesce(d.event_id, 'sha256:' || encode(d.payload_sha256, 'hex')), false,
           nullif(d.event_type, 'unknown'), NULL, NULL, d.booking_id, d.payload,
           NULL, NULL, coalesce(d.record_timestamp, d.first_failed_at), d.key, d.headers::text
    FROM dead_letters d
    WHERE d.payload_removed_by IS NULL AND (
          (d.event_id = ANY($1) AND NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id))
          OR (d.event_id IS NULL AND d.payload_sha256 = ANY($2)))";

/// What is stored of these subjects, with the subject; those that are gone are left out.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn stored(
    connection: &mut PgConnection,
    subjects: &[&str],
) -> Result<Vec<(String, Stored)>, Failure> {
    let hashes: Vec<Vec<u8>> = subjects.iter().filter_map(|it| hash_of(it)).collect();
    let ids: Vec<&str> = subjects
        .iter()
        .copied()
        .filter(|subject| hash_of(subject).is_none())
        .collect();
    let query = sql_query(STORED)
        .bind::<Array<Text>, _>(&ids)
        .bind::<Array<Binary>, _>(&hashes);
    let found: Vec<Row> = rows(connection, "the stored bytes", query)?;
    Ok(found.into_iter().map(of_row).collect())
}

fn of_row(row: Row) -> (String, Stored) {
    let id = match hash_of(&row.subject) {
        Some(_) => String::new(),
        None => row.subject.clone(),
    };
    let stored = Stored {
        id,
        observation: row.observation,
        event_type: row.event_type,
        account: row.account,
        created: row.created,
        booking_id: row.booking_id,
        payload: row.payload,
        signature: row.signature,
        verified_by: row.verified_by,
        received_at: row.received_at,
        key: row.key,
        headers: row.headers.as_deref().and_then(headers),
    };
    (row.subject, stored)
}

/// Pairs of name and hex value, as kept with a dead letter; none: none were kept.
fn headers(json: &str) -> Option<RecordHeaders> {
    let pairs: Vec<(String, Option<String>)> = serde_json::from_str(json).ok()?;
    if pairs.is_empty() {
        return None;
    }
    let kept = pairs.iter().fold(OwnedHeaders::new(), |kept, (key, hex)| {
        let value = hex.as_deref().and_then(bytes);
        kept.insert(Header {
            key,
            value: value.as_deref(),
        })
    });
    Some(RecordHeaders::from_kafka(&kept))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_headers_are_read_and_none_are_none() {
        let read = headers(r#"[["ce_id","6576745f31"],["x-verified-by",null],["x-odd","zz"]]"#);
        assert!(read.is_some_and(|it| it.ce_id == "evt_1" && it.verified_by.is_none()));
        assert!(headers("[]").is_none());
        assert!(headers("{}").is_none());
    }
}
