//! Where a person's data lies: events and dead letters whose bytes name the person, and all events
//! of the objects that those are about or that links tie to them.
//!
//! *Invariant:* the search only selects. It reads every payload of the ledger: nothing indexes what
//! payloads hold.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use super::rows;
use crate::args::Person;
use crate::failure::Failure;

/// Most rows of one erasure.
pub(crate) const MOST: i64 = 100_000;

/// An event or a dead letter that holds a person's data.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Held {
    /// Event id; of a dead letter without one `letter` and its number.
    #[diesel(sql_type = Text)]
    pub(crate) subject: String,
    /// Number of the dead letter; none: it is a ledger row.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) letter: Option<i64>,
    #[diesel(sql_type = Text)]
    pub(crate) event_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) object_id: Option<String>,
    /// Of a ledger row.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) disposition: Option<String>,
    /// A dead letter of it waits for a decision.
    #[diesel(sql_type = Bool)]
    pub(crate) is_open: bool,
    #[diesel(sql_type = Text)]
    pub(crate) topic: String,
    #[diesel(sql_type = Integer)]
    pub(crate) partition: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) offset: i64,
    /// When the record was received.
    #[diesel(sql_type = Timestamptz)]
    pub(crate) received_at: DateTime<Utc>,
}

/// Ids stand in payloads as whole JSON texts; addresses are compared in lower case, byte by byte,
/// so that bytes which are no text are no hindrance.
const HELD: &str = r#"
    WITH RECURSIVE named AS (
        SELECT e.id, coalesce(e.account, '') AS account, e.object_id FROM events e
        WHERE e.payload_removed_at IS NULL AND (
            EXISTS (SELECT FROM unnest($1) AS n (id) WHERE position(n.id IN e.payload) > 0)
            OR EXISTS (SELECT FROM unnest($2) AS n (email)
                       WHERE lower(encode(e.payload, 'escape')) ~ n.email))
        UNION
        -- Bytes that a revival replaced.
        SELECT e.id, coalesce(e.account, ''), e.object_id
        FROM replaced_evidence x JOIN events e ON e.id = x.event_id
        WHERE x.payload <> '' AND e.payload_removed_at IS NULL AND (
            EXISTS (SELECT FROM unnest($1) AS n (id) WHERE position(n.id IN x.payload) > 0)
            OR EXISTS (SELECT FROM unnest($2) AS n (email)
                       WHERE lower(encode(x.payload, 'escape')) ~ n.email))
    ), tied AS (
        SELECT n.account, n.object_id AS id FROM named n WHERE n.object_id IS NOT NULL
        UNION
        SELECT l.account, l.other FROM tied t CROSS JOIN LATERAL (
            SELECT f.account, f.to_id AS other FROM object_links f
            WHERE f.account = t.account AND f.from_id = t.id
            UNION ALL
            SELECT b.account, b.from_id FROM object_links b
            WHERE b.account = t.account AND b.to_id = t.id) l
    ), ids AS (
        SELECT n.id FROM named n
        UNION
        SELECT e.id FROM tied t
            JOIN events e ON e.object_id = t.id AND coalesce(e.account, '') = t.account
        WHERE e.payload_removed_at IS NULL
    )
    SELECT e.id AS subject, NULL::bigint AS letter, e.type AS event_type, e.object_id, e.disposition,
           EXISTS (SELECT FROM dead_letters d WHERE d.event_id = e.id
                   AND d.status IN ('open', 'acknowledged')) AS is_open,
           e.topic, e.partition, e."offset", e.received_at
    FROM ids i JOIN events e ON e.id = i.id
    UNION ALL
    SELECT coalesce(d.event_id, 'letter ' || d.id), d.id, coalesce(d.event_type, 'unknown'), NULL, NULL,
           d.status IN ('open', 'acknowledged'), d.topic, d.partition, d."offset",
           coalesce(d.record_timestamp, d.first_failed_at)
    FROM dead_letters d
    WHERE d.payload_removed_by IS NULL AND (
        d.event_id IN (SELECT id FROM ids)
        OR EXISTS (SELECT FROM unnest($1) AS n (id) WHERE position(n.id IN d.payload) > 0)
        OR EXISTS (SELECT FROM unnest($2) AS n (email)
                   WHERE lower(encode(d.payload, 'escape')) ~ n.email))
    ORDER BY 10, 1, 2 NULLS FIRST LIMIT $3"#;

/// Everything that holds the person's data, in the order it was received; one more than [`MOST`]
/// where there is more.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn held(db: &mut PgConnection, person: &Person) -> Result<Vec<Held>, Failure> {
    let ids = person.customer.iter().chain(&person.object);
    let ids: Vec<Vec<u8>> = ids.map(|id| format!("\"{id}\"").into_bytes()).collect();
    let query = sql_query(HELD)
        .bind::<Array<Binary>, _>(ids)
        .bind::<Array<Text>, _>(
            person
                .email
                .iter()
                .map(|one| pattern(one))
                .collect::<Vec<_>>(),
        )
        .bind::<BigInt, _>(MOST + 1);
    rows(db, "searching payloads", query)
}

/// Finds the address where it is not a part of a longer one.
fn pattern(email: &str) -> String {
    let mut escaped = String::new();
    for c in email.chars() {
        if !c.is_ascii_alphanumeric() {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    format!(r"(^|[^a-z0-9._%+-]){escaped}($|[^a-z0-9.-]|\.($|[^a-z0-9]))")
}

/// Blanks these dead letters; returns the numbers of those that were.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn erase_letters(
    db: &mut PgConnection,
    letters: &[i64],
    action: &str,
) -> Result<Vec<i64>, Failure> {
    #[derive(QueryableByName)]
    struct Erased {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let query = sql_query("SELECT id FROM erase_dead_letters($1, $2)")
        .bind::<Array<BigInt>, _>(letters)
        .bind::<Text, _>(action);
    let erased: Vec<Erased> = rows(db, "erasing dead letters", query)?;
    Ok(erased.into_iter().map(|row| row.id).collect())
}

/// Notes that these things of an erasure keep their payload.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn stays(db: &mut PgConnection, action: &str, subjects: &[&str]) -> Result<(), Failure> {
    sql_query(
        "UPDATE operator_action_items
         SET state = 'failed', detail = 'payload stays: parked, or not decided about'
         WHERE action_id = $1 AND subject = ANY($2)",
    )
    .bind::<Text, _>(action)
    .bind::<Array<Text>, _>(subjects)
    .execute(db)
    .map(drop)
    .map_err(|source| Failure::Query {
        doing: "noting what stays",
        source,
    })
}
