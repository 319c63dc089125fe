//! The one way to run a transaction.

use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::pg::PgConnection;

/// Runs `work` in one READ COMMITTED transaction named `name`: commits if it returned `Ok`,
/// rolls back otherwise. `name` is what `application_name` does not tell: it begins the
/// transaction as an SQL comment, so that the server's log and `pg_stat_activity` show it.
///
/// READ COMMITTED on purpose: statements after a lock must see what its last holder committed.
///
/// # Errors
/// `work`'s own, or diesel's from BEGIN and COMMIT. After an error of COMMIT the outcome is
/// *unknown*: the caller makes it safe by idempotency (the progress row tells).
pub fn run_tx<T, E>(
    connection: &mut PgConnection,
    name: &'static str,
    work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<diesel::result::Error>,
{
    type Manager = <PgConnection as diesel::Connection>::TransactionManager;
    Manager::begin_transaction(connection)?;
    // A comment alone is an empty query, which diesel takes for an error. SET takes no snapshot, so
    // `work` may still choose another isolation for a transaction that only reads.
    let named = format!("/* {name} */ SET LOCAL bookend.transaction = '{name}'");
    let outcome = match connection.batch_execute(&named) {
        Ok(()) => work(connection),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(value) => {
            Manager::commit_transaction(connection)?;
            Ok(value)
        }
        Err(error) => {
            // The first error is the one that tells something; a connection that cannot even
            // roll back is broken and shows so at its next use.
            drop(Manager::rollback_transaction(connection));
            Err(error)
        }
    }
}
