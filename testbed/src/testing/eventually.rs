//! Waiting for something to become true, by looking again and again until a deadline.

use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(25);

/// What a look may return: `Some(value)` or `true` is what was waited for.
pub trait Outcome {
    /// What the wait returns.
    type Value;
    /// The value, if it is there.
    fn value(self) -> Option<Self::Value>;
}

impl<T> Outcome for Option<T> {
    type Value = T;
    fn value(self) -> Option<T> {
        self
    }
}

impl Outcome for bool {
    type Value = ();
    fn value(self) -> Option<()> {
        self.then_some(())
    }
}

/// Looks until there is a value; panics with `what` after `deadline`.
///
/// # Panics
/// When it did not become true in time.
pub fn eventually<O: Outcome>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> O,
) -> O::Value {
    let start = Instant::now();
    loop {
        // At least one look after the deadline has passed: a slow machine is no failure.
        let late = start.elapsed() >= deadline;
        if let Some(value) = look().value() {
            return value;
        }
        assert!(!late, "not within {deadline:?}: {what}");
        thread::sleep(PAUSE);
    }
}

/// [`eventually`] for a look that awaits.
///
/// # Panics
/// When it did not become true in time.
pub async fn eventually_async<O: Outcome>(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> O,
) -> O::Value {
    let start = Instant::now();
    loop {
        let late = start.elapsed() >= deadline;
        if let Some(value) = look().await.value() {
            return value;
        }
        assert!(!late, "not within {deadline:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
