//! `booking_checks`: which bookings wait, and when Stripe is asked about each next.
//!
//! Invariant: every booking that waits is found, by the walk of its kind, once for each change of it.
//! A walk reads a span of an index and moves its cursor in the same transaction that writes what it
//! found, so that one that breaks off is taken up where it stood.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Double, Nullable, SmallInt, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, sql_query};

use crate::due::Slot;

/// The predicate of the index `bookings_waiting`, and what no answer of Stripe's helps: a booking of
/// too many payments waits for a person.
macro_rules! waits {
    () => {
        "((b.status IN ('pending', 'processing', 'requires_action', 'authorized') \
            OR b.hold IS NOT NULL) AND b.hold IS DISTINCT FROM 'too_many_payments')"
    };
}

/// Since when a booking waits: its last change, or the lapse of its authorization.
macro_rules! since {
    () => {
        "(CASE WHEN b.status = 'authorized' AND b.hold IS NULL \
            THEN greatest(b.updated_at, b.authorized_until) ELSE b.updated_at END)"
    };
}

/// Whether its wait begins with the lapse of its authorization.
macro_rules! lapses {
    () => {
        "(b.status = 'authorized' AND b.hold IS NULL AND b.authorized_until IS NOT NULL)"
    };
}

/// One way to find bookings that wait, with a cursor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// What changed lately, in the order of the changes.
    Forwards,
    /// What had changed before the first walk, the newest first; ends one day.
    Backwards,
    /// Authorizations that lapsed lately.
    Lapsed,
}

impl Walk {
    /// As `cursors.sweep` names it.
    fn cursor(self) -> &'static str {
        match self {
            Self::Forwards => "pending",
            Self::Backwards => "pending_backwards",
            Self::Lapsed => "pending_lapsed",
        }
    }

    // An authorization that stands is found when it lapses. Ties are read to their end: a cursor
    // between them would lose the rest.
    fn statement(self) -> &'static str {
        match self {
            Self::Forwards => concat!(
                "SELECT b.id, ",
                since!(),
                " AS since, ",
                lapses!(),
                " AS lapsed, b.updated_at AS position FROM bookings b WHERE ",
                waits!(),
                " AND b.updated_at > $1 AND b.updated_at <= $2 \
                  AND NOT (",
                lapses!(),
                " AND b.authorized_until > now()) \
                 ORDER BY b.updated_at FETCH FIRST ($3) ROWS WITH TIES"
            ),
            Self::Backwards => concat!(
                "SELECT b.id, ",
                since!(),
                " AS since, ",
                lapses!(),
                " AS lapsed, b.updated_at AS position FROM bookings b WHERE ",
                waits!(),
                " AND b.updated_at > $1 AND b.updated_at < $2 \
                  AND NOT (",
                lapses!(),
                " AND b.authorized_until > now()) \
                 ORDER BY b.updated_at DESC FETCH FIRST ($3) ROWS WITH TIES"
            ),
            Self::Lapsed => concat!(
                "SELECT b.id, ",
                since!(),
                " AS since, true AS lapsed, b.authorized_until AS position FROM bookings b \
                 WHERE b.status = 'authorized' AND b.hold IS NULL \
                   AND b.authorized_until > $1 AND b.authorized_until <= $2 \
                 ORDER BY b.authorized_until FETCH FIRST ($3) ROWS WITH TIES"
            ),
        }
    }
}

/// A booking that a walk found.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Found {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Timestamptz)]
    pub since: DateTime<Utc>,
    /// Its authorization has lapsed, and it waits since then.
    #[diesel(sql_type = Bool)]
    pub lapsed: bool,
    /// Where the walk stands behind it.
    #[diesel(sql_type = Timestamptz)]
    pub position: DateTime<Utc>,
}

/// The server's clock, by which bookings change.
pub fn now(connection: &mut PgConnection) -> QueryResult<DateTime<Utc>> {
    #[derive(QueryableByName)]
    struct Now {
        #[diesel(sql_type = Timestamptz)]
        now: DateTime<Utc>,
    }
    sql_query("SELECT now() AS now")
        .get_result::<Now>(connection)
        .map(|row| row.now)
}

/// Where a walk stands; `None`: it has never begun.
pub fn position(connection: &mut PgConnection, walk: Walk) -> QueryResult<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Position {
        #[diesel(sql_type = Timestamptz)]
        position: DateTime<Utc>,
    }
    let row: Option<Position> =
        sql_query("SELECT position FROM cursors WHERE account = '' AND sweep = $1")
            .bind::<Text, _>(walk.cursor())
            .get_result(connection)
            .optional()?;
    Ok(row.map(|row| row.position))
}

/// Moves a walk's cursor.
pub fn move_to(connection: &mut PgConnection, walk: Walk, to: DateTime<Utc>) -> QueryResult<()> {
    sql_query(
        "INSERT INTO cursors (account, sweep, position) VALUES ('', $1, $2) \
         ON CONFLICT (account, sweep) DO UPDATE \
         SET position = excluded.position, updated_at = now()",
    )
    .bind::<Text, _>(walk.cursor())
    .bind::<Timestamptz, _>(to)
    .execute(connection)
    .map(|_rows| ())
}

/// The bookings of a walk in `(from, to]`, backwards in `(from, to)`, in its order: `limit`, and those
/// at the same instant as the last of them.
pub fn found(
    connection: &mut PgConnection,
    walk: Walk,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> QueryResult<Vec<Found>> {
    sql_query(walk.statement())
        .bind::<Timestamptz, _>(from)
        .bind::<Timestamptz, _>(to)
        .bind::<BigInt, _>(limit)
        .load(connection)
}

/// Registrations older than `before` that the processor has not folded, the newest first, at most
/// `limit`. A folded one has a booking.
pub fn unfolded(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<Found>> {
    sql_query(
        "SELECT r.booking_id AS id, r.registered_at AS since, false AS lapsed, \
           r.registered_at AS position \
         FROM registrations r WHERE r.folded_at IS NULL AND r.registered_at <= $1 \
         ORDER BY r.registered_at DESC LIMIT $2",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .load(connection)
}

/// One booking's next check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub id: String,
    pub since: DateTime<Utc>,
    pub slot: Slot,
}

/// Writes checks. `anew`: also where one is there that waits since the same instant; else that one
/// is left as it is.
pub fn schedule(connection: &mut PgConnection, checks: &[Check], anew: bool) -> QueryResult<usize> {
    if checks.is_empty() {
        return Ok(0);
    }
    sql_query(
        // A booking may be found twice: as a registration and by its change.
        "INSERT INTO booking_checks AS b (booking_id, since, level, due_at) \
         SELECT DISTINCT ON (c.id) c.id, c.since, c.level, c.due_at \
         FROM unnest($1, $2, $3, $4) AS c (id, since, level, due_at) ORDER BY c.id, c.since DESC \
         ON CONFLICT ON CONSTRAINT booking_checks_pkey DO UPDATE \
         SET since = excluded.since, level = excluded.level, due_at = excluded.due_at \
         WHERE $5 OR b.since <> excluded.since",
    )
    .bind::<Array<Text>, _>(checks.iter().map(|it| it.id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(checks.iter().map(|it| it.since).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(checks.iter().map(|it| it.slot.level).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(checks.iter().map(|it| it.slot.at).collect::<Vec<_>>())
    .bind::<Bool, _>(anew)
    .execute(connection)
}

/// A check that is due, and how its booking stands now.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Due {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = SmallInt)]
    pub level: i16,
    /// Since when it waited when the check was scheduled.
    #[diesel(sql_type = Timestamptz)]
    pub scheduled: DateTime<Utc>,
    /// Since when it waits; `None`: it waits no more.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    pub lapsed: bool,
    #[diesel(sql_type = Bool)]
    pub held: bool,
}

/// At most `limit` checks that are due, those of newer waits first.
pub fn due(connection: &mut PgConnection, limit: i64) -> QueryResult<Vec<Due>> {
    sql_query(concat!(
        // Each level's due end of booking_checks_due is read up to the limit; what is not due costs
        // nothing. Bookings and registrations are looked up by their keys.
        "WITH next AS ( \
           SELECT c.booking_id, c.level, c.since, c.due_at \
           FROM generate_series(0, 62) AS l (level) CROSS JOIN LATERAL ( \
             SELECT k.booking_id, k.level, k.since, k.due_at FROM booking_checks k \
             WHERE k.level = l.level::smallint AND k.due_at <= now() \
             ORDER BY k.due_at DESC LIMIT $1) c \
           ORDER BY c.level, c.due_at DESC LIMIT $1 \
         ) \
         SELECT n.booking_id AS id, n.level, n.since AS scheduled, \
           CASE WHEN b.id IS NULL THEN r.registered_at WHEN ",
        waits!(),
        " THEN ",
        since!(),
        " END AS since, coalesce(",
        lapses!(),
        ", false) AS lapsed, b.hold IS NOT NULL AS held \
         FROM next n LEFT JOIN bookings b ON b.id = n.booking_id \
           LEFT JOIN registrations r ON r.booking_id = n.booking_id \
         ORDER BY n.level, n.due_at DESC"
    ))
    .bind::<BigInt, _>(limit)
    .load(connection)
}

/// These wait no more.
pub fn forget(connection: &mut PgConnection, bookings: &[String]) -> QueryResult<usize> {
    if bookings.is_empty() {
        return Ok(0);
    }
    sql_query("DELETE FROM booking_checks WHERE booking_id = ANY($1)")
        .bind::<Array<Text>, _>(bookings)
        .execute(connection)
}

/// A booking that is given up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    pub id: String,
    pub since: DateTime<Utc>,
}

/// Leaves these alone until they change, and opens the finding `abandoned` of each. One that a person
/// closed stays closed for this wait.
pub fn abandon(connection: &mut PgConnection, bookings: &[Abandoned]) -> QueryResult<usize> {
    let ids: Vec<&str> = bookings.iter().map(|it| it.id.as_str()).collect();
    let since: Vec<DateTime<Utc>> = bookings.iter().map(|it| it.since).collect();
    sql_query(
        "UPDATE booking_checks c SET due_at = NULL FROM unnest($1, $2) AS a (id, since) \
         WHERE c.booking_id = a.id AND c.since = a.since",
    )
    .bind::<Array<Text>, _>(&ids)
    .bind::<Array<Timestamptz>, _>(&since)
    .execute(connection)?;
    sql_query(
        "INSERT INTO findings (kind, confidence, evidence, account, booking_id, identity, scope, \
           detail, closed_at, closed_by) \
         SELECT 'abandoned', 1, json_build_object('since', f.since, 'status', f.status, \
             'hold', f.hold), f.account, f.id, f.identity, 'abandoned:' || f.id, \
           'The booking has been ' || f.status || coalesce(' and held (' || f.hold || ')', '') \
             || ' without a change since ' \
             || to_char(f.since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
             || ': Stripe is not asked about it any more', c.at, c.action_id \
         FROM ( \
           SELECT a.id, a.since, coalesce(b.status, 'registered') AS status, b.hold, \
             coalesce(b.account, r.account, '') AS account, \
             'abandoned:' || a.id || ':' || floor(extract(epoch FROM a.since))::bigint AS identity \
           FROM unnest($1, $2) AS a (id, since) LEFT JOIN bookings b ON b.id = a.id \
             LEFT JOIN registrations r ON r.booking_id = a.id \
         ) f LEFT JOIN finding_closures c ON c.identity = f.identity \
         ON CONFLICT (identity) WHERE identity IS NOT NULL DO NOTHING",
    )
    .bind::<Array<Text>, _>(&ids)
    .bind::<Array<Timestamptz>, _>(&since)
    .execute(connection)
}

/// Closes findings `abandoned` of the last `age` seconds whose booking has changed since: the
/// processor closes them with the change, unless it committed the change while they were opened.
pub fn close_changed(connection: &mut PgConnection, age: f64) -> QueryResult<usize> {
    sql_query(concat!(
        // Begins at the recent end of findings_open_of_folding.
        "UPDATE findings f SET closed_at = now() FROM bookings b \
         WHERE f.kind = 'abandoned' AND f.identity IS NOT NULL AND f.closed_at IS NULL \
           AND f.found_at > now() - make_interval(secs => $1) AND b.id = f.booking_id \
           AND f.identity <> 'abandoned:' || b.id || ':' || floor(extract(epoch FROM CASE WHEN ",
        waits!(),
        " THEN ",
        since!(),
        " ELSE 'epoch' END))::bigint"
    ))
    .bind::<Double, _>(age)
    .execute(connection)
}
