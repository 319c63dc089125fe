//! `objects`, `object_links` and `object_mentions`.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};

use crate::apply::world::ObjectRow;
use std::collections::BTreeSet;

use shared::folding::graph::Key;
use shared::folding::{Columns, FOLD_VERSION};

pub use shared::db::ties::{links, reachable};

/// An object as stored.
#[derive(Debug, diesel::QueryableByName)]
pub struct StoredObject {
    /// Connected account; empty: ours.
    #[diesel(sql_type = Text)]
    pub account: String,
    /// Stripe's id.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// Stripe's object name.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// `ObjectState` as JSON.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// The booking it belongs to.
    #[diesel(sql_type = Nullable<Text>)]
    pub booking_id: Option<String>,
    /// Raised with each write.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// Version of the rules that made its state.
    #[diesel(sql_type = Integer)]
    pub fold_version: i32,
    /// What the last fact about it said.
    #[diesel(sql_type = Nullable<Text>)]
    pub published_state: Option<String>,
}

fn split(keys: &[Key]) -> (Vec<&str>, Vec<&str>) {
    keys.iter()
        .map(|key| (key.account.as_str(), key.id.as_str()))
        .unzip()
}

/// Inserts a stub for each object that is not there: what does not exist cannot be locked. Before
/// it, the connected accounts among them that were not seen yet.
///
/// # Errors
/// diesel's.
pub fn insert_stubs(
    conn: &mut PgConnection,
    stubs: &[(Key, String)],
    by: &str,
) -> QueryResult<usize> {
    let keys: Vec<Key> = stubs.iter().map(|(key, _)| key.clone()).collect();
    let kinds: Vec<&str> = stubs.iter().map(|(_, kind)| kind.as_str()).collect();
    let (accounts, ids) = split(&keys);
    insert_accounts(conn, &accounts)?;
    sql_query(
        "INSERT INTO objects (account, id, type, updated_by, fold_version) \
         SELECT k.account, k.id, k.kind, $4, $5 \
         FROM UNNEST($1, $2, $3) AS k (account, id, kind) ORDER BY k.account, k.id \
         ON CONFLICT ON CONSTRAINT objects_pkey DO NOTHING",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .bind::<Array<Text>, _>(kinds)
    .bind::<Text, _>(by)
    .bind::<Integer, _>(FOLD_VERSION)
    .execute(conn)
}

/// Notes the connected accounts among these, sorted as all keys are: two transactions that see the
/// same new accounts wait for each other in one order.
fn insert_accounts(conn: &mut PgConnection, accounts: &[&str]) -> QueryResult<usize> {
    let connected: BTreeSet<&str> = accounts
        .iter()
        .copied()
        .filter(|account| !account.is_empty())
        .collect();
    if connected.is_empty() {
        return Ok(0);
    }
    sql_query(
        // An account that is there costs one look-up in the primary key and no lock.
        "INSERT INTO seen_accounts (account) \
         SELECT a.account FROM UNNEST($1) AS a (account) \
         WHERE NOT EXISTS (SELECT FROM seen_accounts s WHERE s.account = a.account) \
         ORDER BY a.account ON CONFLICT ON CONSTRAINT seen_accounts_pkey DO NOTHING",
    )
    .bind::<Array<Text>, _>(connected.into_iter().collect::<Vec<_>>())
    .execute(conn)
}

/// Locks these objects in the order of their keys and reads them.
///
/// # Errors
/// diesel's; a deadlock or lock time-out means: try the whole transaction again.
pub fn lock(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<Vec<StoredObject>> {
    let (accounts, ids) = split(keys);
    sql_query(
        "SELECT o.account, o.id, o.type AS kind, o.state::text AS state, o.booking_id, o.version, \
           o.fold_version, o.published_state \
         FROM objects o JOIN UNNEST($1, $2) AS k (account, id) \
           ON o.account = k.account AND o.id = k.id \
         ORDER BY o.account, o.id FOR UPDATE OF o",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)
}

/// The bookings that these objects belong to, read without a lock.
///
/// # Errors
/// diesel's.
pub fn bookings_of(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        booking_id: String,
    }
    let (accounts, ids) = split(keys);
    let rows: Vec<Row> = sql_query(
        "SELECT DISTINCT o.booking_id FROM objects o \
           JOIN UNNEST($1, $2) AS k (account, id) ON o.account = k.account AND o.id = k.id \
         WHERE o.booking_id IS NOT NULL ORDER BY 1",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.booking_id).collect())
}

/// Writes links; those that are there stay as they are.
///
/// # Errors
/// diesel's.
pub fn insert_links(conn: &mut PgConnection, links: &[(Key, Key, String)]) -> QueryResult<usize> {
    let accounts: Vec<&str> = links
        .iter()
        .map(|(from, _, _)| from.account.as_str())
        .collect();
    let from: Vec<&str> = links.iter().map(|(from, _, _)| from.id.as_str()).collect();
    let to: Vec<&str> = links.iter().map(|(_, to, _)| to.id.as_str()).collect();
    let sources: Vec<&str> = links.iter().map(|(_, _, source)| source.as_str()).collect();
    sql_query(
        "INSERT INTO object_links (account, from_id, to_id, source_id) \
         SELECT * FROM UNNEST($1, $2, $3, $4) AS l (account, from_id, to_id, source_id) \
         ORDER BY 1, 2, 3 ON CONFLICT ON CONSTRAINT object_links_pkey DO NOTHING",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(from)
    .bind::<Array<Text>, _>(to)
    .bind::<Array<Text>, _>(sources)
    .execute(conn)
}

/// Writes which bookings objects name; what is there stays as it is.
///
/// # Errors
/// diesel's.
pub fn insert_mentions(
    conn: &mut PgConnection,
    mentions: &BTreeSet<(Key, String)>,
) -> QueryResult<usize> {
    let accounts: Vec<&str> = mentions
        .iter()
        .map(|(key, _)| key.account.as_str())
        .collect();
    let ids: Vec<&str> = mentions.iter().map(|(key, _)| key.id.as_str()).collect();
    let bookings: Vec<&str> = mentions
        .iter()
        .map(|(_, booking)| booking.as_str())
        .collect();
    sql_query(
        "INSERT INTO object_mentions (account, object_id, booking_id) \
         SELECT * FROM UNNEST($1, $2, $3) AS m (account, object_id, booking_id) ORDER BY 1, 2, 3 \
         ON CONFLICT ON CONSTRAINT object_mentions_pkey DO NOTHING",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .bind::<Array<Text>, _>(bookings)
    .execute(conn)
}

/// One object's row as it is to be written.
#[derive(Debug)]
pub struct ObjectWrite<'a> {
    /// The row; its version is the one it was read with.
    pub row: &'a ObjectRow,
    /// `ObjectState` as JSON.
    pub state: String,
    /// Typed columns, from the winning snapshot.
    pub columns: Columns,
}

/// Writes changed objects, each to its next version. The rows are locked.
///
/// # Errors
/// diesel's.
pub fn update(conn: &mut PgConnection, writes: &[ObjectWrite<'_>], by: &str) -> QueryResult<usize> {
    let column =
        |f: fn(&ObjectWrite<'_>) -> Option<String>| writes.iter().map(f).collect::<Vec<_>>();
    let number = |f: fn(&ObjectWrite<'_>) -> Option<i64>| writes.iter().map(f).collect::<Vec<_>>();
    sql_query(
        "UPDATE objects o SET type = n.type, status = n.status, amount = n.amount, \
           amount_paid = n.amount_paid, amount_refunded = n.amount_refunded, \
           currency = n.currency, customer = n.customer, settled = n.settled, \
           state = n.state::json, booking_id = n.booking_id, \
           published_state = n.published_state, version = o.version + 1, \
           updated_at = now(), updated_by = $14, fold_version = $15 \
         FROM UNNEST($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
           AS n (account, id, type, status, amount, amount_paid, amount_refunded, currency, \
                 customer, settled, state, booking_id, published_state) \
         WHERE o.account = n.account AND o.id = n.id",
    )
    .bind::<Array<Text>, _>(
        writes
            .iter()
            .map(|w| w.row.key.account.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        writes
            .iter()
            .map(|w| w.row.key.id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        writes
            .iter()
            .map(|w| w.row.kind.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<Text>>, _>(column(|w| w.columns.status.clone()))
    .bind::<Array<Nullable<BigInt>>, _>(number(|w| w.columns.amount))
    .bind::<Array<Nullable<BigInt>>, _>(number(|w| w.columns.amount_paid))
    .bind::<Array<Nullable<BigInt>>, _>(number(|w| w.columns.amount_refunded))
    .bind::<Array<Nullable<Text>>, _>(column(|w| w.columns.currency.clone()))
    .bind::<Array<Nullable<Text>>, _>(column(|w| w.columns.customer.clone()))
    .bind::<Array<Bool>, _>(writes.iter().map(|w| w.columns.settled).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(writes.iter().map(|w| w.state.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(column(|w| w.row.booking_id.clone()))
    .bind::<Array<Nullable<Text>>, _>(column(|w| w.row.published_state.clone()))
    .bind::<Text, _>(by)
    .bind::<Integer, _>(FOLD_VERSION)
    .execute(conn)
}
