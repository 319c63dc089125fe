//! `outbox`: facts, written in the transaction of the change they tell.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};

use crate::apply::world::Fact;

/// Writes facts in order; one that was written before (the same state reached again after a
/// restore) is left as it is.
///
/// # Errors
/// diesel's.
pub fn insert(conn: &mut PgConnection, facts: &[Fact]) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO outbox (id, booking_id, kind, payload) \
         SELECT f.id, f.booking_id, f.kind, f.payload::json \
         FROM UNNEST($1, $2, $3, $4) WITH ORDINALITY AS f (id, booking_id, kind, payload, n) \
         ORDER BY f.n ON CONFLICT ON CONSTRAINT outbox_id_once DO NOTHING",
    )
    .bind::<Array<Text>, _>(
        facts
            .iter()
            .map(|fact| fact.id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        facts
            .iter()
            .map(|fact| fact.booking_id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(facts.iter().map(|fact| fact.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(
        facts
            .iter()
            .map(|fact| fact.payload.as_str())
            .collect::<Vec<_>>(),
    )
    .execute(conn)
}
