//! The connected accounts: which were seen, which have disconnected, which no sweep covers.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Double, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::ids::AccountId;

/// An account that was seen may be without a sweep for so long, in seconds.
const GRACE_S: f64 = 3_600.0;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    account: String,
}

fn parsed(rows: &[Row]) -> Vec<AccountId> {
    rows.iter()
        .filter_map(|row| AccountId::parse(&row.account).ok())
        .collect()
}

/// The connected accounts of which the processor has written an object, sorted.
pub fn seen(connection: &mut PgConnection) -> QueryResult<Vec<AccountId>> {
    let rows: Vec<Row> =
        sql_query("SELECT account FROM seen_accounts ORDER BY account").load(connection)?;
    Ok(parsed(&rows))
}

/// Those of these accounts that have disconnected.
pub fn deauthorized(
    connection: &mut PgConnection,
    accounts: &[AccountId],
) -> QueryResult<Vec<AccountId>> {
    let ids: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
    let rows: Vec<Row> = sql_query(
        "SELECT DISTINCT id AS account FROM accounts WHERE deauthorized AND id = ANY($1)",
    )
    .bind::<Array<Text>, _>(ids)
    .load(connection)?;
    Ok(parsed(&rows))
}

/// Accounts that were seen, have not disconnected, and are not among `swept`, or have been seen for
/// an hour and their tail was never swept. Sorted, at most `limit`.
pub fn not_swept(
    connection: &mut PgConnection,
    swept: &[AccountId],
    limit: i64,
) -> QueryResult<Vec<String>> {
    let rows: Vec<Row> = sql_query(
        "SELECT s.account FROM seen_accounts s \
         WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.id = s.account AND a.deauthorized) \
           AND (s.account <> ALL($1) \
             OR (s.first_seen_at < now() - make_interval(secs => $2) \
               AND NOT EXISTS (SELECT FROM cursors c \
                 WHERE c.account = s.account AND c.sweep = 'tail'))) \
         ORDER BY s.account LIMIT $3",
    )
    .bind::<Array<Text>, _>(swept.iter().map(AccountId::as_str).collect::<Vec<_>>())
    .bind::<Double, _>(GRACE_S)
    .bind::<BigInt, _>(limit)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.account).collect())
}
