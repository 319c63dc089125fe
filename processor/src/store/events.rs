//! `events`, the ledger: appended to, and on a row only what became of it is set.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};
use shared::folding::FOLD_VERSION;

use crate::apply::world::Known;

/// One ledger row to be written.
#[derive(Debug)]
pub struct LedgerRow<'a> {
    /// Event or observation id.
    pub id: &'a str,
    /// Partition column.
    pub created: DateTime<Utc>,
    /// `event` or `observation`.
    pub record_kind: &'static str,
    /// Connected account; none: ours.
    pub account: Option<&'a str>,
    /// Stripe's livemode.
    pub livemode: Option<bool>,
    /// Stripe's type.
    pub event_type: &'a str,
    /// Version of the payload.
    pub api_version: Option<&'a str>,
    /// Object it is about.
    pub object_id: Option<&'a str>,
    /// Its Stripe object name.
    pub object_type: Option<&'a str>,
    /// A thin event's snapshot event.
    pub snapshot_event: Option<&'a str>,
    /// Class of payment method.
    pub payment_method_type: Option<&'a str>,
    /// The booking as resolved.
    pub booking_id: Option<String>,
    /// Exact bytes.
    pub payload: &'a [u8],
    /// Their SHA-256.
    pub sha256: &'a [u8],
    /// `Stripe-Signature`.
    pub signature: Option<&'a str>,
    /// Secret that verified it.
    pub verified_by: Option<&'a str>,
    /// Who published the record.
    pub source: &'static str,
    /// Coordinates.
    pub topic: &'a str,
    /// Coordinates.
    pub partition: i32,
    /// Coordinates.
    pub offset: i64,
    /// When the publisher had the bytes.
    pub received_at: DateTime<Utc>,
    /// What became of it.
    pub disposition: &'static str,
    /// W3C trace id.
    pub trace_id: Option<String>,
}

/// What the ledger says about these ids; those of months that left it are known for ever, too.
///
/// # Errors
/// diesel's.
pub fn known(conn: &mut PgConnection, ids: &[&str]) -> QueryResult<Vec<(String, Known)>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Bool)]
        dead: bool,
        #[diesel(sql_type = Bool)]
        queued: bool,
        #[diesel(sql_type = Binary)]
        payload_sha256: Vec<u8>,
    }
    // Only a parked or dead row can be in a queue, so others are not looked up there.
    let rows: Vec<Row> = sql_query(
        "SELECT e.id, e.disposition = 'dead' AS dead, e.payload_sha256, \
           e.disposition IN ('parked', 'dead') AND EXISTS ( \
             SELECT 1 FROM parked_events p WHERE p.event_id = e.id) AS queued \
         FROM events e WHERE e.id = ANY ($1) \
         UNION ALL \
         SELECT r.id, false, r.payload_sha256, false FROM retired_ids r WHERE r.id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let sha256 = <[u8; 32]>::try_from(row.payload_sha256.as_slice()).unwrap_or_default();
            (
                row.id,
                Known {
                    dead: row.dead,
                    queued: row.queued,
                    sha256,
                },
            )
        })
        .collect())
}

/// Appends rows; returns how many were new. Fewer than given means that another transaction
/// was faster: the caller rolls back and looks again.
///
/// # Errors
/// diesel's.
pub fn insert(conn: &mut PgConnection, rows: &[LedgerRow<'_>]) -> QueryResult<usize> {
    macro_rules! column {
        ($field:ident) => {
            rows.iter().map(|row| row.$field).collect::<Vec<_>>()
        };
    }
    sql_query(
        "INSERT INTO events (id, created, record_kind, account, livemode, type, api_version, \
           object_id, object_type, snapshot_event, booking_id, payload, payload_sha256, signature, \
           verified_by, source, topic, partition, \"offset\", received_at, disposition, trace_id, \
           payment_method_type, fold_version) \
         SELECT n.*, $24 FROM UNNEST($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
           $15, $16, $17, $18, $19, $20, $21, $22, $23) AS n \
         ON CONFLICT (id, created) DO NOTHING",
    )
    .bind::<Array<Text>, _>(column!(id))
    .bind::<Array<Timestamptz>, _>(column!(created))
    .bind::<Array<Text>, _>(column!(record_kind))
    .bind::<Array<Nullable<Text>>, _>(column!(account))
    .bind::<Array<Nullable<Bool>>, _>(column!(livemode))
    .bind::<Array<Text>, _>(column!(event_type))
    .bind::<Array<Nullable<Text>>, _>(column!(api_version))
    .bind::<Array<Nullable<Text>>, _>(column!(object_id))
    .bind::<Array<Nullable<Text>>, _>(column!(object_type))
    .bind::<Array<Nullable<Text>>, _>(column!(snapshot_event))
    .bind::<Array<Nullable<Text>>, _>(
        rows.iter()
            .map(|row| row.booking_id.as_deref())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Binary>, _>(column!(payload))
    .bind::<Array<Binary>, _>(column!(sha256))
    .bind::<Array<Nullable<Text>>, _>(column!(signature))
    .bind::<Array<Nullable<Text>>, _>(column!(verified_by))
    .bind::<Array<Text>, _>(column!(source))
    .bind::<Array<Text>, _>(column!(topic))
    .bind::<Array<Integer>, _>(column!(partition))
    .bind::<Array<BigInt>, _>(column!(offset))
    .bind::<Array<Timestamptz>, _>(column!(received_at))
    .bind::<Array<Text>, _>(column!(disposition))
    .bind::<Array<Nullable<Text>>, _>(
        rows.iter()
            .map(|row| row.trace_id.as_deref())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<Text>>, _>(column!(payment_method_type))
    .bind::<Integer, _>(FOLD_VERSION)
    .execute(conn)
}

/// Appends rows whose id the ledger does not have under any `created`: for dead rows, whose
/// `created` may be unknown.
///
/// # Errors
/// diesel's.
pub fn insert_where_absent(conn: &mut PgConnection, rows: &[LedgerRow<'_>]) -> QueryResult<usize> {
    let mut inserted = 0_usize;
    for row in rows {
        // One by one: the same broken id may stand in a batch twice.
        if known(conn, &[row.id])?.is_empty() {
            inserted = inserted.saturating_add(insert(conn, std::slice::from_ref(row))?);
        }
    }
    Ok(inserted)
}

/// Replaces a dead row by a copy that could be read after all: new bytes, new evidence. Its old
/// bytes stay in `dead_letters`, whose row is marked `replayed` once it is applied.
///
/// # Errors
/// diesel's.
pub fn revive(conn: &mut PgConnection, row: &LedgerRow<'_>) -> QueryResult<usize> {
    if row.disposition != "parked" {
        super::dead_letters::replayed(conn, &[row.id])?;
    }
    sql_query(
        "UPDATE events SET record_kind = $2, account = $3, livemode = $4, type = $5, \
           api_version = $6, object_id = $7, object_type = $8, snapshot_event = $9, \
           booking_id = $10, payload = $11, payload_sha256 = $12, signature = $13, \
           verified_by = $14, source = $15, topic = $16, partition = $17, \"offset\" = $18, \
           received_at = $19, disposition = $20, trace_id = $21, fold_version = $22, \
           payment_method_type = $23, apply_seq = nextval('events_apply_seq'), applied_at = NULL \
         WHERE id = $1 AND disposition = 'dead'",
    )
    .bind::<Text, _>(row.id)
    .bind::<Text, _>(row.record_kind)
    .bind::<Nullable<Text>, _>(row.account)
    .bind::<Nullable<Bool>, _>(row.livemode)
    .bind::<Text, _>(row.event_type)
    .bind::<Nullable<Text>, _>(row.api_version)
    .bind::<Nullable<Text>, _>(row.object_id)
    .bind::<Nullable<Text>, _>(row.object_type)
    .bind::<Nullable<Text>, _>(row.snapshot_event)
    .bind::<Nullable<Text>, _>(row.booking_id.as_deref())
    .bind::<Binary, _>(row.payload)
    .bind::<Binary, _>(row.sha256)
    .bind::<Nullable<Text>, _>(row.signature)
    .bind::<Nullable<Text>, _>(row.verified_by)
    .bind::<Text, _>(row.source)
    .bind::<Text, _>(row.topic)
    .bind::<Integer, _>(row.partition)
    .bind::<BigInt, _>(row.offset)
    .bind::<Timestamptz, _>(row.received_at)
    .bind::<Text, _>(row.disposition)
    .bind::<Nullable<Text>, _>(row.trace_id.as_deref())
    .bind::<Integer, _>(FOLD_VERSION)
    .bind::<Nullable<Text>, _>(row.payment_method_type)
    .execute(conn)
}

/// Counts further records of ids that the ledger has.
///
/// # Errors
/// diesel's.
pub fn count_copies(conn: &mut PgConnection, copies: &BTreeMap<String, i32>) -> QueryResult<usize> {
    sql_query(
        "UPDATE events e SET copies = e.copies + n.copies \
         FROM UNNEST($1, $2) AS n (id, copies) WHERE e.id = n.id",
    )
    .bind::<Array<Text>, _>(copies.keys().map(String::as_str).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(copies.values().copied().collect::<Vec<_>>())
    .execute(conn)
}

/// Stamps `applied_at`, after the commit: the rows of these records that have none. Looks a
/// little further back than the batch, because a processor that died between commit and stamp
/// leaves its last batch without.
///
/// # Errors
/// diesel's; nothing depends on it but the figure.
pub fn stamp(
    conn: &mut PgConnection,
    (topic, partition): (&str, i32),
    from_offset: i64,
    to_offset: i64,
) -> QueryResult<usize> {
    sql_query(
        "UPDATE events SET applied_at = clock_timestamp() \
         WHERE topic = $1 AND partition = $2 AND \"offset\" >= $3 AND \"offset\" < $4 \
           AND applied_at IS NULL AND disposition <> 'parked'",
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .bind::<BigInt, _>(from_offset)
    .bind::<BigInt, _>(to_offset)
    .execute(conn)
}

/// Locks the rows of these events, in the order of their ids.
///
/// # Errors
/// diesel's.
pub fn lock(conn: &mut PgConnection, ids: &[&str]) -> QueryResult<usize> {
    sql_query("SELECT id FROM events WHERE id = ANY ($1) ORDER BY id FOR UPDATE")
        .bind::<Array<Text>, _>(ids)
        .execute(conn)
}

/// Sets what became of events that waited in a queue; they count as applied in the order given.
///
/// # Errors
/// diesel's.
pub fn settle(
    conn: &mut PgConnection,
    rows: &[(&str, &'static str, Option<String>)],
) -> QueryResult<usize> {
    sql_query(
        "UPDATE events e SET disposition = n.disposition, booking_id = coalesce(n.booking_id, e.booking_id), \
           fold_version = $4, apply_seq = n.seq, applied_at = NULL \
         FROM (SELECT o.id, o.disposition, o.booking_id, nextval('events_apply_seq') AS seq \
           FROM (SELECT * FROM UNNEST($1, $2, $3) WITH ORDINALITY AS u (id, disposition, booking_id, n) \
                 ORDER BY u.n) AS o) AS n \
         WHERE e.id = n.id AND e.disposition IN ('parked', 'dead')",
    )
    .bind::<Array<Text>, _>(rows.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|(_, what, _)| *what).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(
        rows.iter()
            .map(|(.., booking)| booking.as_deref())
            .collect::<Vec<_>>(),
    )
    .bind::<Integer, _>(FOLD_VERSION)
    .execute(conn)
}

/// Stamps `applied_at` on these, after the commit.
///
/// # Errors
/// diesel's; nothing depends on it but the figure.
pub fn stamp_these(conn: &mut PgConnection, ids: &[&str]) -> QueryResult<usize> {
    sql_query(
        "UPDATE events SET applied_at = clock_timestamp() \
         WHERE id = ANY ($1) AND applied_at IS NULL AND disposition <> 'parked'",
    )
    .bind::<Array<Text>, _>(ids)
    .execute(conn)
}

/// Makes the coming months' partitions.
///
/// # Errors
/// diesel's.
pub fn ensure_partitions(conn: &mut PgConnection) -> QueryResult<usize> {
    sql_query("SELECT ensure_event_partitions()").execute(conn)
}

/// Whether a commit means that the server's disk has it. Anything but `off` waits at least for
/// our own server's.
///
/// # Errors
/// diesel's.
pub fn require_durability(conn: &mut PgConnection) -> QueryResult<bool> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        durable: bool,
    }
    let row: Row = sql_query("SELECT current_setting('synchronous_commit') <> 'off' AS durable")
        .get_result(conn)?;
    Ok(row.durable)
}
