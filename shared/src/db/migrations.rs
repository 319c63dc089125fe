//! The schema, embedded in every binary: the processor migrates, the others only check.
//!
//! Invariant: nobody works on a schema older than its code.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connect::{ConnectError, Limits, connect};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// Any number, the same for every migrator: two never run at once.
const ADVISORY_LOCK: i64 = 0x62_6f6f_6b65_6e64;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No connection.
    #[error("cannot reach the database to migrate it")]
    Connect(#[from] ConnectError),
    /// The lock that keeps migrators apart could not be taken.
    #[error("cannot take the migration lock")]
    Lock(#[source] diesel::result::Error),
    /// A migration failed; each runs in a transaction of its own, so it left nothing behind.
    #[error("a migration failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Reading rights for the services could not be granted.
    #[error("cannot let the services read the schema version")]
    Grant(#[source] diesel::result::Error),
}

/// Why a service refuses to run on this database.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The version could not be read: the database was never migrated, or we may not read it.
    #[error("cannot read the schema version: has `processor migrate` been run?")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Migrations of this binary are missing there.
    #[error(
        "the schema is older than this binary by {missing} migration(s): run `processor migrate`"
    )]
    Older {
        /// How many are missing.
        missing: usize,
    },
}

/// Brings the schema up to date; returns how many migrations ran (0: it already was).
///
/// Safe to run from several places at once: an advisory lock lets one work, the others find
/// nothing left to do.
///
/// # Errors
/// [`MigrationError`]; finished migrations stay, the failed one left nothing.
pub fn migrate(url: &str) -> Result<usize, MigrationError> {
    let limits = Limits {
        statement: std::time::Duration::from_secs(300),
        lock: std::time::Duration::from_secs(60),
        ..Limits::default()
    };
    let mut connection = connect(url, "bookend-migrate", limits)?;
    connection
        .batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))
        .map_err(MigrationError::Lock)?;
    let ran = connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(MigrationError::Failed)?
        .len();
    connection
        .batch_execute(
            "GRANT SELECT ON __diesel_schema_migrations TO bookend_processor, \
             bookend_reconciler, bookend_console, bookend_reader",
        )
        .map_err(MigrationError::Grant)?;
    Ok(ran)
}

/// Checks that every migration of this binary has run. Reads only.
///
/// # Errors
/// [`SchemaError`]. A schema *newer* than the binary is no error: migrations only expand.
pub fn require_schema(connection: &mut PgConnection) -> Result<(), SchemaError> {
    use diesel::migration::MigrationSource;
    let known: Vec<Box<dyn diesel::migration::Migration<diesel::pg::Pg>>> =
        MIGRATIONS.migrations().map_err(SchemaError::Unreadable)?;
    let applied =
        applied_versions(connection).map_err(|cause| SchemaError::Unreadable(Box::new(cause)))?;
    let missing = known
        .iter()
        .filter(|migration| !applied.contains(&migration.name().version().to_string()))
        .count();
    if missing > 0 {
        return Err(SchemaError::Older { missing });
    }
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct Version {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

/// diesel's own check would create its table where it is missing, which a service may not.
fn applied_versions(connection: &mut PgConnection) -> diesel::QueryResult<Vec<String>> {
    use diesel::RunQueryDsl;
    let rows: Vec<Version> =
        diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(connection)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}
