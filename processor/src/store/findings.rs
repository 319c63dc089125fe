//! `findings` of folding: each is open as long as its contradiction holds and no person closed it.

use std::collections::BTreeMap;

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};
use shared::folding::money::Finding;

/// A kind that is told for good: only a person closes it.
const FOR_GOOD: &str = "history";

/// Opens what holds and closes what does not hold any more, for each of these scopes.
///
/// # Errors
/// diesel's.
pub fn sync(conn: &mut PgConnection, scopes: &BTreeMap<String, Vec<Finding>>) -> QueryResult<()> {
    if scopes.is_empty() {
        return Ok(());
    }
    let held: Vec<(&str, &Finding)> = scopes
        .iter()
        .flat_map(|(scope, found)| found.iter().map(|one| (scope.as_str(), one)))
        .collect();
    let identities: Vec<&str> = held.iter().map(|(_, one)| one.identity.as_str()).collect();
    // Few scopes have an open finding: the partial index says so without reading the table.
    sql_query(
        "UPDATE findings SET closed_at = now(), closed_by = NULL \
         WHERE scope = ANY ($1) AND closed_at IS NULL AND identity <> ALL ($2)",
    )
    .bind::<Array<Text>, _>(scopes.keys().map(String::as_str).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(identities)
    .execute(conn)?;
    if !held.is_empty() {
        open(conn, &held)?;
    }
    Ok(())
}

/// Opens findings that nothing but a person closes.
///
/// # Errors
/// diesel's.
pub fn tell(conn: &mut PgConnection, found: &[Finding]) -> QueryResult<()> {
    let held: Vec<(&str, &Finding)> = found.iter().map(|one| (FOR_GOOD, one)).collect();
    open(conn, &held)
}

/// Closes what says that these bookings never change: they did.
///
/// # Errors
/// diesel's.
pub fn no_longer_abandoned(conn: &mut PgConnection, bookings: &[&str]) -> QueryResult<usize> {
    let scopes: Vec<String> = bookings
        .iter()
        .map(|id| format!("abandoned:{id}"))
        .collect();
    // By the index findings_open_by_scope: next to no booking has one.
    sql_query(
        "UPDATE findings SET closed_at = now(), closed_by = NULL \
         WHERE scope = ANY ($1) AND closed_at IS NULL",
    )
    .bind::<Array<Text>, _>(scopes)
    .execute(conn)
}

fn open(conn: &mut PgConnection, held: &[(&str, &Finding)]) -> QueryResult<()> {
    let text = |f: &dyn Fn(&(&str, &Finding)) -> String| held.iter().map(f).collect::<Vec<_>>();
    let optional = |f: &dyn Fn(&Finding) -> Option<String>| {
        held.iter().map(|(_, it)| f(it)).collect::<Vec<_>>()
    };
    sql_query(
        "INSERT INTO findings (kind, confidence, evidence, account, object_id, booking_id, identity, \
           scope, detail, closed_at, closed_by) \
         SELECT DISTINCT ON (f.identity) f.kind, 1, f.evidence::json, coalesce(f.account, ''), f.object_id, \
           f.booking_id, f.identity, f.scope, f.detail, c.at, c.action_id \
         FROM UNNEST($1, $2, $3, $4, $5, $6, $7, $8) \
           AS f (kind, evidence, account, object_id, booking_id, identity, scope, detail) \
           LEFT JOIN finding_closures c ON c.identity = f.identity \
         ORDER BY f.identity \
         ON CONFLICT (identity) WHERE identity IS NOT NULL DO UPDATE SET \
           closed_at = EXCLUDED.closed_at, closed_by = EXCLUDED.closed_by, found_at = now(), \
           evidence = EXCLUDED.evidence, detail = EXCLUDED.detail, booking_id = EXCLUDED.booking_id \
         WHERE (findings.closed_at IS NULL) <> (EXCLUDED.closed_at IS NULL)",
    )
    .bind::<Array<Text>, _>(text(&|(_, it)| it.kind.to_owned()))
    .bind::<Array<Text>, _>(text(&|(_, it)| it.evidence.to_string()))
    .bind::<Array<Nullable<Text>>, _>(optional(&|it| it.key.as_ref().map(|key| key.account.clone())))
    .bind::<Array<Nullable<Text>>, _>(optional(&|it| it.key.as_ref().map(|key| key.id.clone())))
    .bind::<Array<Nullable<Text>>, _>(optional(&|it| it.booking_id.clone()))
    .bind::<Array<Text>, _>(text(&|(_, it)| it.identity.clone()))
    .bind::<Array<Text>, _>(text(&|(scope, _)| (*scope).to_owned()))
    .bind::<Array<Text>, _>(text(&|(_, it)| it.detail.clone()))
    .execute(conn)
    .map(|_rows| ())
}
