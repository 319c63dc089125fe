//! Connected accounts that Stripe does not let us read any more.
//!
//! A refusal is the finding `account_unreadable` of its account; its evidence says when Stripe
//! refused last. Invariant: it stands for a day from then, whoever closes the finding; then the
//! account is asked once more.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::ids::AccountId;

/// Pause after a refusal, in seconds: nothing is asked about the account.
const PAUSE_S: i64 = 86_400;

/// Stripe's last refusal of an account.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Refusal {
    #[diesel(sql_type = Text)]
    pub account: String,
    /// In Stripe's words.
    #[diesel(sql_type = Text)]
    pub error: String,
    /// false: its day is over, and the account may be asked once.
    #[diesel(sql_type = Bool)]
    pub stands: bool,
}

/// The refusals of these accounts, for those that have one.
pub fn of(connection: &mut PgConnection, accounts: &[&str]) -> QueryResult<Vec<Refusal>> {
    sql_query(
        "SELECT account, coalesce(evidence ->> 'error', '') AS error, \
           (evidence ->> 'refused_at')::bigint + $2 > extract(epoch FROM now()) AS stands \
         FROM findings \
         WHERE identity IN (SELECT 'account_unreadable:' || a FROM unnest($1) a) \
           AND evidence ->> 'refused_at' IS NOT NULL",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<BigInt, _>(PAUSE_S)
    .load(connection)
}

/// Notes that Stripe refused an account, and fails its pending refetches with that reason. A finding
/// that a person closed stays closed.
pub fn note(connection: &mut PgConnection, account: &AccountId, error: &str) -> QueryResult<()> {
    sql_query(
        "INSERT INTO findings (kind, confidence, evidence, account, identity, scope, detail) \
         VALUES ('account_unreadable', 1, json_build_object( \
             'error', $2, 'refused_at', floor(extract(epoch FROM now()))::bigint), \
           $1, 'account_unreadable:' || $1, 'account:' || $1, \
           'Stripe does not let us read account ' || $1 || ': nothing is asked about it for a day') \
         ON CONFLICT (identity) WHERE identity IS NOT NULL DO UPDATE \
         SET evidence = excluded.evidence, \
           found_at = CASE WHEN findings.closed_at IS NULL THEN findings.found_at ELSE now() END, \
           closed_at = CASE WHEN findings.closed_by IS NULL THEN NULL ELSE findings.closed_at END",
    )
    .bind::<Text, _>(account.as_str())
    .bind::<Text, _>(error)
    .execute(connection)?;
    sql_query(
        "UPDATE refetches SET state = 'failed', error = $2 \
         WHERE state = 'pending' AND account <> '' AND account = $1",
    )
    .bind::<Text, _>(account.as_str())
    .bind::<Text, _>(error)
    .execute(connection)
    .map(|_rows| ())
}

/// Notes that Stripe answered for an account, whatever it said before.
pub fn lift(connection: &mut PgConnection, account: &str) -> QueryResult<()> {
    sql_query(
        "UPDATE findings SET closed_at = coalesce(closed_at, now()), \
           evidence = json_build_object('error', evidence ->> 'error') \
         WHERE identity = 'account_unreadable:' || $1 AND evidence ->> 'refused_at' IS NOT NULL",
    )
    .bind::<Text, _>(account)
    .execute(connection)
    .map(|_rows| ())
}

/// Fails the pending refetches of accounts that are not asked: those that have disconnected and
/// those whose refusal stands. Returns how many.
pub fn fail_refetches(connection: &mut PgConnection) -> QueryResult<usize> {
    // Both begin at the index refetches_pending_of_accounts.
    let gone = sql_query(
        "UPDATE refetches r SET state = 'failed', error = 'the account has disconnected' \
         WHERE r.state = 'pending' AND r.account <> '' \
           AND EXISTS (SELECT FROM accounts a WHERE a.id = r.account AND a.deauthorized)",
    )
    .execute(connection)?;
    let refused = sql_query(
        "UPDATE refetches r SET state = 'failed', error = f.evidence ->> 'error' FROM findings f \
         WHERE r.state = 'pending' AND r.account <> '' \
           AND f.identity = 'account_unreadable:' || r.account \
           AND (f.evidence ->> 'refused_at')::bigint + $1 > extract(epoch FROM now())",
    )
    .bind::<BigInt, _>(PAUSE_S)
    .execute(connection)?;
    Ok(gone.saturating_add(refused))
}
