//! Waits until the processor has written what became of each item.
//!
//! *Invariant:* it only looks. A result that does not come in time is unknown, not a failure and
//! not a success.

use std::time::{Duration, Instant};

use super::items;
use super::outcome::Results;
use super::progress::Progress;
use crate::database::Session;
use crate::failure::Failure;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(200);

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Every item has its result.
    All,
    Stopped,
    Late,
}

/// The results so far, and whether they are all.
///
/// # Errors
/// The database's.
pub(crate) fn results(
    session: &mut Session,
    action: &str,
    deadline: Instant,
    stopped: &dyn Fn() -> bool,
) -> Result<(Results, Waited), Failure> {
    let mut progress: Option<Progress> = None;
    loop {
        let results = count(session, action)?;
        if results.awaited == 0 {
            return Ok((results, Waited::All));
        }
        let awaited = u64::try_from(results.awaited).unwrap_or(0);
        let shown = progress.get_or_insert_with(|| Progress::new("results", awaited));
        shown.left(awaited);
        if stopped() {
            return Ok((results, Waited::Stopped));
        }
        if Instant::now() >= deadline {
            return Ok((results, Waited::Late));
        }
        std::thread::sleep(EVERY);
    }
}

/// The results so far.
///
/// # Errors
/// The database's.
pub(crate) fn count(session: &mut Session, action: &str) -> Result<Results, Failure> {
    let counts = session.read("replay_results", |db| items::counts(db, action))?;
    Ok(Results::of(&counts))
}
