//! What the ledger holds of a window, and how far the log has been applied.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::diffs::{Disposition, LedgerRow};
use shared::folding::graph::Key;
use shared::ids::{AccountId, EventId};
use shared::windows::Window;

use super::at;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    disposition: String,
    #[diesel(sql_type = Timestamptz)]
    received_at: DateTime<Utc>,
}

impl Row {
    /// `None` for an id that Stripe could not have listed.
    fn read(self) -> Option<LedgerRow> {
        Some(LedgerRow {
            id: EventId::parse(&self.id).ok()?,
            // A word that a newer processor writes is nothing this version can call drift.
            disposition: Disposition::parse(&self.disposition).unwrap_or(Disposition::Applied),
            received_at: self.received_at.timestamp(),
        })
    }
}

/// The compared set: snapshot events of one account and mode, created in the window. Thin events
/// are in another list of Stripe's and carry versioned types (`v1.…`).
pub fn window_rows(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    livemode: bool,
    window: Window,
) -> QueryResult<Vec<LedgerRow>> {
    let rows: Vec<Row> = sql_query(
        "SELECT id, disposition, received_at FROM events \
         WHERE created >= $1 AND created < $2 AND record_kind = 'event' \
           AND account IS NOT DISTINCT FROM $3 AND livemode = $4 AND type !~ '^v[0-9]+[.]'",
    )
    .bind::<Timestamptz, _>(at(window.from()))
    .bind::<Timestamptz, _>(at(window.to()))
    .bind::<Nullable<Text>, _>(account.map(AccountId::as_str))
    .bind::<Bool, _>(livemode)
    .load(connection)?;
    Ok(rows.into_iter().filter_map(Row::read).collect())
}

/// The ids of those rows, the newest `most` of them.
pub fn window_ids(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    livemode: bool,
    window: Window,
    most: i64,
) -> QueryResult<Vec<EventId>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        id: String,
    }
    let rows: Vec<Id> = sql_query(
        "SELECT id FROM events \
         WHERE created >= $1 AND created < $2 AND record_kind = 'event' \
           AND account IS NOT DISTINCT FROM $3 AND livemode = $4 AND type !~ '^v[0-9]+[.]' \
         ORDER BY created DESC LIMIT $5",
    )
    .bind::<Timestamptz, _>(at(window.from()))
    .bind::<Timestamptz, _>(at(window.to()))
    .bind::<Nullable<Text>, _>(account.map(AccountId::as_str))
    .bind::<Bool, _>(livemode)
    .bind::<BigInt, _>(most)
    .load(connection)?;
    Ok(rows
        .iter()
        .filter_map(|row| EventId::parse(&row.id).ok())
        .collect())
}

/// How many of `ids` came by webhook, first or as a copy.
pub fn arrived(connection: &mut PgConnection, ids: &[EventId]) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let ids: Vec<&str> = ids.iter().map(EventId::as_str).collect();
    sql_query(
        "SELECT count(*) AS n FROM events \
         WHERE id = ANY($1) AND (source = 'webhook' OR copies > 0)",
    )
    .bind::<Array<Text>, _>(ids)
    .get_result::<Count>(connection)
    .map(|row| row.n)
}

/// Those of `ids` that the ledger holds, under whatever account, mode or second.
pub fn rows_by_id(connection: &mut PgConnection, ids: &[EventId]) -> QueryResult<Vec<LedgerRow>> {
    let ids: Vec<&str> = ids.iter().map(EventId::as_str).collect();
    let rows: Vec<Row> =
        sql_query("SELECT id, disposition, received_at FROM events WHERE id = ANY($1)")
            .bind::<Array<Text>, _>(ids)
            .load(connection)?;
    Ok(rows.into_iter().filter_map(Row::read).collect())
}

/// The latest snapshot of an object in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// false: the payload is an event, and the object is in it.
    pub is_observation: bool,
    /// As Stripe sent it; empty once it was removed.
    pub payload: Vec<u8>,
    /// The reading that was kept instead of the payload, as JSON.
    pub reading: Option<String>,
}

/// The latest snapshot of each of these objects, for those that have one. Dead letters told nothing;
/// a parked one will.
pub fn latest(connection: &mut PgConnection, keys: &[Key]) -> QueryResult<Vec<(Key, Latest)>> {
    #[derive(QueryableByName)]
    struct Snapshot {
        #[diesel(sql_type = Text)]
        account: String,
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Bool)]
        is_observation: bool,
        #[diesel(sql_type = Binary)]
        payload: Vec<u8>,
        #[diesel(sql_type = Nullable<Text>)]
        reading: Option<String>,
    }
    let accounts: Vec<&str> = keys.iter().map(|key| key.account.as_str()).collect();
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    let rows: Vec<Snapshot> = sql_query(
        // Each object's rows are read from their latest end by events_by_object.
        "SELECT k.account, k.id, e.record_kind = 'observation' AS is_observation, e.payload, \
           r.reading::text AS reading \
         FROM unnest($1, $2) AS k (account, id) CROSS JOIN LATERAL ( \
           SELECT e.id, e.record_kind, e.payload FROM events e \
           WHERE e.object_id = k.id AND coalesce(e.account, '') = k.account \
             AND e.record_kind IN ('event', 'observation') AND e.disposition <> 'dead' \
           ORDER BY e.created DESC LIMIT 1) e \
           LEFT JOIN event_readings r ON r.event_id = e.id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(connection)?;
    let read = |row: Snapshot| {
        let key = Key {
            account: row.account,
            id: row.id,
        };
        let latest = Latest {
            is_observation: row.is_observation,
            payload: row.payload,
            reading: row.reading,
        };
        (key, latest)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// `next_offset` of each partition of `topic` that has one.
pub fn progress(connection: &mut PgConnection, topic: &str) -> QueryResult<BTreeMap<i32, i64>> {
    #[derive(QueryableByName)]
    struct Progress {
        #[diesel(sql_type = Integer)]
        partition: i32,
        #[diesel(sql_type = BigInt)]
        next_offset: i64,
    }
    let rows: Vec<Progress> =
        sql_query("SELECT partition, next_offset FROM partition_progress WHERE topic = $1")
            .bind::<Text, _>(topic)
            .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.partition, row.next_offset))
        .collect())
}
