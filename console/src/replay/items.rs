//! An action's items: planned together with the action, published, and then what the processor
//! made of them.
//!
//! *Invariants:* an item leaves `planned` only when the log has acknowledged its record, or when
//! it can never be published; and what the processor has written is never overwritten. So whoever
//! goes on after a crash publishes what may be missing, and at worst once more.

use std::collections::BTreeMap;

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use super::candidate::Origin;
use super::plan::Planned;
use crate::failure::Failure;
use crate::ledger::rows;

/// Items that are written by one statement.
const BATCH: usize = 5_000;

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

/// Writes the plan's items, in the transaction that writes the action.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn plan(
    connection: &mut PgConnection,
    action: &str,
    items: &[Planned],
) -> Result<(), Failure> {
    let mut seq = 0_i64;
    for batch in items.chunks(BATCH) {
        let in_log = |item: &&Planned| item.origin == Origin::Log;
        let subjects: Vec<&str> = batch.iter().map(|item| item.subject.as_str()).collect();
        let partitions: Vec<Option<i32>> = batch
            .iter()
            .map(|item| Some(item).filter(in_log).map(|item| item.partition))
            .collect();
        let offsets: Vec<Option<i64>> = batch
            .iter()
            .map(|item| Some(item).filter(in_log).map(|item| item.offset))
            .collect();
        sql_query(
            "INSERT INTO operator_action_items
                 (action_id, subject, seq, source_partition, source_offset)
             SELECT $1, u.subject, $2 + u.n, u.partition, u.\"offset\"
             FROM unnest($3, $4, $5) WITH ORDINALITY AS u(subject, partition, \"offset\", n)",
        )
        .bind::<Text, _>(action)
        .bind::<BigInt, _>(seq)
        .bind::<Array<Text>, _>(&subjects)
        .bind::<Array<Nullable<Integer>>, _>(&partitions)
        .bind::<Array<Nullable<BigInt>>, _>(&offsets)
        .execute(connection)
        .map_err(refused("the plan's items"))?;
        seq = seq.saturating_add(i64::try_from(batch.len()).unwrap_or(i64::MAX));
    }
    Ok(())
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

/// A record that the log has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) subject: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// Notes where the records lie. The processor may have been quicker: its result stays.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn published(
    connection: &mut PgConnection,
    action: &str,
    topic: &str,
    sent: &[Sent],
) -> Result<(), Failure> {
    let subjects: Vec<&str> = sent.iter().map(|one| one.subject.as_str()).collect();
    let partitions: Vec<i32> = sent.iter().map(|one| one.partition).collect();
    let offsets: Vec<i64> = sent.iter().map(|one| one.offset).collect();
    sql_query(
        "UPDATE operator_action_items i
         SET state = CASE i.state WHEN 'planned' THEN 'published' ELSE i.state END,
             topic = $2, partition = u.partition, \"offset\" = u.\"offset\", published_at = now()
         FROM unnest($3, $4, $5) AS u(subject, partition, \"offset\")
         WHERE i.action_id = $1 AND i.subject = u.subject",
    )
    .bind::<Text, _>(action)
    .bind::<Text, _>(topic)
    .bind::<Array<Text>, _>(&subjects)
    .bind::<Array<Integer>, _>(&partitions)
    .bind::<Array<BigInt>, _>(&offsets)
    .execute(connection)
    .map(drop)
    .map_err(refused("noting what was published"))
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
    .map_err(refused("noting what failed"))
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many items are in which state.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn counts(
    connection: &mut PgConnection,
    action: &str,
) -> Result<BTreeMap<String, i64>, Failure> {
    let query = sql_query(
        "SELECT state, count(*) AS count FROM operator_action_items
         WHERE action_id = $1 GROUP BY state",
    )
    .bind::<Text, _>(action);
    let found: Vec<Count> = rows(connection, "the results", query)?;
    Ok(found
        .into_iter()
        .map(|row| (row.state, row.count))
        .collect())
}

fn refused(doing: &'static str) -> impl Fn(diesel::result::Error) -> Failure {
    move |source| Failure::Query { doing, source }
}
