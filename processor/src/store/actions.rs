//! `operator_action_items`: what came of each thing that an operator's action touched, written in
//! the transaction that made it so.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Bool, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};

/// What came of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemResult {
    /// The action.
    pub action_id: String,
    /// Event id, `sha256:` and a hash, booking, object or group.
    pub subject: String,
    /// A final state of `operator_action_items.state`.
    pub state: &'static str,
    /// In words, where there is more to say.
    pub detail: Option<String>,
}

/// Whether this was carried out already: a command counts once an action and subject.
///
/// # Errors
/// diesel's.
pub fn is_done(conn: &mut PgConnection, action_id: &str, subject: &str) -> QueryResult<bool> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        done: bool,
    }
    let row: Row = sql_query(
        "SELECT EXISTS (SELECT 1 FROM operator_action_items \
           WHERE action_id = $1 AND subject = $2 AND done_at IS NOT NULL) AS done",
    )
    .bind::<Text, _>(action_id)
    .bind::<Text, _>(subject)
    .get_result(conn)?;
    Ok(row.done)
}

/// Writes results down, each subject's first only: a second copy of a record changes nothing. An
/// action that the database has lost (a restored backup) gets its items anew.
///
/// # Errors
/// diesel's.
pub fn done(conn: &mut PgConnection, results: &[ItemResult]) -> QueryResult<usize> {
    // The same subject twice in one statement would be an error of its own.
    let mut distinct: Vec<&ItemResult> = results.iter().collect();
    distinct.sort_by_key(|result| (result.action_id.as_str(), result.subject.as_str()));
    distinct.dedup_by_key(|result| (result.action_id.clone(), result.subject.clone()));
    sql_query(
        "INSERT INTO operator_action_items (action_id, subject, state, detail, done_at) \
         SELECT n.action_id, n.subject, n.state, n.detail, now() \
         FROM UNNEST($1, $2, $3, $4) AS n (action_id, subject, state, detail) \
         ORDER BY n.action_id, n.subject \
         ON CONFLICT ON CONSTRAINT operator_action_items_pkey DO UPDATE \
           SET state = EXCLUDED.state, detail = EXCLUDED.detail, done_at = EXCLUDED.done_at \
           WHERE operator_action_items.done_at IS NULL",
    )
    .bind::<Array<Text>, _>(
        distinct
            .iter()
            .map(|r| r.action_id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        distinct
            .iter()
            .map(|r| r.subject.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(distinct.iter().map(|r| r.state).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(
        distinct
            .iter()
            .map(|r| r.detail.as_deref())
            .collect::<Vec<_>>(),
    )
    .execute(conn)
}
