//! A replay's items that are still to be published, and those that never can be.
//!
//! *Invariant:* an item leaves `planned` only when the log has acknowledged its record, or when it
//! can never be published. So whoever goes on after a crash publishes what may be missing, and at
//! worst once more. Left out: how items are planned, noted as published and counted, which is the
//! same for every action.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use crate::failure::Failure;
use crate::ledger::rows;

/// An item that is still to be published.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(crate) struct Item {
    #[diesel(sql_type = Text)]
    pub(crate) subject: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) seq: i64,
    /// Where the log has it; none: the database has it.
    #[diesel(sql_type = Nullable<Integer>)]
    pub(crate) source_partition: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) source_offset: Option<i64>,
}

/// The next items that are still planned, in the plan's order.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn next(
    connection: &mut PgConnection,
    action: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<Item>, Failure> {
    let query = sql_query(
        "SELECT subject, seq, source_partition, source_offset FROM operator_action_items
         WHERE action_id = $1 AND state = 'planned' AND seq > $2 ORDER BY seq LIMIT $3",
    )
    .bind::<Text, _>(action)
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(limit);
    rows(connection, "the items", query)
}

/// Notes items that can never be published, with the reason.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn failed(
    connection: &mut PgConnection,
    action: &str,
    subjects: &[String],
    detail: &str,
) -> Result<(), Failure> {
    sql_query(
        "UPDATE operator_action_items SET state = 'failed', detail = $3
         WHERE action_id = $1 AND subject = ANY($2) AND state = 'planned'",
    )
    .bind::<Text, _>(action)
    .bind::<Array<Text>, _>(subjects)
    .bind::<Text, _>(detail)
    .execute(connection)
    .map(drop)
    .map_err(|source| Failure::Query {
        doing: "noting what failed",
        source,
    })
}
