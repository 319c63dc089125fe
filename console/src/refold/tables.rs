//! `refold_runs`, `shadow_objects` and `shadow_bookings`: the console's own, and nobody else's.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::query_builder::QueryId;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;
use serde_json::json;
use shared::folding::FOLD_VERSION;
use shared::folding::graph::Key;

use super::shadow::Shadow;
use crate::failure::Failure;
use crate::ledger::rows;

/// A refold of everything.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Run {
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Integer)]
    pub(crate) fold_version: i32,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) started_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// Objects folded so far.
    #[diesel(sql_type = BigInt)]
    pub(crate) objects: i64,
    /// Ledger rows read so far.
    #[diesel(sql_type = BigInt)]
    pub(crate) events: i64,
}

/// Runs one statement; `doing` names it in the error.
pub(super) fn execute<Q>(
    db: &mut PgConnection,
    doing: &'static str,
    query: Q,
) -> Result<usize, Failure>
where
    Q: ExecuteDsl<PgConnection> + QueryId,
{
    Q::execute(query, db).map_err(|source| Failure::Query { doing, source })
}

/// Whether this role may keep a shadow.
///
/// # Errors
/// 4 when it may not.
pub(crate) fn may_keep(db: &mut PgConnection) -> Result<(), Failure> {
    #[derive(QueryableByName)]
    struct Allowed {
        #[diesel(sql_type = Bool)]
        allowed: bool,
        #[diesel(sql_type = Text)]
        role: String,
    }
    let query = sql_query(
        "SELECT has_table_privilege('shadow_objects', 'INSERT') AS allowed, \
           current_user::text AS role",
    );
    let answer: Vec<Allowed> = rows(db, "reading the role's rights", query)?;
    match answer.into_iter().next() {
        Some(answer) if !answer.allowed => Err(Failure::NotAllowed {
            what: format!("the database role {} may not fold a shadow", answer.role),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Begins a run.
///
/// # Errors
/// The database's.
pub(crate) fn begin(db: &mut PgConnection) -> Result<Run, Failure> {
    let id = format!("ref_{:032x}", rand::random::<u128>());
    let query = sql_query("INSERT INTO refold_runs (id, fold_version) VALUES ($1, $2)")
        .bind::<Text, _>(&id)
        .bind::<Integer, _>(FOLD_VERSION);
    execute(db, "beginning a run", query)?;
    find(db, &id)
}

/// The run with this id.
///
/// # Errors
/// 3 when there is none; the database's.
pub(crate) fn find(db: &mut PgConnection, id: &str) -> Result<Run, Failure> {
    let query = sql_query(
        "SELECT id, fold_version, started_at, finished_at, objects, events \
         FROM refold_runs WHERE id = $1",
    )
    .bind::<Text, _>(id);
    let found: Vec<Run> = rows(db, "reading the run", query)?;
    let nothing = || Failure::NothingMatched {
        what: format!("no refold run {id}"),
    };
    found.into_iter().next().ok_or_else(nothing)
}

/// Forgets a run and all it folded.
///
/// # Errors
/// The database's.
pub(crate) fn forget(db: &mut PgConnection, id: &str) -> Result<(), Failure> {
    let query = sql_query("DELETE FROM refold_runs WHERE id = $1").bind::<Text, _>(id);
    execute(db, "dropping the run", query).map(drop)
}

/// Says that every object was folded.
///
/// # Errors
/// The database's.
pub(crate) fn finish(db: &mut PgConnection, id: &str) -> Result<(), Failure> {
    let query = sql_query(
        "UPDATE refold_runs SET finished_at = now() WHERE id = $1 AND finished_at IS NULL",
    )
    .bind::<Text, _>(id);
    execute(db, "finishing the run", query).map(drop)
}

/// Writes what was folded together, in the place of what an earlier look had.
///
/// # Errors
/// The database's.
pub(crate) fn keep(db: &mut PgConnection, run: &str, shadow: &Shadow) -> Result<(), Failure> {
    let new = keep_objects(db, run, shadow)?;
    keep_bookings(db, run, shadow)?;
    let query = sql_query(
        "UPDATE refold_runs SET objects = objects + $2, events = events + $3 WHERE id = $1",
    )
    .bind::<Text, _>(run)
    .bind::<BigInt, _>(new)
    .bind::<BigInt, _>(i64::try_from(shadow.rows).unwrap_or(i64::MAX));
    execute(db, "noting how far the run is", query).map(drop)
}

/// Returns how many had not been folded before.
fn keep_objects(db: &mut PgConnection, run: &str, shadow: &Shadow) -> Result<i64, Failure> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        new: i64,
    }
    let mut states = Vec::with_capacity(shadow.objects.len());
    for object in &shadow.objects {
        let state = serde_json::to_string(&object.state);
        states.push(state.map_err(|source| Failure::Json { source })?);
    }
    let objects = || shadow.objects.iter();
    let query = sql_query(
        // A row that was inserted has no earlier version: its xmax is 0.
        "WITH kept AS (INSERT INTO shadow_objects (run_id, account, id, type, state, booking_id, differs) \
         SELECT $1, o.account, o.id, o.type, o.state::json, o.booking_id, o.differs \
         FROM UNNEST($2, $3, $4, $5, $6, $7) AS o (account, id, type, state, booking_id, differs) \
         ON CONFLICT ON CONSTRAINT shadow_objects_pkey DO UPDATE SET type = EXCLUDED.type, \
           state = EXCLUDED.state, booking_id = EXCLUDED.booking_id, differs = EXCLUDED.differs \
         RETURNING xmax = 0 AS new) SELECT count(*) FILTER (WHERE new) AS new FROM kept",
    )
    .bind::<Text, _>(run)
    .bind::<Array<Text>, _>(objects().map(|it| it.key.account.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(objects().map(|it| it.key.id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(objects().map(|it| it.kind.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(states)
    .bind::<Array<Nullable<Text>>, _>(
        objects().map(|it| it.booking_id.as_deref()).collect::<Vec<_>>(),
    )
    .bind::<Array<Bool>, _>(objects().map(|it| !it.changes.is_empty()).collect::<Vec<_>>());
    let kept: Vec<Row> = rows(db, "keeping the objects", query)?;
    Ok(kept.into_iter().map(|row| row.new).sum())
}

fn keep_bookings(db: &mut PgConnection, run: &str, shadow: &Shadow) -> Result<(), Failure> {
    let bookings = || shadow.bookings.iter();
    let live = bookings().map(|it| it.live.as_ref().map(|shown| json!(shown).to_string()));
    let folded = bookings().map(|it| match &it.shadow {
        Ok(shown) => json!(shown).to_string(),
        Err(error) => json!({"error": error.to_string()}).to_string(),
    });
    let query = sql_query(
        "INSERT INTO shadow_bookings (run_id, booking_id, live, shadow, differs) \
         SELECT $1, b.booking_id, b.live::json, b.shadow::json, b.differs \
         FROM UNNEST($2, $3, $4, $5) AS b (booking_id, live, shadow, differs) \
         ON CONFLICT ON CONSTRAINT shadow_bookings_pkey DO UPDATE \
           SET live = EXCLUDED.live, shadow = EXCLUDED.shadow, differs = EXCLUDED.differs",
    )
    .bind::<Text, _>(run)
    .bind::<Array<Text>, _>(bookings().map(|it| it.id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(live.collect::<Vec<_>>())
    .bind::<Array<Text>, _>(folded.collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(
        bookings()
            .map(|it| !it.changes.is_empty())
            .collect::<Vec<_>>(),
    );
    execute(db, "keeping the bookings", query).map(drop)
}

/// The next objects after this one that the run has not folded, in the order of their keys.
///
/// # Errors
/// The database's.
pub(crate) fn objects_left(
    db: &mut PgConnection,
    run: &str,
    after: &Key,
    limit: i64,
) -> Result<Vec<Key>, Failure> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        account: String,
        #[diesel(sql_type = Text)]
        id: String,
    }
    let query = sql_query(
        "SELECT o.account, o.id FROM objects o WHERE (o.account, o.id) > ($2, $3) \
           AND NOT EXISTS (SELECT FROM shadow_objects s \
             WHERE s.run_id = $1 AND s.account = o.account AND s.id = o.id) \
         ORDER BY o.account, o.id LIMIT $4",
    )
    .bind::<Text, _>(run)
    .bind::<Text, _>(&after.account)
    .bind::<Text, _>(&after.id)
    .bind::<BigInt, _>(limit);
    let found: Vec<Row> = rows(db, "reading the objects", query)?;
    let keys = found.into_iter().map(|row| Key {
        account: row.account,
        id: row.id,
    });
    Ok(keys.collect())
}

/// The next bookings after this one that show something or are registered, and that the run has
/// not folded, in the order of their ids.
///
/// # Errors
/// The database's.
pub(crate) fn bookings_left(
    db: &mut PgConnection,
    run: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, Failure> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
    }
    // Each half is bounded by itself, so that both are read in the order of an index.
    let query = sql_query(
        "SELECT id FROM ( \
           (SELECT b.id FROM bookings b WHERE b.version > 0 AND b.id > $2 \
              AND NOT EXISTS (SELECT FROM shadow_bookings s WHERE s.run_id = $1 AND s.booking_id = b.id) \
            ORDER BY b.id LIMIT $3) \
           UNION \
           (SELECT r.booking_id FROM registrations r WHERE r.folded_at IS NOT NULL \
              AND r.booking_id > $2 \
              AND NOT EXISTS (SELECT FROM shadow_bookings s WHERE s.run_id = $1 AND s.booking_id = r.booking_id) \
            ORDER BY r.booking_id LIMIT $3) \
         ) AS n ORDER BY id LIMIT $3",
    )
    .bind::<Text, _>(run)
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(limit);
    let found: Vec<Row> = rows(db, "reading the bookings", query)?;
    Ok(found.into_iter().map(|row| row.id).collect())
}
