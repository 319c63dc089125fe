//! Which secret verified what, as the ledger keeps it.
//!
//! The ledger holds one copy of each event: where two endpoints deliver the same events, the copy
//! that came first says which secret verified it. Rows are found by the block range index on
//! `received_at`, so that an answer costs what the asked time costs, not what the ledger holds; but
//! for [`ever`], which no index answers.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};

use super::{MOST_ROWS, rows};
use crate::failure::Failure;

/// What one name's secrets verified.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct SecretRow {
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) last_hour: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) last_day: i64,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) first_seen: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) last_seen: DateTime<Utc>,
}

/// The secrets that verified a webhook received since then, the one seen last first.
pub(crate) fn since(
    db: &mut PgConnection,
    since: DateTime<Utc>,
) -> Result<Vec<SecretRow>, Failure> {
    let query = sql_query(
        "SELECT verified_by AS name,
             count(*) FILTER (WHERE received_at >= now() - interval '1 hour') AS last_hour,
             count(*) FILTER (WHERE received_at >= now() - interval '1 day') AS last_day,
             min(received_at) AS first_seen, max(received_at) AS last_seen
         FROM events
         WHERE received_at >= $1 AND source = 'webhook' AND verified_by IS NOT NULL
         GROUP BY verified_by ORDER BY max(received_at) DESC, verified_by LIMIT $2",
    )
    .bind::<Timestamptz, _>(since)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "counting by signing secret", query)
}

#[derive(QueryableByName)]
struct Seen {
    #[diesel(sql_type = Bool)]
    seen: bool,
}

/// Which secrets are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// The one of this name.
    This(&'a str),
    /// Any but the one of this name.
    AnyBut(&'a str),
}

/// Whether such a secret verified a webhook received since then.
pub(crate) fn seen_since(
    db: &mut PgConnection,
    whose: Whose<'_>,
    since: DateTime<Utc>,
) -> Result<bool, Failure> {
    let (name, is_it) = match whose {
        Whose::This(name) => (name, true),
        Whose::AnyBut(name) => (name, false),
    };
    let query = sql_query(
        "SELECT EXISTS (SELECT FROM events
             WHERE received_at >= $1 AND (verified_by = $2) = $3 AND source = 'webhook') AS seen",
    )
    .bind::<Timestamptz, _>(since)
    .bind::<Text, _>(name)
    .bind::<Bool, _>(is_it);
    let found: Vec<Seen> = rows(db, "looking for a signing secret", query)?;
    Ok(found.iter().any(|row| row.seen))
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Those of these names whose secret verified a webhook, whenever that was. Reads the whole ledger
/// for each that verified none: ask only about those of which nothing else is known.
///
/// # Errors
/// The database's, and that it took too long.
pub(crate) fn ever(db: &mut PgConnection, names: &[&str]) -> Result<Vec<String>, Failure> {
    let query = sql_query(
        "SELECT name FROM unnest($1) AS name
         WHERE EXISTS (SELECT FROM events WHERE verified_by = name AND source = 'webhook')",
    )
    .bind::<Array<Text>, _>(names);
    let found: Vec<Named> = rows(db, "looking for signing secrets at any age", query)?;
    Ok(found.into_iter().map(|row| row.name).collect())
}
