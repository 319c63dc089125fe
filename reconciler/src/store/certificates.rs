//! Certificates, and up to where they prove an account complete.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::diffs::Comparison;
use shared::ids::AccountId;
use shared::windows::Window;

use super::at;
use super::sweeps::{count, key};
use crate::proof::{self, Proven};

/// Issues the certificate of a window and moves the account's proof by it. `oldest`: the first
/// second that Stripe still lists.
pub fn issue(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    window: Window,
    comparison: &Comparison,
    oldest: i64,
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO certificates (account, window_from, window_to, stripe_count, ledger_count, \
         ids_hash, ledger_hash, complete, issued_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind::<Text, _>(key(account))
    .bind::<Timestamptz, _>(at(window.from()))
    .bind::<Timestamptz, _>(at(window.to()))
    .bind::<Integer, _>(count(comparison.stripe.count))
    .bind::<Integer, _>(count(comparison.ledger.count))
    .bind::<Text, _>(&comparison.stripe.hash)
    .bind::<Text, _>(&comparison.ledger.hash)
    .bind::<Bool, _>(comparison.is_complete())
    .bind::<Text, _>(concat!("reconciler ", env!("CARGO_PKG_VERSION")))
    .execute(connection)?;
    let proven = proven(connection, account)?;
    let after = proof::after(proven, window, comparison.is_complete(), oldest);
    if Some(after) != proven {
        prove(connection, account, after)?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = Timestamptz)]
    proven_from: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    proven_to: DateTime<Utc>,
}

/// The span that is proven complete. Locks its row: sweeps of several processes move it.
pub fn proven(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
) -> QueryResult<Option<Proven>> {
    let span: Option<Span> =
        sql_query("SELECT proven_from, proven_to FROM proofs WHERE account = $1 FOR UPDATE")
            .bind::<Text, _>(key(account))
            .get_result(connection)
            .optional()?;
    Ok(span.map(|span| Proven {
        from: span.proven_from.timestamp(),
        to: span.proven_to.timestamp(),
    }))
}

fn prove(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    proven: Proven,
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO proofs (account, proven_from, proven_to) VALUES ($1, $2, $3) \
         ON CONFLICT (account) DO UPDATE SET proven_from = excluded.proven_from, \
           proven_to = excluded.proven_to, updated_at = now()",
    )
    .bind::<Text, _>(key(account))
    .bind::<Timestamptz, _>(at(proven.from))
    .bind::<Timestamptz, _>(at(proven.to))
    .execute(connection)
    .map(|_rows| ())
}

/// Up to where all accounts are complete, and the one that holds the others back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteUpTo {
    /// The least of their proofs' ends, in seconds since 1970; `None`: nothing is proven of
    /// `held_back_by`.
    pub at: Option<i64>,
    /// The account whose proof ends first; empty: our own.
    pub held_back_by: String,
}

/// Complete up to here, over all of `accounts`; `None`: there are none.
pub fn complete_up_to(
    connection: &mut PgConnection,
    accounts: &[Option<AccountId>],
) -> QueryResult<Option<CompleteUpTo>> {
    #[derive(QueryableByName)]
    struct Least {
        #[diesel(sql_type = Text)]
        account: String,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        proven_to: Option<DateTime<Utc>>,
    }
    let keys: Vec<&str> = accounts.iter().map(|it| key(it.as_ref())).collect();
    let least: Option<Least> = sql_query(
        "SELECT a.account, p.proven_to \
         FROM unnest($1) AS a (account) LEFT JOIN proofs p ON p.account = a.account \
         ORDER BY p.proven_to NULLS FIRST, a.account LIMIT 1",
    )
    .bind::<diesel::sql_types::Array<Text>, _>(keys)
    .get_result(connection)
    .optional()?;
    Ok(least.map(|row| CompleteUpTo {
        at: row.proven_to.map(|at| at.timestamp()),
        held_back_by: row.account,
    }))
}
