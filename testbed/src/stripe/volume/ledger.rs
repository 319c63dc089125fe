//! The same events as rows of the ledger, as if they had been applied long ago.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, ConnectionResult, PgConnection, QueryResult};

use super::Volume;

/// Why the ledger could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The database does not answer.
    #[error("cannot reach the ledger")]
    Connect(#[from] diesel::ConnectionError),
    /// It refuses.
    #[error("cannot fill the ledger")]
    Refused(#[from] diesel::result::Error),
}

/// Inserts every event of `volume` but those of the numbers in `without`, by one statement; `url`:
/// an owner's or a superuser's. Payloads are tiny: nobody reads them in a comparison of ids.
///
/// # Errors
/// The database's.
pub fn fill(url: &str, volume: Volume, topic: &str, without: &[u64]) -> Result<(), FillError> {
    let mut connection: PgConnection = connect(url)?;
    insert(&mut connection, volume, topic, without)?;
    Ok(())
}

fn connect(url: &str) -> ConnectionResult<PgConnection> {
    PgConnection::establish(url)
}

fn insert(
    connection: &mut PgConnection,
    volume: Volume,
    topic: &str,
    without: &[u64],
) -> QueryResult<()> {
    let Volume { from, to, count } = volume;
    let (span, last) = (to.saturating_sub(from), count.saturating_sub(1));
    let without: Vec<String> = without.iter().map(ToString::to_string).collect();
    let without = without.join(",");
    let topic = topic.replace('\'', "''");
    connection.batch_execute(&format!(
        "SELECT ensure_event_partitions();
         INSERT INTO events (id, created, record_kind, livemode, type, object_id, booking_id,
             payload, payload_sha256, source, topic, partition, \"offset\", received_at,
             applied_at, disposition, fold_version)
         SELECT 'evt_vol_' || lpad(n::text, 9, '0'), at, 'event', false,
             'payment_intent.succeeded', 'pi_vol_' || lpad(n::text, 9, '0'),
             'vol-' || lpad(n::text, 9, '0'), '{{}}'::bytea, sha256('{{}}'::bytea), 'webhook',
             '{topic}', n % 12, n / 12, at, at, 'applied', 1
         FROM (SELECT n, to_timestamp({from} + n * {span} / {count}) AS at
               FROM generate_series(0::bigint, {last}) AS n
               WHERE {count} > 0 AND n <> ALL (ARRAY[{without}]::bigint[])) AS made;
         ANALYZE events;"
    ))
}
