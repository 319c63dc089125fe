//! Which objects belong to which bookings, as the tables say, and what bookings show. Reads only,
//! each bounded.

use std::collections::BTreeMap;

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use super::ties::{Pair, split};
use crate::folding::graph::Key;
use crate::folding::rebuild::{HumanInputs, Registered};
use crate::folding::{Registration, Shown};
use crate::ids::BookingId;
use crate::money::Currency;

/// Every object that belongs to one of these bookings, names it, is registered for it or assigned
/// to it, or had events that were applied to it; at most `limit` + 1.
///
/// # Errors
/// diesel's.
pub fn of_bookings(
    conn: &mut PgConnection,
    bookings: &[String],
    limit: i64,
) -> QueryResult<Vec<Key>> {
    let rows: Vec<Pair> = sql_query(
        "SELECT account, id FROM objects WHERE booking_id = ANY ($1) \
         UNION SELECT account, object_id FROM object_shares WHERE booking_id = ANY ($1) \
         UNION SELECT account, object_id FROM object_mentions WHERE booking_id = ANY ($1) \
         UNION SELECT account, object_id FROM assignments WHERE booking_id = ANY ($1) \
         UNION SELECT coalesce(r.account, ''), i.payment_intent_id FROM registered_intents i \
           JOIN registrations r ON r.booking_id = i.booking_id \
           WHERE i.booking_id = ANY ($1) AND i.folded_at IS NOT NULL \
         UNION SELECT coalesce(account, ''), object_id FROM events \
           WHERE booking_id = ANY ($1) AND object_id IS NOT NULL \
             AND disposition IN ('applied', 'no_change') \
         LIMIT $2",
    )
    .bind::<Array<Text>, _>(bookings)
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)?;
    Ok(rows.into_iter().map(Key::from).collect())
}

/// An object's row, as far as it says what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belonging {
    /// Stripe's object name.
    pub kind: String,
    /// The booking it belongs to.
    pub booking_id: Option<String>,
}

/// Those of these objects that have a row.
///
/// # Errors
/// diesel's.
pub fn of_objects(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<BTreeMap<Key, Belonging>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(embed)]
        key: Pair,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Nullable<Text>)]
        booking_id: Option<String>,
    }
    let (accounts, ids) = split(keys);
    let rows: Vec<Row> = sql_query(
        "SELECT o.account, o.id, o.type AS kind, o.booking_id \
         FROM UNNEST($1, $2) AS k (account, id) \
           JOIN objects o ON o.account = k.account AND o.id = k.id",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    let belonging = rows.into_iter().map(|row| {
        let it = Belonging {
            kind: row.kind,
            booking_id: row.booking_id,
        };
        (row.key.into(), it)
    });
    Ok(belonging.collect())
}

/// Every booking that these objects ever named, have shares of, or were assigned to or registered
/// for.
///
/// # Errors
/// diesel's.
pub fn mentioned(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        booking_id: String,
    }
    let (accounts, ids) = split(keys);
    let rows: Vec<Row> = sql_query(
        "WITH k AS (SELECT * FROM UNNEST($1, $2) AS k (account, id)) \
         SELECT m.booking_id FROM k JOIN object_mentions m ON m.account = k.account AND m.object_id = k.id \
         UNION SELECT s.booking_id FROM k \
           JOIN object_shares s ON s.account = k.account AND s.object_id = k.id WHERE s.booking_id <> '' \
         UNION SELECT a.booking_id FROM k \
           JOIN assignments a ON a.account = k.account AND a.object_id = k.id \
           WHERE a.booking_id IS NOT NULL \
         UNION SELECT i.booking_id FROM k CROSS JOIN LATERAL ( \
           SELECT r.booking_id FROM registered_intents r \
           WHERE r.payment_intent_id = k.id AND r.folded_at IS NOT NULL LIMIT 1) i",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.booking_id).collect())
}

/// What the application and operators put in about these objects and bookings.
///
/// # Errors
/// diesel's.
pub fn human_inputs(
    conn: &mut PgConnection,
    keys: &[Key],
    bookings: &[String],
) -> QueryResult<HumanInputs> {
    Ok(HumanInputs {
        registered: registered(conn, bookings)?,
        intents: intents(conn, keys)?,
        assignments: assignments(conn, keys)?,
    })
}

/// The folded registrations of these bookings, as amended last.
fn registered(
    conn: &mut PgConnection,
    bookings: &[String],
) -> QueryResult<BTreeMap<String, Registered>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        booking_id: String,
        #[diesel(sql_type = BigInt)]
        amount: i64,
        #[diesel(sql_type = Text)]
        currency: String,
        #[diesel(sql_type = Text)]
        account: String,
        #[diesel(sql_type = Text)]
        covers: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT r.booking_id, coalesce(m.amount, r.amount) AS amount, \
           coalesce(m.currency, r.currency) AS currency, coalesce(r.account, '') AS account, r.covers \
         FROM registrations r LEFT JOIN LATERAL ( \
           SELECT a.amount, a.currency FROM amendments a WHERE a.booking_id = r.booking_id \
           ORDER BY a.action_id DESC LIMIT 1 \
         ) m ON true \
         WHERE r.folded_at IS NOT NULL AND r.booking_id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(bookings)
    .load(conn)?;
    // The table's constraints refuse what these would refuse: a row that slipped through is no
    // registration.
    let parsed = rows.into_iter().filter_map(|row| {
        let registration = Registration {
            booking_id: BookingId::parse(&row.booking_id).ok()?,
            amount: row.amount,
            currency: Currency::parse(&row.currency).ok()?,
            covers_subscription: row.covers == "subscription",
        };
        let registered = Registered {
            registration,
            account: row.account,
        };
        Some((row.booking_id, registered))
    });
    Ok(parsed.collect())
}

/// The folded registered payment intents among these objects. A registration for a connected
/// account may be paid on that account, or on ours by a destination charge.
fn intents(conn: &mut PgConnection, keys: &[Key]) -> QueryResult<BTreeMap<Key, String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        booking_id: String,
        #[diesel(sql_type = Text)]
        account: String,
    }
    let (_, ids) = split(keys);
    // Each limit makes the planner look up one row a key: for a whole batch's keys it would read both
    // tables, however large they are.
    let rows: Vec<Row> = sql_query(
        "SELECT k.id, i.booking_id, r.account FROM UNNEST($1) AS k (id) \
           CROSS JOIN LATERAL ( \
             SELECT n.booking_id FROM registered_intents n \
             WHERE n.payment_intent_id = k.id AND n.folded_at IS NOT NULL LIMIT 1) i \
           CROSS JOIN LATERAL ( \
             SELECT coalesce(g.account, '') AS account FROM registrations g \
             WHERE g.booking_id = i.booking_id LIMIT 1) r",
    )
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    let mut found = BTreeMap::new();
    for row in rows {
        for account in [row.account, String::new()] {
            let key = Key {
                account,
                id: row.id.clone(),
            };
            found.insert(key, row.booking_id.clone());
        }
    }
    Ok(found)
}

/// The last assignment of each of these objects; none: it belongs to no booking.
fn assignments(
    conn: &mut PgConnection,
    keys: &[Key],
) -> QueryResult<BTreeMap<Key, Option<String>>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(embed)]
        key: Pair,
        #[diesel(sql_type = Nullable<Text>)]
        booking_id: Option<String>,
    }
    let (accounts, ids) = split(keys);
    let rows: Vec<Row> = sql_query(
        "SELECT DISTINCT ON (a.account, a.object_id) a.account, a.object_id AS id, a.booking_id \
         FROM UNNEST($1, $2) AS k (account, id) \
           JOIN assignments a ON a.account = k.account AND a.object_id = k.id \
         ORDER BY a.account, a.object_id, a.action_id DESC",
    )
    .bind::<Array<Text>, _>(accounts)
    .bind::<Array<Text>, _>(ids)
    .load(conn)?;
    let found = rows.into_iter();
    Ok(found.map(|row| (row.key.into(), row.booking_id)).collect())
}

/// Whether a booking shows anything, or is registered.
///
/// # Errors
/// diesel's.
pub fn is_known(conn: &mut PgConnection, booking: &str) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        known: bool,
    }
    let row: Row = sql_query(
        "SELECT EXISTS (SELECT FROM bookings WHERE id = $1 AND version > 0) \
           OR EXISTS (SELECT FROM registrations WHERE booking_id = $1 AND folded_at IS NOT NULL) \
           AS known",
    )
    .bind::<Text, _>(booking)
    .get_result(conn)?;
    Ok(row.known)
}

/// What these bookings show; those that show nothing yet are left out.
///
/// # Errors
/// diesel's; a row that does not read as [`Shown`] is a deserialization error.
pub fn shown(conn: &mut PgConnection, bookings: &[String]) -> QueryResult<BTreeMap<String, Shown>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        shown: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT id, row_to_json(b)::text AS shown FROM bookings b \
         WHERE version > 0 AND id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(bookings)
    .load(conn)?;
    rows.into_iter()
        .map(|row| Ok((row.id, shown_of(&row.shown)?)))
        .collect()
}

/// What a row of `bookings`, as JSON, shows.
///
/// # Errors
/// A deserialization error.
pub fn shown_of(row: &str) -> QueryResult<Shown> {
    serde_json::from_str(row)
        .map_err(|cause| diesel::result::Error::DeserializationError(Box::new(cause)))
}
