//! `refetches`: what the reconciler is asked to retrieve.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};

use crate::apply::world::Refetch;

/// Wishes of thin events whose snapshot event is here: they need no call any more.
///
/// # Errors
/// diesel's.
pub fn answer_thin(conn: &mut PgConnection, snapshots: &BTreeSet<String>) -> QueryResult<usize> {
    sql_query(
        "UPDATE refetches SET state = 'answered', done_at = now() \
         WHERE state = 'pending' AND reason = 'thin' AND fingerprint = ANY ($1)",
    )
    .bind::<Array<Text>, _>(
        snapshots
            .iter()
            .map(|id| format!("thin:{id}"))
            .collect::<Vec<_>>(),
    )
    .execute(conn)
}

/// Questions that what is known by now answers: they need no call any more.
///
/// # Errors
/// diesel's.
pub fn answer(conn: &mut PgConnection, fingerprints: &BTreeSet<String>) -> QueryResult<usize> {
    sql_query(
        "UPDATE refetches SET state = 'answered', done_at = now() \
         WHERE state = 'pending' AND reason IN ('settlement', 'claim') AND fingerprint = ANY ($1)",
    )
    .bind::<Array<Text>, _>(fingerprints.iter().map(String::as_str).collect::<Vec<_>>())
    .execute(conn)
}

/// Asks for each distinct doubt once.
///
/// # Errors
/// diesel's.
pub fn insert(conn: &mut PgConnection, rows: &[&Refetch]) -> QueryResult<usize> {
    let tied: Vec<DateTime<Utc>> = rows
        .iter()
        .map(|row| DateTime::from_timestamp(row.tied_at, 0).unwrap_or_default())
        .collect();
    sql_query(
        "INSERT INTO refetches (account, object_id, object_type, fingerprint, reason, tied_at) \
         SELECT * FROM UNNEST($1, $2, $3, $4, $5, $6) \
           AS r (account, object_id, object_type, fingerprint, reason, tied_at) ORDER BY 1, 2, 4 \
         ON CONFLICT ON CONSTRAINT refetches_once DO NOTHING",
    )
    .bind::<Array<Text>, _>(
        rows.iter()
            .map(|row| row.key.account.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        rows.iter()
            .map(|row| row.key.id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(
        rows.iter()
            .map(|row| row.fingerprint.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.reason).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(tied)
    .execute(conn)
}
