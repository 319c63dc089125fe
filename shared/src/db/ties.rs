//! Links and mentions, as stored. Reads only.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use crate::folding::graph::Key;

/// Two text columns that name an object.
#[derive(Debug, QueryableByName)]
pub(super) struct Pair {
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = Text)]
    id: String,
}

impl From<Pair> for Key {
    fn from(row: Pair) -> Self {
        Self {
            account: row.account,
            id: row.id,
        }
    }
}

/// Keys as two columns, for `UNNEST`.
pub(super) fn split(keys: &[Key]) -> (Vec<&str>, Vec<&str>) {
    keys.iter()
        .map(|key| (key.account.as_str(), key.id.as_str()))
        .unzip()
}

/// Every object reachable from these over stored links, these included; at most `limit` + 1.
///
/// # Errors
/// diesel's.
pub fn reachable(conn: &mut PgConnection, keys: &[Key], limit: i64) -> QueryResult<Vec<Key>> {
    let (accounts, ids) = split(keys);
    let rows: Vec<Pair> = sql_query(
        "WITH RECURSIVE reach (account, id) AS ( \
           SELECT k.account, k.id FROM UNNEST($1, $2) AS k (account, id) \
           UNION \
           SELECT r.account, n.id FROM reach r CROSS JOIN LATERAL ( \
             SELECT l.to_id AS id FROM object_links l WHERE l.account = r.account AND l.from_id = r.id \
             UNION ALL \
             SELECT l.from_id FROM object_links l WHERE l.account = r.account AND l.to_id = r.id \
           ) n \
         ) SELECT account, id FROM reach LIMIT $3",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)?;
    Ok(rows.into_iter().map(Key::from).collect())
}

/// A stored link.
#[derive(Debug, QueryableByName)]
pub struct StoredLink {
    /// Connected account; empty: ours.
    #[diesel(sql_type = Text)]
    pub account: String,
    /// The object that names the other.
    #[diesel(sql_type = Text)]
    pub from_id: String,
    /// The object that is named.
    #[diesel(sql_type = Text)]
    pub to_id: String,
}

/// Every link from or to these objects.
///
/// # Errors
/// diesel's.
pub fn links(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<Vec<StoredLink>> {
    let (accounts, ids) = split(keys);
    sql_query(
        "SELECT l.account, l.from_id, l.to_id FROM UNNEST($1, $2) AS k (account, id) \
           JOIN object_links l ON l.account = k.account AND l.from_id = k.id \
         UNION \
         SELECT l.account, l.from_id, l.to_id FROM UNNEST($1, $2) AS k (account, id) \
           JOIN object_links l ON l.account = k.account AND l.to_id = k.id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)
}

#[derive(Debug, QueryableByName)]
struct MentionRow {
    #[diesel(embed)]
    key: Pair,
    #[diesel(sql_type = Text)]
    booking_id: String,
}

/// Every booking that each of these objects names.
///
/// # Errors
/// diesel's.
pub fn mentions(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<Vec<(Key, String)>> {
    let (accounts, ids) = split(keys);
    let rows: Vec<MentionRow> = sql_query(
        "SELECT m.account, m.object_id AS id, m.booking_id \
         FROM UNNEST($1, $2) AS k (account, id) \
         JOIN object_mentions m ON m.account = k.account AND m.object_id = k.id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    let rows = rows.into_iter();
    Ok(rows.map(|row| (row.key.into(), row.booking_id)).collect())
}
