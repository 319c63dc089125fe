//! What the log lost before it was applied, as the processor wrote it down.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, sql_query};

/// One hole that no sweep has covered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Hole {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Nothing that it held was created before this second: three days (as long as Stripe tries to
    /// deliver) before the last record ahead of it was received, or as far back as Stripe lists.
    #[diesel(sql_type = BigInt)]
    pub from: i64,
    /// Nothing that it held was created in this second or later: it was found then.
    #[diesel(sql_type = BigInt)]
    pub to: i64,
}

/// A hole's columns: see [`Hole`].
const SPAN: &str = "h.id, floor(extract(epoch FROM coalesce( \
     (SELECT e.received_at FROM events e WHERE e.topic = h.topic AND e.partition = h.partition \
        AND e.\"offset\" < h.from_offset ORDER BY e.\"offset\" DESC LIMIT 1), \
     h.found_at - interval '30 days') - interval '3 days'))::bigint AS \"from\", \
   ceil(extract(epoch FROM h.found_at))::bigint + 1 AS \"to\"";

/// The next hole of this topic that is not swept: the oldest after the id `after`, else the oldest.
pub fn next(connection: &mut PgConnection, topic: &str, after: i64) -> QueryResult<Option<Hole>> {
    sql_query(format!(
        "SELECT {SPAN} FROM log_holes h \
         WHERE h.topic = $1 AND h.swept_at IS NULL ORDER BY h.id <= $2, h.id LIMIT 1"
    ))
    .bind::<Text, _>(topic)
    .bind::<BigInt, _>(after)
    .get_result(connection)
    .optional()
}

/// Every hole of this topic, newest first, at most a thousand.
pub fn all(connection: &mut PgConnection, topic: &str) -> QueryResult<Vec<Hole>> {
    sql_query(format!(
        "SELECT {SPAN} FROM log_holes h WHERE h.topic = $1 ORDER BY h.id DESC LIMIT 1000"
    ))
    .bind::<Text, _>(topic)
    .load(connection)
}

/// Everything of it that Stripe lists is in the ledger, or published.
pub fn swept(connection: &mut PgConnection, id: i64) -> QueryResult<()> {
    sql_query("UPDATE log_holes SET swept_at = now() WHERE id = $1 AND swept_at IS NULL")
        .bind::<BigInt, _>(id)
        .execute(connection)
        .map(|_rows| ())
}
