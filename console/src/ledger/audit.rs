//! Conservation of money, read page by page: payments against their shares, bookings against their
//! shares, and shares that neither leads to.
//!
//! *Invariant:* a page's keys and its comparison are read in one REPEATABLE READ transaction, so
//! that live traffic makes no difference; and each statement reads one page in the order of a key.

mod keys;

pub(crate) use keys::{
    ShareKey, bookings_after, is_there, objects_after, objects_of_booking_after, shares_after,
};

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use shared::folding::graph::Key;

use super::rows;
use crate::failure::Failure;

const PAYMENTS: &str = include_str!("audit/payments.sql");
const BOOKINGS: &str = include_str!("audit/bookings.sql");
const ORPHANS: &str = include_str!("audit/orphans.sql");

/// Something that does not add up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Difference {
    /// captured, `share_currency`, `negative_share`, `share_without_object`,
    /// `share_without_booking`, or the booking's column.
    pub(crate) problem: String,
    /// Empty: our own.
    pub(crate) account: String,
    /// The object or the booking.
    pub(crate) subject: String,
    pub(crate) currency: Option<String>,
    pub(crate) expected: Option<Number>,
    pub(crate) found: Option<Number>,
}

/// A payment, or a part of one, that belongs to no booking.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unassigned {
    pub(crate) account: String,
    pub(crate) object_id: String,
    pub(crate) currency: Option<String>,
    pub(crate) captured: i64,
    pub(crate) settled_elsewhere: i64,
    pub(crate) refunded: i64,
    pub(crate) disputed: i64,
    pub(crate) lost: i64,
    pub(crate) paid_at: Option<String>,
}

/// Unassigned money of a page in one currency.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Total {
    pub(crate) currency: Option<String>,
    pub(crate) payments: i64,
    pub(crate) captured: Number,
    pub(crate) settled_elsewhere: Number,
    pub(crate) refunded: Number,
}

/// The comparison of one page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Rows compared.
    pub(crate) compared: i64,
    /// Rows of older folding rules, not compared.
    pub(crate) old: i64,
    /// Held bookings, not compared.
    pub(crate) held: i64,
    /// All differences of the page.
    pub(crate) differing: i64,
    /// The first of them.
    pub(crate) differences: Vec<Difference>,
    pub(crate) unassigned: Vec<Unassigned>,
    pub(crate) totals: Vec<Total>,
}

#[derive(QueryableByName)]
struct PageRow {
    #[diesel(sql_type = BigInt)]
    compared: i64,
    #[diesel(sql_type = BigInt)]
    old: i64,
    #[diesel(sql_type = BigInt)]
    held: i64,
    #[diesel(sql_type = BigInt)]
    differing: i64,
    #[diesel(sql_type = Text)]
    differences: String,
    #[diesel(sql_type = Text)]
    unassigned: String,
    #[diesel(sql_type = Text)]
    totals: String,
}

/// Switches just-in-time compilation off for this transaction: for a statement that lives for one
/// page it takes three times as long as the page.
pub(crate) fn without_jit(db: &mut PgConnection) -> Result<(), Failure> {
    sql_query("SET LOCAL jit = off")
        .execute(db)
        .map(drop)
        .map_err(|source| Failure::Query {
            doing: "preparing a page",
            source,
        })
}

/// Compares these payments with their shares; at most `most` rows of each list.
pub(crate) fn payments(db: &mut PgConnection, keys: &[Key], most: i64) -> Result<Page, Failure> {
    let query = sql_query(PAYMENTS)
        .bind::<Array<Text>, _>(keys.iter().map(|key| &*key.account).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(keys.iter().map(|key| &*key.id).collect::<Vec<_>>())
        .bind::<BigInt, _>(most);
    page(rows(db, "comparing payments with their shares", query)?)
}

/// Compares these bookings with their shares.
pub(crate) fn bookings(db: &mut PgConnection, ids: &[String], most: i64) -> Result<Page, Failure> {
    let query = sql_query(BOOKINGS)
        .bind::<Array<Text>, _>(ids)
        .bind::<BigInt, _>(most);
    page(rows(db, "comparing bookings with their shares", query)?)
}

/// Looks for the objects and bookings of these shares.
pub(crate) fn orphans(
    db: &mut PgConnection,
    shares: &[ShareKey],
    most: i64,
) -> Result<Page, Failure> {
    let column = |of: fn(&ShareKey) -> &str| shares.iter().map(of).collect::<Vec<_>>();
    let query = sql_query(ORPHANS)
        .bind::<Array<Text>, _>(column(|it| &it.account))
        .bind::<Array<Text>, _>(column(|it| &it.object_id))
        .bind::<Array<Text>, _>(column(|it| &it.booking_id))
        .bind::<BigInt, _>(most);
    page(rows(db, "looking for the shares' owners", query)?)
}

fn page(found: Vec<PageRow>) -> Result<Page, Failure> {
    let row = found.into_iter().next().ok_or(Failure::Query {
        doing: "comparing a page",
        source: diesel::result::Error::NotFound,
    })?;
    Ok(Page {
        compared: row.compared,
        old: row.old,
        held: row.held,
        differing: row.differing,
        differences: read(&row.differences)?,
        unassigned: read(&row.unassigned)?,
        totals: read(&row.totals)?,
    })
}

fn read<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, Failure> {
    serde_json::from_str(text).map_err(|source| Failure::Json { source })
}
