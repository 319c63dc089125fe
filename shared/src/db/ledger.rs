//! Ledger rows, read again by today's rules, a page at a time.
//!
//! Invariant: only what was applied is read (`applied`, `no_change`): an ignored event is not
//! ours, a parked one has not happened yet, a dead one could not be read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};

use super::ties::split;
use crate::envelope::{self, Malformed};
use crate::folding::graph::Key;
use crate::folding::rebuild::LedgerReading;
use crate::folding::{read_event, read_observation};
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
    /// Exact bytes.
    #[diesel(sql_type = Binary)]
    pub payload: Vec<u8>,
}

impl LedgerRow {
    /// What it says, by today's rules.
    ///
    /// # Errors
    /// [`Malformed`]: today's rules refuse what could be read once.
    pub fn read(&self) -> Result<LedgerReading, Malformed> {
        let at = self.created.timestamp();
        let reading = if self.record_kind == "observation" {
            read_observation(&envelope::decode_observation(&self.payload)?, &self.id, at)
        } else {
            read_event(&envelope::decode(&self.payload)?)
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
        "SELECT e.id, e.created, e.record_kind, k.account, e.object_id, e.payload \
         FROM UNNEST($1, $2) AS k (account, id) \
           JOIN events e ON e.object_id = k.id AND coalesce(e.account, '') = k.account \
         WHERE e.disposition IN ('applied', 'no_change') AND (e.created, e.id) > ($3, $4) \
           AND NOT EXISTS (SELECT FROM UNNEST($5) AS n (id) WHERE n.id = e.id) \
         ORDER BY e.created, e.id LIMIT $6",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .bind::<Timestamptz, _>(created)
    .bind::<Text, _>(id)
    .bind::<Array<Text>, _>(known)
    .bind::<BigInt, _>(PAGE)
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
         WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = n.id) ORDER BY 1",
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
        "SELECT l.id, l.created, l.record_kind, k.account, l.object_id, l.payload \
         FROM UNNEST($1, $2) AS k (account, id) CROSS JOIN LATERAL ( \
           SELECT e.id, e.created, e.record_kind, e.object_id, e.payload FROM events e \
           WHERE e.object_id = k.id AND coalesce(e.account, '') = k.account \
             AND e.disposition IN ('applied', 'no_change') \
           ORDER BY e.created DESC, e.id DESC LIMIT 1 \
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
