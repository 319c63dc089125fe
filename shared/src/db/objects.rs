//! Rows of `objects`, whole, for comparing with what they should be.

use std::collections::BTreeMap;

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use super::ties::split;
use crate::folding::Columns;
use crate::folding::graph::Key;

/// An object as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Stripe's object name.
    pub kind: String,
    /// The booking it belongs to.
    pub booking_id: Option<String>,
    /// 0: known by name only.
    pub version: i64,
    /// `ObjectState` as JSON.
    pub state: String,
    /// Typed columns.
    pub columns: Columns,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    booking_id: Option<String>,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    amount: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    amount_paid: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    amount_refunded: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    currency: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    customer: Option<String>,
    #[diesel(sql_type = Bool)]
    settled: bool,
}

impl From<Row> for (Key, StoredObject) {
    fn from(row: Row) -> Self {
        let key = Key {
            account: row.account,
            id: row.id,
        };
        let object = StoredObject {
            kind: row.kind,
            booking_id: row.booking_id,
            version: row.version,
            state: row.state,
            columns: Columns {
                status: row.status,
                amount: row.amount,
                amount_paid: row.amount_paid,
                amount_refunded: row.amount_refunded,
                currency: row.currency,
                customer: row.customer,
                settled: row.settled,
            },
        };
        (key, object)
    }
}

/// Those of these objects that have a row.
///
/// # Errors
/// diesel's.
pub fn stored(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<BTreeMap<Key, StoredObject>> {
    let (accounts, ids) = split(keys);
    let rows: Vec<Row> = sql_query(
        "SELECT o.account, o.id, o.type AS kind, o.booking_id, o.version, o.state::text AS state, \
           o.status, o.amount, o.amount_paid, o.amount_refunded, o.currency, o.customer, o.settled \
         FROM UNNEST($1, $2) AS k (account, id) \
           JOIN objects o ON o.account = k.account AND o.id = k.id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    Ok(rows.into_iter().map(Row::into).collect())
}
