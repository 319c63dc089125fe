//! Bookings drawn at random, and what a look at the ledger found of them.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Double, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use super::bookings::Subject;

/// Rows that the pages drawn should hold at least: many more than are wanted, so that neighbours in
/// the table are seldom drawn together.
const POOL: f64 = 5_000.0;

/// Which bookings may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Those that neither wait nor are held; one that is authorized is looked at only when its
    /// authorization lapses, so until then it may be drawn.
    Settled,
    /// All that show anything.
    All,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Text)]
    id: String,
}

/// At most `count` bookings at random. Only some pages of the table are read, so that a large one
/// costs no more than a small one; now and then they hold fewer than were wanted.
pub fn draw(connection: &mut PgConnection, of: Of, count: i64) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Rows {
        #[diesel(sql_type = Double)]
        rows: f64,
    }
    // The planner's estimate; -1 for a table that was never analyzed.
    let rows: Rows = sql_query(
        "SELECT reltuples::float8 AS rows FROM pg_class WHERE oid = 'bookings'::regclass",
    )
    .get_result(connection)?;
    let rows: Vec<Id> = sql_query(
        "SELECT id FROM bookings TABLESAMPLE SYSTEM ($1) \
         WHERE version > 0 AND ($2 = 'all' OR (hold IS NULL \
           AND status NOT IN ('pending', 'processing', 'requires_action'))) \
         ORDER BY random() LIMIT $3",
    )
    .bind::<Double, _>(percent(rows.rows))
    .bind::<Text, _>(match of {
        Of::Settled => "settled",
        Of::All => "all",
    })
    .bind::<BigInt, _>(count)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The share of a table of so many rows that holds [`POOL`] of them.
fn percent(rows: f64) -> f64 {
    if rows <= POOL {
        100.0
    } else {
        100.0 * POOL / rows
    }
}

/// The objects of these bookings that were told anything, and those that belong to them in part; of
/// accounts that have disconnected none. At most `limit`.
pub fn objects(
    connection: &mut PgConnection,
    bookings: &[String],
    limit: i64,
) -> QueryResult<Vec<Subject>> {
    sql_query(
        // Both ways begin at the bookings drawn: objects_by_booking, object_shares_by_booking.
        "WITH held AS ( \
           SELECT o.booking_id, o.account, o.id, o.type FROM objects o \
           WHERE o.booking_id = ANY($1) AND o.version > 0 \
           UNION \
           SELECT s.booking_id, o.account, o.id, o.type \
           FROM object_shares s JOIN objects o ON o.account = s.account AND o.id = s.object_id \
           WHERE s.booking_id = ANY($1) AND s.booking_id <> '' AND o.version > 0 \
         ) \
         SELECT h.booking_id, h.account, h.id AS object_id, h.type AS object_type FROM held h \
         WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.id = h.account AND a.deauthorized) \
         ORDER BY h.booking_id, h.account, h.id LIMIT $2",
    )
    .bind::<Array<Text>, _>(bookings)
    .bind::<BigInt, _>(limit)
    .load(connection)
}

/// The word by which a finding of the ledger's is known again.
pub const REFOLD_DIFFERS: &str = "ledger_refold_differs";

/// Those of these bookings of which an open finding says already that the ledger differs.
pub fn known_to_differ(
    connection: &mut PgConnection,
    bookings: &[String],
) -> QueryResult<Vec<String>> {
    let rows: Vec<Id> = sql_query(
        "SELECT DISTINCT booking_id AS id FROM findings \
         WHERE booking_id = ANY($1) AND repaired_at IS NULL AND kind = 'booking_differs' \
           AND evidence ->> 'what' = $2",
    )
    .bind::<Array<Text>, _>(bookings)
    .bind::<Text, _>(REFOLD_DIFFERS)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Closes what earlier looks found of bookings that are as the ledger has them now: somebody folded
/// them anew.
pub fn mended(connection: &mut PgConnection, bookings: &[String]) -> QueryResult<usize> {
    sql_query(
        "UPDATE findings SET repaired_at = now() \
         WHERE booking_id = ANY($1) AND repaired_at IS NULL AND kind = 'booking_differs' \
           AND evidence ->> 'what' = $2",
    )
    .bind::<Array<Text>, _>(bookings)
    .bind::<Text, _>(REFOLD_DIFFERS)
    .execute(connection)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "whole numbers")]
    use super::*;

    #[test]
    fn small_or_unknown_table_is_read_whole_and_a_large_one_in_part() {
        assert_eq!(percent(-1.0), 100.0);
        assert_eq!(percent(0.0), 100.0);
        assert_eq!(percent(50_000.0), 10.0);
    }
}
