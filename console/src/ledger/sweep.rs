//! What the reconciler noted: sweeps, up to where accounts are complete, certificates, and the calls
//! it made. Plans and findings are in `plan` and `finding`.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;
use shared::windows::STRIPE_RETENTION_S;

use super::page::{Keyed, Page};
use super::walk::{Order, Walk};
use super::{MOST_ROWS, rows};
use crate::args::{SweepCertificates, SweepList};
use crate::cursor::Cursor;
use crate::failure::Failure;

/// One pass over a window.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct SweepRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    /// Empty: our own.
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) window_from: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) window_to: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) started_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Integer)]
    pub(crate) listed: i32,
    #[diesel(sql_type = Integer)]
    pub(crate) missing: i32,
    #[diesel(sql_type = Integer)]
    pub(crate) repaired: i32,
    /// None while it runs, or when it was killed.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) outcome: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error: Option<String>,
}

/// How one account stands.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct AccountRow {
    /// Empty: our own.
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) complete_from: Option<DateTime<Utc>>,
    /// None: nothing was proven yet.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) complete_up_to: Option<DateTime<Utc>>,
    /// Seconds since then, by the database's clock.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) age_seconds: Option<i64>,
    /// Plans that wait for a person.
    #[diesel(sql_type = BigInt)]
    pub(crate) open_plans: i64,
}

/// For a window: both sides, counted and hashed.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct CertificateRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) window_from: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) window_to: DateTime<Utc>,
    /// window, or rolled up: hour, day, month.
    #[diesel(sql_type = Text)]
    pub(crate) level: String,
    /// Windows that it was rolled up of; 1: it is one.
    #[diesel(sql_type = Integer)]
    pub(crate) parts: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) stripe_count: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) ledger_count: i64,
    #[diesel(sql_type = Text)]
    pub(crate) ids_hash: String,
    #[diesel(sql_type = Text)]
    pub(crate) ledger_hash: String,
    #[diesel(sql_type = Bool)]
    pub(crate) complete: bool,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) issued_at: DateTime<Utc>,
    /// Version of the reconciler.
    #[diesel(sql_type = Text)]
    pub(crate) issued_by: String,
}

/// Calls of one purpose in 30 days.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct CallsRow {
    #[diesel(sql_type = Text)]
    pub(crate) purpose: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) calls: i64,
}

/// What the allowance goes by, and whether nobody may call now.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Ground {
    #[diesel(sql_type = BigInt)]
    pub(crate) transactions: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) held_until: Option<DateTime<Utc>>,
}

impl Keyed for SweepRow {
    fn cursor(&self) -> String {
        let (at, id) = (self.started_at, self.id);
        Cursor { at, id }.to_string()
    }
}

/// Sweeps that match all filters, the newest first.
pub(crate) fn sweeps(db: &mut PgConnection, filter: &SweepList) -> Result<Page<SweepRow>, Failure> {
    let mut walk = Walk::new("sweeps", "s", Order::NewestFirst("s.started_at", "s.id"));
    // An index for both filters: deep sweeps are rare among the tail sweeps of an account.
    match (filter.account.as_deref(), filter.kind.as_deref()) {
        (Some(account), Some(kind)) => {
            walk.lead("s.account = $", account);
            walk.bound("s.kind = $", kind);
        }
        (Some(account), None) => walk.lead("s.account = $", account),
        (None, Some(kind)) => walk.lead("s.kind = $", kind),
        (None, None) => {}
    }
    if let Some(since) = filter.since {
        walk.bound("s.started_at >= $", since);
    }
    walk.after(filter.after.as_ref());
    let columns =
        "s.id, s.kind, s.account, s.window_from, s.window_to, s.started_at, s.finished_at,
        s.listed, s.missing, s.repaired, s.outcome, s.error";
    walk.page(db, "reading the sweeps", columns, i64::from(filter.limit))
}

/// The standing of these accounts, and, without `only`, of the others that were seen, of which
/// something is proven, or waits for a person; 5,000 at most.
pub(crate) fn accounts(
    db: &mut PgConnection,
    listed: &[String],
    only: Option<&str>,
) -> Result<Vec<AccountRow>, Failure> {
    let query = sql_query(
        "WITH known AS (
             SELECT unnest($1) AS account UNION SELECT account FROM proofs
             UNION SELECT account FROM seen_accounts
             UNION SELECT account FROM repair_plans WHERE state = 'open'
         )
         SELECT k.account, p.proven_from AS complete_from, p.proven_to AS complete_up_to,
             greatest(extract(epoch FROM now() - p.proven_to), 0)::bigint AS age_seconds,
             (SELECT count(*) FROM repair_plans r
              WHERE r.account = k.account AND r.state = 'open') AS open_plans
         FROM known k LEFT JOIN proofs p USING (account)
         WHERE ($2 IS NULL OR k.account = $2)
         ORDER BY k.account LIMIT $3",
    )
    .bind::<Array<Text>, _>(listed)
    .bind::<Nullable<Text>, _>(only)
    .bind::<BigInt, _>(MOST_ROWS);
    rows(db, "reading up to where it is complete", query)
}

impl Keyed for CertificateRow {
    fn cursor(&self) -> String {
        let (at, id) = (self.window_from, self.id);
        Cursor { at, id }.to_string()
    }
}

/// No window is longer: Stripe lists what is younger than 30 days, and a month's windows are rolled
/// up to one.
const LONGEST_WINDOW: TimeDelta = TimeDelta::seconds(STRIPE_RETENTION_S + 31 * 86_400);

/// Certificates that match all filters, the newest window first.
pub(crate) fn certificates(
    db: &mut PgConnection,
    filter: &SweepCertificates,
) -> Result<Page<CertificateRow>, Failure> {
    let order = Order::NewestFirst("c.window_from", "c.id");
    let mut walk = Walk::new("certificates", "c", order);
    if let Some(account) = filter.account.as_deref() {
        walk.lead("c.account = $", account);
    }
    if let Some(from) = filter.from {
        walk.check("c.window_to > $", from);
        // What begins earlier has ended by then.
        if let Some(earliest) = from.checked_sub_signed(LONGEST_WINDOW) {
            walk.bound("c.window_from >= $", earliest);
        }
    }
    if let Some(to) = filter.to {
        walk.bound("c.window_from < $", to);
    }
    walk.after(filter.after.as_ref());
    let columns = "c.id, c.account, c.window_from, c.window_to, c.level, c.parts, c.stripe_count,
        c.ledger_count, c.ids_hash, c.ledger_hash, c.complete, c.issued_at, c.issued_by";
    let limit = i64::from(filter.limit);
    walk.page(db, "reading the certificates", columns, limit)
}

/// Calls of the last 30 days, today included.
pub(crate) fn calls(db: &mut PgConnection) -> Result<Vec<CallsRow>, Failure> {
    let query = sql_query(
        "SELECT purpose, sum(calls)::bigint AS calls FROM api_calls
         WHERE day > (now() AT TIME ZONE 'UTC')::date - 30
         GROUP BY purpose ORDER BY purpose",
    );
    rows(db, "reading the calls", query)
}

/// Payments of the last 30 days that count here, and the hold, if one stands.
pub(crate) fn ground(db: &mut PgConnection) -> Result<Ground, Failure> {
    let query = sql_query(
        "SELECT (SELECT count(*) FROM events
                 WHERE type = 'charge.succeeded' AND record_kind = 'event'
                   AND disposition <> 'ignored' AND created >= now() - interval '30 days')
                AS transactions,
             (SELECT to_timestamp(max(held_until_us) / 1000000.0) FROM api_budget
              WHERE held_until_us > extract(epoch FROM clock_timestamp()) * 1000000)
                AS held_until",
    );
    let found = rows(db, "reading the budget", query)?;
    Ok(found.into_iter().next().unwrap_or(Ground {
        transactions: 0,
        held_until: None,
    }))
}
