//! `object_shares`, as stored. Reads only.

use std::collections::BTreeMap;

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use super::ties::split;
use crate::folding::graph::Key;
use crate::folding::money::{Share, StoredShare};

#[derive(Debug, QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    row: String,
}

fn parsed(rows: Vec<Row>) -> QueryResult<Vec<StoredShare>> {
    rows.into_iter()
        .map(|row| serde_json::from_str(&row.row))
        .collect::<Result<_, _>>()
        .map_err(|cause| diesel::result::Error::DeserializationError(Box::new(cause)))
}

/// The shares of these objects, those of nobody included.
///
/// # Errors
/// diesel's.
pub fn of_objects(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<BTreeMap<Key, Vec<Share>>> {
    let (accounts, ids) = split(keys);
    let rows: Vec<Row> = sql_query(
        "SELECT row_to_json(s)::text AS row FROM UNNEST($1, $2) AS k (account, id) \
           JOIN object_shares s ON s.account = k.account AND s.object_id = k.id \
         ORDER BY s.account, s.object_id, s.booking_id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    let mut shares: BTreeMap<Key, Vec<Share>> = BTreeMap::new();
    for stored in parsed(rows)? {
        shares.entry(stored.key()).or_default().push(stored.share);
    }
    Ok(shares)
}

/// The shares of these bookings, of each at most `limit`.
///
/// # Errors
/// diesel's.
pub fn of_bookings(
    conn: &mut PgConnection,
    bookings: &[String],
    limit: i64,
) -> QueryResult<Vec<StoredShare>> {
    let rows: Vec<Row> = sql_query(
        "SELECT row_to_json(s)::text AS row FROM UNNEST($1) AS b (id) CROSS JOIN LATERAL ( \
           SELECT * FROM object_shares o WHERE o.booking_id = b.id AND o.booking_id <> '' LIMIT $2 \
         ) s",
    )
    .bind::<Array<Text>, _>(bookings)
    .bind::<BigInt, _>(limit)
    .load(conn)?;
    parsed(rows)
}
