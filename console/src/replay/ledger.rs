//! What the database is asked: what it knows of records that the log has, what the ledger and the
//! dead letters hold by themselves, and their bytes.
//!
//! *Invariant:* statements only select, every value is bound, and every answer has a bound.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};

use super::candidate::{Candidate, Known, Origin, hash_of};
use super::filter::{Filter, OWN};
use super::ranges::Lost;
use super::start::Scope;
use crate::failure::Failure;
use crate::ledger::rows;

#[derive(QueryableByName)]
struct LedgerFact {
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Text)]
    disposition: String,
    #[diesel(sql_type = Nullable<Text>)]
    booking_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    object_booking: Option<String>,
}

#[derive(QueryableByName)]
struct DeadFact {
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Text)]
    fingerprint: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    booking_id: Option<String>,
}

/// What the database knows of these subjects; those that it knows nothing of are left out.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn known(
    connection: &mut PgConnection,
    subjects: &[&str],
) -> Result<HashMap<String, Known>, Failure> {
    let hashes: Vec<Vec<u8>> = subjects.iter().filter_map(|it| hash_of(it)).collect();
    let ids: Vec<&str> = subjects
        .iter()
        .copied()
        .filter(|subject| hash_of(subject).is_none())
        .collect();
    let ledger = sql_query(
        "SELECT e.id AS subject, e.disposition, e.booking_id, o.booking_id AS object_booking
         FROM events e
         LEFT JOIN objects o ON o.account = coalesce(e.account, '') AND o.id = e.object_id
         WHERE e.id = ANY($1)",
    )
    .bind::<Array<Text>, _>(&ids);
    let facts: Vec<LedgerFact> = rows(connection, "what the ledger knows", ledger)?;
    let mut known: HashMap<String, Known> = HashMap::new();
    for fact in facts {
        let entry = known.entry(fact.subject).or_default();
        entry.disposition = Some(fact.disposition);
        let bookings = [fact.booking_id, fact.object_booking];
        entry.bookings.extend(bookings.into_iter().flatten());
    }
    let dead = sql_query(
        "SELECT coalesce(d.event_id, 'sha256:' || encode(d.payload_sha256, 'hex')) AS subject,
                d.fingerprint, d.status, d.booking_id
         FROM dead_letters d
         WHERE d.event_id = ANY($1) OR (d.event_id IS NULL AND d.payload_sha256 = ANY($2))",
    )
    .bind::<Array<Text>, _>(&ids)
    .bind::<Array<Binary>, _>(&hashes);
    let facts: Vec<DeadFact> = rows(connection, "what the dead letters know", dead)?;
    for fact in facts {
        let entry = known.entry(fact.subject).or_default();
        entry.bookings.extend(fact.booking_id);
        let open = !["replayed", "ignored"].contains(&fact.status.as_str());
        entry.dead_letter |= open;
        if open {
            entry.dead_groups.push(fact.fingerprint);
        }
    }
    Ok(known)
}

#[derive(QueryableByName)]
struct LostRow {
    #[diesel(sql_type = BigInt)]
    offset: i64,
    #[diesel(sql_type = Timestamptz)]
    received_at: DateTime<Utc>,
}

/// The youngest row of a partition whose record the log, which begins at `first`, has lost.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn lost(
    connection: &mut PgConnection,
    topic: &str,
    partition: i32,
    first: i64,
) -> Result<Option<Lost>, Failure> {
    let query = sql_query(
        r#"SELECT e."offset", e.received_at FROM events e
           WHERE e.topic = $1 AND e.partition = $2 AND e."offset" < $3
           ORDER BY e."offset" DESC LIMIT 1"#,
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .bind::<BigInt, _>(first);
    let found: Vec<LostRow> = rows(connection, "what the log has lost", query)?;
    Ok(found.into_iter().next().map(|row| Lost {
        offset: row.offset,
        received_at: row.received_at,
    }))
}

/// What the ledger is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) filter: Filter,
    /// None: rows of any topic.
    pub(crate) scope: Option<Scope>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    /// First offset of each partition; none: all offsets of all partitions.
    pub(crate) first_offsets: Option<BTreeMap<i32, i64>>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Text)]
    event_type: String,
    #[diesel(sql_type = Nullable<Bool>)]
    livemode: Option<bool>,
    #[diesel(sql_type = Nullable<Text>)]
    disposition: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    received_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    partition: i32,
    #[diesel(sql_type = BigInt)]
    offset: i64,
}

/// One statement over the ledger and over the dead letters that have no ledger row. The record of
/// a dead letter may have been a command, which is never replayed. Kept headers are compared as the
/// hex digits that they are kept in: they may hold any bytes.
const MATCHING: &str = r#"
    WITH candidates AS (
        SELECT e.id AS subject, e.livemode, e.disposition, e.received_at, e.topic, e.partition,
               e."offset", coalesce(e.account, '') = $5 AS account_fits,
               coalesce(nullif(e.type, 'unknown'), d.event_type, 'unknown') AS event_type
        FROM events e
        LEFT JOIN dead_letters d ON e.disposition = 'dead' AND d.event_id = e.id
        WHERE ($4 IS NULL OR e.id IN (
            -- applied when the booking was known already
            SELECT b.id FROM events b WHERE b.booking_id = $4
            -- applied to an object that was tied to the booking later
            UNION ALL
            SELECT b.id FROM objects o
            JOIN events b ON b.object_id = o.id AND coalesce(b.account, '') = o.account
            WHERE o.booking_id = $4
            -- given up on, and what the booking is held for
            UNION ALL
            SELECT b.event_id FROM dead_letters b WHERE b.booking_id = $4))
        UNION ALL
        SELECT coalesce(d.event_id, 'sha256:' || encode(d.payload_sha256, 'hex')), NULL::boolean,
               NULL, coalesce(d.record_timestamp, d.first_failed_at), d.topic, d.partition,
               d."offset", coalesce(header.account, '') = encode(convert_to($5, 'UTF8'), 'hex'),
               d.event_type
        FROM dead_letters d
        CROSS JOIN LATERAL (
            SELECT min(h ->> 1) FILTER (WHERE h ->> 0 = 'x-account') AS account,
                   min(h ->> 1) FILTER (WHERE h ->> 0 = 'x-record') AS record
            FROM json_array_elements(d.headers) h
        ) header
        WHERE d.status NOT IN ('replayed', 'ignored')
          AND NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id)
          AND header.record IS DISTINCT FROM encode('command', 'hex')
          AND ($4 IS NULL OR d.booking_id = $4 OR d.key = $4)
    )
    SELECT c.subject, c.event_type, c.livemode, c.disposition, c.received_at, c.partition,
           c."offset"
    FROM candidates c
    WHERE ($1 IS NULL OR c.subject = ANY($1))
      AND ($2 IS NULL OR c.event_type = $2) AND ($3 IS NULL OR starts_with(c.event_type, $3))
      AND ($5 IS NULL OR c.account_fits)
      AND ($6 IS NULL OR coalesce(c.disposition, 'dead') = $6)
      AND ($7 IS NULL OR c.subject IN (
          SELECT coalesce(d.event_id, 'sha256:' || encode(d.payload_sha256, 'hex'))
          FROM dead_letters d
          WHERE d.fingerprint = $7 AND d.status NOT IN ('replayed', 'ignored')))
      AND ($8 IS NULL OR c.received_at >= $8) AND ($9 IS NULL OR c.received_at < $9)
      AND ($10 IS NULL OR c.topic = $10) AND ($11 IS NULL OR c.partition = ANY($11))
      AND ($12 IS NULL OR EXISTS (
          SELECT FROM unnest($12, $13) AS s(partition, first)
          WHERE s.partition = c.partition AND c."offset" >= s.first))
    ORDER BY c.partition, c."offset", c.subject LIMIT $14"#;

/// Ledger rows and lone dead letters that fit, at most `limit`.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn matching(
    connection: &mut PgConnection,
    wanted: &Wanted,
    limit: i64,
) -> Result<Vec<(Candidate, Known)>, Failure> {
    let filter = &wanted.filter;
    let ids = some_of(&filter.event_ids);
    let (exact, family) = filter
        .only_type
        .as_ref()
        .map_or((None, None), super::filter::TypeFilter::parts);
    let account = filter.only_account.as_deref();
    let scope = wanted.scope.as_ref();
    let first = wanted.first_offsets.as_ref();
    let query = sql_query(MATCHING)
        .bind::<Nullable<Array<Text>>, _>(ids)
        .bind::<Nullable<Text>, _>(exact)
        .bind::<Nullable<Text>, _>(family)
        .bind::<Nullable<Text>, _>(filter.only_booking.as_deref())
        .bind::<Nullable<Text>, _>(account.map(|account| if account == OWN { "" } else { account }))
        .bind::<Nullable<Text>, _>(filter.disposition.as_deref())
        .bind::<Nullable<Text>, _>(filter.dead_group.as_deref())
        .bind::<Nullable<Timestamptz>, _>(wanted.since)
        .bind::<Nullable<Timestamptz>, _>(wanted.until)
        .bind::<Nullable<Text>, _>(scope.map(|scope| scope.topic.as_str()))
        .bind::<Nullable<Array<Integer>>, _>(scope.and_then(|scope| scope.partitions.as_ref()))
        .bind::<Nullable<Array<Integer>>, _>(
            first.map(|first| first.keys().copied().collect::<Vec<i32>>()),
        )
        .bind::<Nullable<Array<BigInt>>, _>(
            first.map(|first| first.values().copied().collect::<Vec<i64>>()),
        )
        .bind::<BigInt, _>(limit);
    let found: Vec<Row> = rows(connection, "what the ledger holds", query)?;
    Ok(found.into_iter().map(candidate).collect())
}

fn some_of(ids: &BTreeSet<String>) -> Option<Vec<&str>> {
    (!ids.is_empty()).then(|| ids.iter().map(String::as_str).collect())
}

fn candidate(row: Row) -> (Candidate, Known) {
    let known = Known {
        dead_letter: row.disposition.is_none(),
        disposition: row.disposition,
        ..Known::default()
    };
    let candidate = Candidate {
        subject: row.subject,
        event_type: row.event_type,
        account: None,
        livemode: row.livemode,
        names_booking: None,
        received_at: row.received_at,
        origin: Origin::Ledger,
        partition: row.partition,
        offset: row.offset,
        readable: true,
    };
    (candidate, known)
}
