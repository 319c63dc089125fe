//! Folds what the booking application registered, in transactions of its own, under the same
//! locks and by the same fold as the batches.
//!
//! It is woken by the notification of `register_booking`, and looks by itself now and then in
//! case one was missed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::pg::PgConnection;
use shared::db::{Limits, run_tx};
use shared::error::chain;

use crate::apply::inputs::fold_inputs;
use crate::apply::upgrade::upgrading;
use crate::apply::world::Cause;
use crate::apply::{ApplyError, Rules};
use crate::store::registrations::{mark_folded, not_folded};

/// Name of the transaction, as in `updated_by`.
const FOLD_REGISTRATIONS: &str = "fold_registrations";
/// Registrations in one transaction.
const LIMIT: i64 = 200;
/// How often it looks without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where in the order of bookings it stands: a registration that cannot be folded is passed
/// over until the next round, and so holds up no other.
#[derive(Debug, Default)]
struct Round {
    after: String,
    alone: bool,
}

/// Runs until `stopping`. Blocks its thread.
pub fn run(database_url: &str, limits: Limits, rules: Rules, stopping: &AtomicBool) {
    let mut connection: Option<PgConnection> = None;
    let mut looked: Option<Instant> = None;
    let mut round = Round::default();
    while !stopping.load(Ordering::Relaxed) {
        let outcome = match connection.as_mut() {
            None => listen(database_url, limits).map(|fresh| {
                connection = Some(fresh);
                looked = None;
            }),
            Some(conn) => match is_woken(conn) {
                Ok(woken) if woken || looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) => {
                    looked = Some(Instant::now());
                    fold_all(conn, rules, &mut round)
                }
                Ok(_) => {
                    std::thread::park_timeout(Duration::from_millis(50));
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        if let Err(error) = outcome {
            tracing::warn!(
                error = chain(&error),
                "registrations not folded; trying again"
            );
            connection = None;
            // One at a time from here, to find the one that fails.
            round.alone = true;
            std::thread::park_timeout(Duration::from_millis(500));
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RegistrationError {
    #[error("cannot reach the database")]
    Connect(#[from] shared::db::ConnectError),
    #[error("cannot listen for registrations")]
    Listen(#[source] diesel::result::Error),
    #[error("cannot fold registrations")]
    Fold(#[from] ApplyError),
}

/// Whether a notification came since the last look. One is enough: a broken connection answers
/// every further question with the same error.
fn is_woken(conn: &mut PgConnection) -> Result<bool, RegistrationError> {
    match conn.notifications_iter().next() {
        None => Ok(false),
        Some(Ok(_)) => Ok(true),
        Some(Err(error)) => Err(RegistrationError::Listen(error)),
    }
}

fn listen(url: &str, limits: Limits) -> Result<PgConnection, RegistrationError> {
    let mut connection = shared::db::connect(url, "bookend-processor-registrations", limits)?;
    diesel::sql_query("LISTEN bookend_registrations")
        .execute(&mut connection)
        .map_err(RegistrationError::Listen)?;
    Ok(connection)
}

fn fold_all(
    conn: &mut PgConnection,
    rules: Rules,
    round: &mut Round,
) -> Result<(), RegistrationError> {
    loop {
        let limit = if round.alone { 1 } else { LIMIT };
        let rows = not_folded(conn, &round.after, limit).map_err(ApplyError::from)?;
        let Some(first) = rows.first() else {
            *round = Round::default();
            return Ok(());
        };
        if round.alone {
            // Moved on before the attempt: if it fails, the next attempt is the next booking's.
            round.after.clone_from(first);
        }
        match fold_registrations(conn, rules, &rows) {
            // An event of one of these bookings was faster than our locks: look again.
            Ok(()) | Err(ApplyError::Moved) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Folds what these bookings registered in one transaction.
///
/// # Errors
/// [`ApplyError`]; none of them is then folded.
pub fn fold_registrations(
    conn: &mut PgConnection,
    rules: Rules,
    bookings: &[String],
) -> Result<(), ApplyError> {
    let first = bookings.first().map_or("", String::as_str);
    upgrading(conn, rules, |conn| {
        run_tx(conn, FOLD_REGISTRATIONS, |conn| {
            mark_folded(conn, bookings)?;
            // A booking that loses an object changes because of another's registration.
            let cause = |booking: &str| {
                let own = bookings.iter().find(|one| *one == booking);
                Cause {
                    kind: "registration",
                    id: own.map_or(first, String::as_str),
                    trace_id: None,
                }
            };
            fold_inputs(conn, (bookings, &[]), rules, FOLD_REGISTRATIONS, cause)?;
            Ok(())
        })
    })
}
