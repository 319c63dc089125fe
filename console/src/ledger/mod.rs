//! What this program reads, as rows: one file a subject. Statements only select (what an action
//! writes is in `action` and `commands::consumer`), and every value
//! is bound, never written into the statement.

pub(crate) mod action;
pub(crate) mod amounts;
pub(crate) mod audit;
pub(crate) mod booking;
pub(crate) mod consumer;
pub(crate) mod dead;
pub(crate) mod decision;
pub(crate) mod erase;
pub(crate) mod event;
pub(crate) mod finding;
pub(crate) mod headers;
mod json;
pub(crate) mod object;
pub(crate) mod page;
pub(crate) mod parked;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod retention;
pub(crate) mod secret;
pub(crate) mod sender;
pub(crate) mod share;
pub(crate) mod sweep;
mod walk;

pub(crate) use json::JsonText;

use diesel::pg::PgConnection;
use diesel::query_builder::QueryId;
use diesel::query_dsl::methods::LoadQuery;

use crate::failure::Failure;

/// Most rows of each kind that one answer shows; lists have limits of their own.
pub(crate) const MOST_ROWS: i64 = 5_000;

/// Runs one statement; `doing` names it in the error.
pub(crate) fn rows<'q, Q, Row>(
    connection: &mut PgConnection,
    doing: &'static str,
    query: Q,
) -> Result<Vec<Row>, Failure>
where
    Q: LoadQuery<'q, PgConnection, Row> + QueryId,
{
    query
        .load(connection)
        .map_err(|source| Failure::Query { doing, source })
}
