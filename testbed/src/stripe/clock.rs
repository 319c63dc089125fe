//! The fake's own clock: the machine's, plus whatever it was advanced by.
//!
//! Invariant: it never goes back by itself, and everybody who sleeps on it wakes when it is
//! advanced. Signatures are stamped with the machine's time instead (`wall_s`), because the
//! receiver checks them against its own clock, which nobody advanced.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// Milliseconds and seconds since 1970, as Stripe would see them.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    advanced_ms: watch::Sender<i64>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            advanced_ms: watch::Sender::new(0),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        wall_ms().saturating_add(*self.advanced_ms.borrow())
    }

    pub(crate) fn now_s(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// The machine's own second, for signatures.
    pub(crate) fn wall_s(&self) -> i64 {
        wall_ms().div_euclid(1000)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.advanced_ms
            .send_modify(|ms| *ms = ms.saturating_add(millis(by)));
    }

    /// Returns once this clock shows `due_ms`; at once if it already does.
    pub(crate) async fn sleep_until(&self, due_ms: i64) {
        let mut moved = self.advanced_ms.subscribe();
        loop {
            moved.mark_unchanged();
            let Ok(wait) = u64::try_from(due_ms.saturating_sub(self.now_ms())) else {
                return;
            };
            if wait == 0 {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                _ = moved.changed() => {}
            }
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the module that owns the fake's clock"
)]
fn wall_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

/// A duration in milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
