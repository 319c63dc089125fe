//! Folds what the booking application registered, in transactions of its own, under the same
//! locks and by the same fold as the batches.
//!
//! It is woken by the notification of `register_booking`, and looks by itself now and then in
//! case one was missed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::pg::PgConnection;
use shared::db::{Limits, run_tx};
use shared::error::chain;

use crate::apply::fold::{ask_for_ties, reassign_all, refold};
use crate::apply::world::Cause;
use crate::apply::{ApplyError, Plan, Rules, Step, load, write_world};
use crate::store::registrations::{StoredRegistration, concerned, mark_folded, not_folded};
use shared::folding::graph::{Key, REGISTERED, StoredClaim};

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
            round.after.clone_from(&first.booking_id);
        }
        match fold_registrations(conn, rules, &rows) {
            // An event of one of these bookings was faster than our locks: look again.
            Ok(()) | Err(ApplyError::Moved) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Folds these registrations in one transaction.
///
/// # Errors
/// [`ApplyError`]; none of them is then folded.
pub fn fold_registrations(
    conn: &mut PgConnection,
    rules: Rules,
    rows: &[StoredRegistration],
) -> Result<(), ApplyError> {
    run_tx(conn, FOLD_REGISTRATIONS, |conn| {
        let bookings: Vec<String> = rows.iter().map(|row| row.booking_id.clone()).collect();
        let mut plan = Plan {
            registering: rows.to_vec(),
            ..Plan::default()
        };
        plan.bookings.extend(bookings.iter().cloned());
        // Objects that already claim these bookings: a registration may change whose they are.
        plan.stubs.extend(concerned(conn, &bookings)?);
        for row in rows {
            plan.steps.push(step(row, &mut plan.stubs));
        }
        let mut world = load(conn, &plan, rules.max_objects)?;
        for (row, step) in rows.iter().zip(&plan.steps) {
            fold_one(&mut world, row, step, rules)?;
        }
        ask_for_ties(&mut world);
        write_world(conn, &world, FOLD_REGISTRATIONS)?;
        mark_folded(conn, &bookings)?;
        Ok(())
    })
}

fn fold_one(
    world: &mut crate::apply::world::World,
    row: &StoredRegistration,
    step: &Step,
    rules: Rules,
) -> Result<(), ApplyError> {
    let mut around: BTreeSet<Key> = world.graph.claimants(&row.booking_id);
    around.extend(
        world
            .members
            .get(&row.booking_id)
            .into_iter()
            .flatten()
            .cloned(),
    );
    for (key, claim) in &step.claims {
        if world.graph.claim(key, claim.clone()) {
            world
                .new_claims
                .insert((key.clone(), claim.rank), claim.clone());
        }
        around.insert(key.clone());
    }
    let mut touched = reassign_all(world, &around);
    touched.insert(row.booking_id.clone());
    let cause = Cause {
        kind: "registration",
        id: &row.booking_id,
        trace_id: None,
    };
    for booking in touched {
        refold(world, &booking, cause, rules.require_registration)?;
    }
    Ok(())
}

/// A registered payment intent belongs to its booking before anything else says so.
fn step(row: &StoredRegistration, stubs: &mut std::collections::BTreeMap<Key, String>) -> Step {
    let mut step = Step::default();
    if let Some(id) = &row.payment_intent_id {
        let key = Key {
            account: row.account.clone().unwrap_or_default(),
            id: id.clone(),
        };
        stubs
            .entry(key.clone())
            .or_insert_with(|| "payment_intent".to_owned());
        let claim = StoredClaim {
            rank: REGISTERED,
            at: row.registered_at.timestamp(),
            source_id: format!("registration:{}", row.booking_id),
            booking_id: row.booking_id.clone(),
        };
        step.claims.push((key, claim));
    }
    step
}
