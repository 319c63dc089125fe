//! Claiming a partition in Postgres: the epoch is raised under the row's lock, then the offset
//! is read; what the log no longer has is written down in the same transaction.

use diesel::RunQueryDsl;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use shared::db::run_tx;

use crate::progress::{Start, forgotten, start};
use crate::store::progress::record_hole;
use crate::store::restores;

/// A partition that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// Epoch that the compare-and-set of every batch names.
    pub(super) epoch: i64,
    /// Where reading begins.
    pub(super) next_offset: i64,
    /// What was found, for the log and the alarm.
    pub(super) start: Start,
    /// What a restored database has forgotten, to be applied again before booking events leave.
    pub(super) forgotten: Option<(i64, i64)>,
    /// The brake held it when it was last read.
    pub(super) held: bool,
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    next_offset: i64,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = Bool)]
    held: bool,
}

/// Claims one partition whose log holds `[low, high)` and of which everything below `reached` was
/// applied once.
///
/// # Errors
/// diesel's: the row could not be read or is held by a late transaction (lock time-out). The
/// partition is then not ours yet; trying again is safe, an epoch raised in vain does no harm.
pub(super) fn claim(
    connection: &mut PgConnection,
    topic: &str,
    partition: i32,
    (low, high): (i64, i64),
    reached: i64,
) -> Result<Claim, diesel::result::Error> {
    run_tx(connection, "claim_partition", |conn| {
        // A partition never seen before begins at the log's start, never at its end.
        diesel::sql_query(
            "INSERT INTO partition_progress (topic, partition, next_offset) VALUES ($1, $2, $3) \
             ON CONFLICT ON CONSTRAINT partition_progress_pkey DO NOTHING",
        )
        .bind::<Text, _>(topic)
        .bind::<Integer, _>(partition)
        .bind::<BigInt, _>(low)
        .execute(conn)?;
        let row: Row = diesel::sql_query(
            "UPDATE partition_progress SET epoch = epoch + 1, updated_at = now() \
             WHERE topic = $1 AND partition = $2 RETURNING next_offset, epoch, held_since IS NOT NULL AS held",
        )
        .bind::<Text, _>(topic)
        .bind::<Integer, _>(partition)
        .get_result(conn)?;
        let start = start(row.next_offset, low, high);
        let mut forgotten = forgotten(row.next_offset, reached, high);
        let next_offset = match start {
            Start::At(next) => next,
            Start::Hole { from, to } => {
                record_hole(conn, topic, partition, (from, to), "hole")?;
                move_progress(conn, topic, partition, to)?;
                to
            }
            Start::Shorter { end, next, restart } => {
                record_hole(conn, topic, partition, (end, next), "shorter")?;
                move_progress(conn, topic, partition, restart)?;
                restores::give_up(conn, topic, partition)?;
                forgotten = None;
                restart
            }
        };
        if let Some(range) = forgotten {
            restores::notice(conn, (topic, partition), range)?;
        }
        Ok(Claim {
            epoch: row.epoch,
            next_offset,
            start,
            forgotten,
            held: row.held,
        })
    })
}

fn move_progress(
    conn: &mut PgConnection,
    topic: &str,
    partition: i32,
    next_offset: i64,
) -> diesel::QueryResult<usize> {
    diesel::sql_query(
        "UPDATE partition_progress SET next_offset = $3 WHERE topic = $1 AND partition = $2",
    )
    .bind::<Text, _>(topic)
    .bind::<Integer, _>(partition)
    .bind::<BigInt, _>(next_offset)
    .execute(conn)
}
