//! Ledger rows, read again by today's rules, a page at a time.
//!
//! Invariant: only what was applied is read (`applied`, `no_change`): an ignored event is not
//! ours, a parked one has not happened yet, a dead one could not be read. An event whose payload
//! was removed is read from the row that was kept instead of it, so a rebuild says the same.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};

use super::ties::split;
use crate::envelope::{self, Malformed};
use crate::folding::graph::Key;
use crate::folding::rebuild::LedgerReading;
use crate::folding::{KeptReading, read_event, read_observation};
use crate::ids::AccountId;
use crate::routing::{observation_key, record_key};

/// Rows that are in memory with their payloads at a time.
const PAGE: i64 = 500;

/// One ledger row.
#[derive(Debug, diesel::QueryableByName)]
pub struct LedgerRow {
    /// Event or observation id.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// Its second.
    #[diesel(sql_type = Timestamptz)]
    pub created: DateTime<Utc>,
    /// `event` or `observation`.
    #[diesel(sql_type = Text)]
    pub record_kind: String,
    /// Connected account; empty: ours.
    #[diesel(sql_type = Text)]
    pub account: String,
    /// The object, as it was understood when the row was written.
    #[diesel(sql_type = Text)]
    pub object_id: String,
    /// Exact bytes; empty once the payload was removed.
    #[diesel(sql_type = Binary)]
    pub payload: Vec<u8>,
    /// The reading that was kept instead of the payload, as JSON; none: the payload is there.
    #[diesel(sql_type = Nullable<Text>)]
    pub reading: Option<String>,
    /// The record's key, where the payload was removed.
    #[diesel(sql_type = Nullable<Text>)]
    pub kept_key: Option<String>,
}

impl LedgerRow {
    /// What it says: the payload by today's rules, or the reading that was kept.
    ///
    /// # Errors
    /// [`Malformed`]: today's rules refuse what could be read once.
    pub fn read(&self) -> Result<LedgerReading, Malformed> {
        let at = self.created.timestamp();
        let reading = match &self.reading {
            Some(kept) => serde_json::from_str::<KeptReading>(kept)
                .map_err(Malformed::from_json)?
                .into(),
            None if self.record_kind == "observation" => {
                read_observation(&envelope::decode_observation(&self.payload)?, &self.id, at)
            }
            None => read_event(&envelope::decode(&self.payload)?),
        };
        Ok(LedgerReading {
            account: self.account.clone(),
            source_id: self.id.clone(),
            at,
            reading,
        })
    }

    /// The key that a record with these bytes goes under.
    #[must_use]
    pub fn record_key(&self) -> String {
        if let Some(kept) = &self.kept_key {
            return kept.clone();
        }
        if self.record_kind == "observation"
            && let Ok(observed) = envelope::decode_observation(&self.payload)
        {
            let account = AccountId::parse(&self.account).ok();
            return observation_key(account.as_ref(), &observed)
                .as_str()
                .to_owned();
        }
        let decoded = envelope::decode(&self.payload);
        record_key(&self.payload, decoded.as_ref())
            .as_str()
            .to_owned()
    }
}

/// Reads the applied rows of these objects that are not among `known` (by id), in the order of
/// their time, and gives each to `visit`.
///
/// # Errors
/// diesel's as `E`, and `visit`'s own, which ends the reading.
pub fn each_of_objects<E: From<diesel::result::Error>>(
    conn: &mut PgConnection,
    keys: &[Key],
    known: &BTreeMap<String, DateTime<Utc>>,
    mut visit: impl FnMut(LedgerRow) -> Result<(), E>,
) -> Result<(), E> {
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    // No `created` lies before 1970, and no id is empty: the first page begins before all rows.
    let mut after = (DateTime::<Utc>::UNIX_EPOCH, String::new());
    loop {
        let rows = page(conn, keys, &known, (after.0, &after.1))?;
        let full = i64::try_from(rows.len()).is_ok_and(|read| read >= PAGE);
        if let Some(last) = rows.last() {
            after = (last.created, last.id.clone());
        }
        for row in rows {
            visit(row)?;
        }
        if !full {
            return Ok(());
        }
    }
}

fn page(
    conn: &mut PgConnection,
    keys: &[Key],
    known: &[&str],
    (created, id): (DateTime<Utc>, &str),
) -> QueryResult<Vec<LedgerRow>> {
    let (accounts, ids) = split(keys);
    sql_query(
        "SELECT l.* FROM ( \
           SELECT e.id, e.created, e.record_kind, k.account, e.object_id, e.payload, \
             NULL AS reading, NULL AS kept_key \
           FROM UNNEST($1, $2) AS k (account, id) \
             JOIN events e ON e.object_id = k.id AND coalesce(e.account, '') = k.account \
           WHERE e.disposition IN ('applied', 'no_change') AND e.payload_removed_at IS NULL \
             AND (e.created, e.id) > ($3, $4) \
           UNION ALL \
           SELECT r.event_id, r.created, r.record_kind, r.account, r.object_id, ''::bytea, \
             r.reading::text, r.record_key \
           FROM UNNEST($1, $2) AS k (account, id) \
             JOIN event_readings r ON r.object_id = k.id AND r.account = k.account \
           WHERE (r.created, r.event_id) > ($3, $4) \
         ) l \
         WHERE NOT EXISTS (SELECT FROM UNNEST($5) AS n (id) WHERE n.id = l.id) \
         ORDER BY l.created, l.id LIMIT $6",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .bind::<Timestamptz, _>(created)
    .bind::<Text, _>(id)
    .bind::<Array<Text>, _>(known)
    .bind::<BigInt, _>(PAGE)
    .load(conn)
}

/// The rows with these ids, whatever became of them, where they still have their payload.
///
/// # Errors
/// diesel's.
pub fn rows_of(conn: &mut PgConnection, ids: &[&str]) -> QueryResult<Vec<LedgerRow>> {
    sql_query(
        "SELECT e.id, e.created, e.record_kind, coalesce(e.account, '') AS account, \
           coalesce(e.object_id, '') AS object_id, e.payload, NULL AS reading, NULL AS kept_key \
         FROM events e WHERE e.id = ANY ($1) AND e.payload_removed_at IS NULL",
    )
    .bind::<Array<Text>, _>(ids)
    .load(conn)
}

/// Those of these ids that the ledger does not have at all.
///
/// # Errors
/// diesel's.
pub fn absent(conn: &mut PgConnection, ids: &[&str]) -> QueryResult<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT n.id FROM UNNEST($1) AS n (id) \
         WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = n.id) \
           AND NOT EXISTS (SELECT FROM retired_ids r WHERE r.id = n.id) ORDER BY 1",
    )
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The key of each of these objects' latest applied record, where it has one.
///
/// # Errors
/// diesel's.
pub fn record_keys(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<BTreeMap<Key, String>> {
    let (accounts, ids) = split(keys);
    let rows: Vec<LedgerRow> = sql_query(
        "SELECT l.id, l.created, l.record_kind, k.account, l.object_id, l.payload, \
           l.reading, l.kept_key \
         FROM UNNEST($1, $2) AS k (account, id) CROSS JOIN LATERAL ( \
           (SELECT e.id, e.created, e.record_kind, e.object_id, e.payload, \
              NULL AS reading, NULL AS kept_key FROM events e \
            WHERE e.object_id = k.id AND coalesce(e.account, '') = k.account \
              AND e.disposition IN ('applied', 'no_change') AND e.payload_removed_at IS NULL \
            ORDER BY e.created DESC, e.id DESC LIMIT 1) \
           UNION ALL \
           (SELECT r.event_id, r.created, r.record_kind, r.object_id, ''::bytea, r.reading::text, r.record_key \
            FROM event_readings r WHERE r.object_id = k.id AND r.account = k.account \
            ORDER BY r.created DESC, r.event_id DESC LIMIT 1) \
           ORDER BY created DESC, id DESC LIMIT 1 \
         ) l",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let record_key = row.record_key();
            let key = Key {
                account: row.account,
                id: row.object_id,
            };
            (key, record_key)
        })
        .collect())
}
