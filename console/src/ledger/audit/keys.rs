//! The pages of an audit: keys in the order of a primary key, each page after the one before.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{QueryableByName, sql_query};
use shared::folding::graph::Key;

use crate::failure::Failure;
use crate::ledger::rows;

/// The key of a share. The least one is before all others.
#[derive(Debug, Clone, Default, QueryableByName)]
pub(crate) struct ShareKey {
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Text)]
    pub(crate) object_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) booking_id: String,
}

#[derive(QueryableByName)]
struct Pair {
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = Text)]
    id: String,
}

fn into_keys(pairs: Vec<Pair>) -> Vec<Key> {
    let key = |pair: Pair| Key {
        account: pair.account,
        id: pair.id,
    };
    pairs.into_iter().map(key).collect()
}

/// The next objects after this one.
pub(crate) fn objects_after(
    db: &mut PgConnection,
    after: &Key,
    limit: i64,
) -> Result<Vec<Key>, Failure> {
    let query = sql_query(
        "SELECT account, id FROM objects WHERE (account, id) > ($1, $2)
         ORDER BY account, id LIMIT $3",
    )
    .bind::<Text, _>(&after.account)
    .bind::<Text, _>(&after.id)
    .bind::<BigInt, _>(limit);
    rows(db, "reading the objects", query).map(into_keys)
}

/// The next objects after this one that belong to a booking or have a share of it.
pub(crate) fn objects_of_booking_after(
    db: &mut PgConnection,
    booking: &str,
    after: &Key,
    limit: i64,
) -> Result<Vec<Key>, Failure> {
    let query = sql_query(
        "SELECT account, id FROM (
             SELECT s.account, s.object_id AS id FROM object_shares s
             WHERE s.booking_id = $1 AND s.booking_id <> ''
             UNION SELECT o.account, o.id FROM objects o WHERE o.booking_id = $1
         ) k WHERE (account, id) > ($2, $3) ORDER BY account, id LIMIT $4",
    )
    .bind::<Text, _>(booking)
    .bind::<Text, _>(&after.account)
    .bind::<Text, _>(&after.id)
    .bind::<BigInt, _>(limit);
    rows(db, "reading the booking's objects", query).map(into_keys)
}

/// The next bookings after this one.
pub(crate) fn bookings_after(
    db: &mut PgConnection,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, Failure> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        id: String,
    }
    let query = sql_query("SELECT id FROM bookings WHERE id > $1 ORDER BY id LIMIT $2")
        .bind::<Text, _>(after)
        .bind::<BigInt, _>(limit);
    let found: Vec<Id> = rows(db, "reading the bookings", query)?;
    Ok(found.into_iter().map(|row| row.id).collect())
}

/// The next shares after this one.
pub(crate) fn shares_after(
    db: &mut PgConnection,
    after: &ShareKey,
    limit: i64,
) -> Result<Vec<ShareKey>, Failure> {
    let query = sql_query(
        "SELECT account, object_id, booking_id FROM object_shares
         WHERE (account, object_id, booking_id) > ($1, $2, $3)
         ORDER BY account, object_id, booking_id LIMIT $4",
    )
    .bind::<Text, _>(&after.account)
    .bind::<Text, _>(&after.object_id)
    .bind::<Text, _>(&after.booking_id)
    .bind::<BigInt, _>(limit);
    rows(db, "reading the shares", query)
}

/// Whether a booking has a row or a share.
pub(crate) fn is_there(db: &mut PgConnection, booking: &str) -> Result<bool, Failure> {
    #[derive(QueryableByName)]
    struct There {
        #[diesel(sql_type = Bool)]
        there: bool,
    }
    let query = sql_query(
        "SELECT EXISTS (SELECT FROM bookings WHERE id = $1)
             OR EXISTS (SELECT FROM object_shares WHERE booking_id = $1 AND booking_id <> '')
             AS there",
    )
    .bind::<Text, _>(booking);
    let found: Vec<There> = rows(db, "looking for the booking", query)?;
    Ok(found.first().is_some_and(|row| row.there))
}
