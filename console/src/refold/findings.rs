//! What a finished shadow found: counts, every booking that differs, and what would make it right.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;
use serde_json::Value;
use shared::db::ledger::record_keys;
use shared::folding::graph::Key;

use super::wanted::{Plan, add, booking_wish, of_object};
use crate::failure::Failure;
use crate::ledger::rows;
use shared::folding::change::{Change, fields};

/// Most rows of each kind that one report lists.
const MOST_LISTED: i64 = 100_000;
/// Rows that are read at a time for a plan.
const PAGE: i64 = 1_000;

/// How many were compared and how many differ.
#[derive(Debug, Serialize, QueryableByName)]
pub(crate) struct Counts {
    #[diesel(sql_type = BigInt)]
    pub(crate) objects: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) objects_differing: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) bookings: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) bookings_differing: i64,
}

/// Differing bookings by the status they show and should show.
#[derive(Debug, Serialize, QueryableByName)]
pub(crate) struct Move {
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) before: Option<String>,
    /// Null: it cannot be folded.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) after: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(crate) bookings: i64,
}

/// A booking that differs.
#[derive(Debug, Serialize)]
pub(crate) struct BookingLine {
    pub(crate) id: String,
    pub(crate) changes: Vec<Change>,
}

/// An object that differs and belongs to no booking.
#[derive(Debug, Serialize, QueryableByName)]
pub(crate) struct ObjectLine {
    /// Empty: our own.
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Text)]
    pub(crate) r#type: String,
}

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) moves: Vec<Move>,
    pub(crate) bookings_that_differ: Vec<BookingLine>,
    pub(crate) objects_without_booking_that_differ: Vec<ObjectLine>,
    /// There are more than are listed.
    pub(crate) truncated: bool,
}

/// Reads what a run found.
///
/// # Errors
/// The database's.
pub(crate) fn findings(db: &mut PgConnection, run: &str) -> Result<Findings, Failure> {
    let counts = sql_query(
        "SELECT (SELECT count(*) FROM shadow_objects WHERE run_id = $1) AS objects, \
           (SELECT count(*) FROM shadow_objects WHERE run_id = $1 AND differs) AS objects_differing, \
           (SELECT count(*) FROM shadow_bookings WHERE run_id = $1) AS bookings, \
           (SELECT count(*) FROM shadow_bookings WHERE run_id = $1 AND differs) AS bookings_differing",
    )
    .bind::<Text, _>(run);
    let counts: Vec<Counts> = rows(db, "counting what differs", counts)?;
    let moves = sql_query(
        "SELECT live ->> 'status' AS before, shadow ->> 'status' AS after, count(*) AS bookings \
         FROM shadow_bookings WHERE run_id = $1 AND differs GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
    )
    .bind::<Text, _>(run);
    let objects = sql_query(
        "SELECT account, id, type FROM shadow_objects \
         WHERE run_id = $1 AND differs AND booking_id IS NULL ORDER BY account, id LIMIT $2",
    )
    .bind::<Text, _>(run)
    .bind::<BigInt, _>(MOST_LISTED);
    let moves = rows(db, "counting how bookings move", moves)?;
    let bookings = differing(db, run, "", MOST_LISTED)?;
    let objects: Vec<ObjectLine> = rows(db, "reading the objects that differ", objects)?;
    let is_full = |listed: usize| i64::try_from(listed).is_ok_and(|listed| listed >= MOST_LISTED);
    let counts = counts.into_iter().next().unwrap_or(Counts {
        objects: 0,
        objects_differing: 0,
        bookings: 0,
        bookings_differing: 0,
    });
    Ok(Findings {
        counts,
        moves,
        truncated: is_full(bookings.len()) || is_full(objects.len()),
        bookings_that_differ: bookings.into_iter().map(line).collect(),
        objects_without_booking_that_differ: objects,
    })
}

#[derive(QueryableByName)]
struct Differing {
    #[diesel(sql_type = Text)]
    booking_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    live: Option<String>,
    #[diesel(sql_type = Text)]
    shadow: String,
}

fn differing(
    db: &mut PgConnection,
    run: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Differing>, Failure> {
    let query = sql_query(
        "SELECT booking_id, live::text AS live, shadow::text AS shadow FROM shadow_bookings \
         WHERE run_id = $1 AND differs AND booking_id > $2 ORDER BY booking_id LIMIT $3",
    )
    .bind::<Text, _>(run)
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(limit);
    rows(db, "reading the bookings that differ", query)
}

fn line(row: Differing) -> BookingLine {
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let live = row.live.as_deref().map_or(Value::Null, parsed);
    BookingLine {
        id: row.booking_id,
        changes: fields(&live, &parsed(&row.shadow)),
    }
}

/// The commands that make right exactly what a run found wrong.
///
/// # Errors
/// The database's.
pub(crate) fn plan(db: &mut PgConnection, run: &str) -> Result<Plan, Failure> {
    let mut plan = Plan::new();
    let mut after = String::new();
    loop {
        let page = differing(db, run, &after, PAGE)?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.booking_id);
        for row in page {
            add(&mut plan, booking_wish(&row.booking_id));
        }
    }
    plan_objects(db, run, &mut plan)?;
    Ok(plan)
}

#[derive(QueryableByName)]
struct Wrong {
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Nullable<Text>)]
    live: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    shadow: Option<String>,
    #[diesel(sql_type = Bool)]
    stays: bool,
}

fn plan_objects(db: &mut PgConnection, run: &str, plan: &mut Plan) -> Result<(), Failure> {
    let mut after = (String::new(), String::new());
    loop {
        let query = sql_query(
            "SELECT s.account, s.id, o.booking_id AS live, s.booking_id AS shadow, \
               coalesce(o.booking_id = s.booking_id, false) AS stays \
             FROM shadow_objects s LEFT JOIN objects o ON o.account = s.account AND o.id = s.id \
             WHERE s.run_id = $1 AND s.differs AND (s.account, s.id) > ($2, $3) \
             ORDER BY s.account, s.id LIMIT $4",
        )
        .bind::<Text, _>(run)
        .bind::<Text, _>(&after.0)
        .bind::<Text, _>(&after.1)
        .bind::<BigInt, _>(PAGE);
        let page: Vec<Wrong> = rows(db, "reading the objects that differ", query)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = (last.account.clone(), last.id.clone());
        let key = |row: &Wrong| Key {
            account: row.account.clone(),
            id: row.id.clone(),
        };
        let alone: Vec<Key> = page.iter().filter(|row| !row.stays).map(key).collect();
        let found = record_keys(db, &alone).map_err(|source| Failure::Query {
            doing: "reading the objects' records",
            source,
        })?;
        for row in &page {
            let key = key(row);
            let belongs = (row.live.as_deref(), row.shadow.as_deref());
            let record_key = found.get(&key).map(String::as_str);
            add(plan, of_object(&key, belongs, record_key));
        }
    }
}
