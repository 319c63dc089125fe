//! `fold_rules`: the least version of the folding rules that may write.

use diesel::pg::PgConnection;
use diesel::sql_types::Integer;
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

/// The least version that may write.
///
/// # Errors
/// diesel's.
pub fn min_version(conn: &mut PgConnection) -> QueryResult<i32> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        min_version: i32,
    }
    let row: Row = sql_query("SELECT min_version FROM fold_rules").get_result(conn)?;
    Ok(row.min_version)
}
