//! How many verified events may wait for Kafka at once: as many as are acknowledged in time.
//!
//! When the brokers cannot keep up, more waiting makes every answer late and none sooner. So the
//! number follows the acknowledgements: it shrinks by a third when they are late, and grows by a
//! quarter when it is used up and they are not. Who finds no place within [`QUEUE_WAIT`] is told to
//! send again.
//!
//! Invariants: at most `most` events wait or are served; only who is verified takes a place, so a
//! flood of forged requests takes none. What the next limit is, is decided by [`next_limit`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Longest wait for a place.
const QUEUE_WAIT: Duration = Duration::from_millis(150);
/// Acknowledgements that take longer than this on average are late.
const LATE: Duration = Duration::from_millis(200);
/// How often the limit is thought over.
const WINDOW: Duration = Duration::from_millis(100);
/// Acknowledgements that a window needs to be judged: the first one after a start is slow (the
/// producer asks for its id), and says nothing of the brokers.
const ENOUGH: u32 = 8;
/// Places that are always there: a broker that comes back must be noticed.
const FEWEST: usize = 16;
/// Places at the start.
const AT_FIRST: usize = 256;

/// What one window of acknowledgements looked like.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    acks: u32,
    waited: Duration,
    /// Whether somebody found every place taken.
    full: bool,
}

/// The limit after a window. Pure.
fn next_limit(limit: usize, window: Window, most: usize) -> usize {
    let Some(mean) = window.waited.checked_div(window.acks) else {
        return limit;
    };
    let next = if mean > LATE {
        limit.saturating_mul(7) / 10
    } else if window.full {
        limit.saturating_add(limit / 4)
    } else {
        limit
    };
    next.clamp(FEWEST.min(most), most)
}

/// Places for verified events.
#[derive(Debug)]
pub struct Admission {
    places: Semaphore,
    most: usize,
    inside: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Places that exist: those that are free and those that are taken.
    existing: usize,
    began: Instant,
    window: Window,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub struct Place<'a> {
    admission: &'a Admission,
    permit: Option<SemaphorePermit<'a>>,
    since: Instant,
}

/// One that waits or is served.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// Never more than `most` at once, waiting ones included.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let limit = AT_FIRST.min(most);
        Self {
            places: Semaphore::new(limit),
            most,
            inside: AtomicUsize::new(0),
            state: Mutex::new(State {
                limit,
                existing: limit,
                began: Instant::now(),
                window: Window::default(),
            }),
        }
    }

    /// Serves one event with a place; none: there is no place for it in time.
    pub async fn with_place<T>(&self, serve: impl Future<Output = T>) -> Option<T> {
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.inside.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let _inside = Inside(&self.inside);
        let place = self.place().await?;
        let served = serve.await;
        drop(place);
        Some(served)
    }

    async fn place(&self) -> Option<Place<'_>> {
        let permit = match self.places.try_acquire() {
            Ok(permit) => permit,
            Err(_taken) => {
                self.state().window.full = true;
                let waited = tokio::time::timeout(QUEUE_WAIT, self.places.acquire()).await;
                waited.ok()?.ok()?
            }
        };
        Some(Place {
            admission: self,
            permit: Some(permit),
            since: Instant::now(),
        })
    }

    /// Places as they are now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.state().limit
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how long one waited for Kafka; whether its place is one too many.
    fn left(&self, since: Instant, now: Instant) -> bool {
        let waited = now.saturating_duration_since(since);
        let mut state = self.state();
        state.window.acks = state.window.acks.saturating_add(1);
        state.window.waited = state.window.waited.saturating_add(waited);
        if now.saturating_duration_since(state.began) >= WINDOW && state.window.acks >= ENOUGH {
            state.limit = next_limit(state.limit, state.window, self.most);
            state.window = Window::default();
            state.began = now;
            let missing = state.limit.saturating_sub(state.existing);
            state.existing = state.existing.saturating_add(missing);
            self.places.add_permits(missing);
        }
        let surplus = state.existing > state.limit;
        if surplus {
            state.existing = state.existing.saturating_sub(1);
        }
        surplus
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let surplus = self.admission.left(self.since, Instant::now());
        if let Some(permit) = self.permit.take()
            && surplus
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(mean_ms: u64, full: bool) -> Window {
        Window {
            acks: 10,
            waited: Duration::from_millis(mean_ms.saturating_mul(10)),
            full,
        }
    }

    #[test]
    fn the_limit_shrinks_when_acknowledgements_are_late_and_never_below_the_fewest() {
        assert_eq!(next_limit(1000, window(201, true), 1024), 700);
        assert_eq!(next_limit(17, window(4500, true), 1024), FEWEST);
        assert_eq!(next_limit(4, window(4500, true), 4), 4);
    }

    #[test]
    fn the_limit_grows_only_when_it_is_used_up_and_never_above_the_most() {
        assert_eq!(next_limit(100, window(200, true), 1024), 125);
        assert_eq!(next_limit(100, window(1, false), 1024), 100);
        assert_eq!(next_limit(1000, window(1, true), 1024), 1024);
    }

    #[test]
    fn a_window_without_acknowledgements_changes_nothing() {
        assert_eq!(next_limit(300, Window::default(), 1024), 300);
    }

    #[tokio::test]
    async fn who_finds_no_place_in_time_is_told_so_and_places_are_free_again() {
        let admission = Admission::new(1);
        let blocked = admission.with_place(async {
            // One inside is all that is permitted: the second is not even let wait.
            admission.with_place(async {}).await
        });
        assert_eq!(blocked.await, Some(None));
        assert_eq!(admission.with_place(async { 7 }).await, Some(7));
    }

    #[test]
    fn one_slow_acknowledgement_is_no_reason_to_shrink() {
        let admission = Admission::new(1024);
        let a_second_ago = Instant::now() - Duration::from_secs(1);
        admission.state().began = a_second_ago;
        for _ in 1..8 {
            admission.left(a_second_ago, Instant::now());
        }
        assert_eq!(admission.limit(), AT_FIRST);
        admission.left(a_second_ago, Instant::now());
        assert!(admission.limit() < AT_FIRST);
    }

    #[tokio::test]
    async fn surplus_places_vanish_as_they_become_free() {
        let admission = Admission::new(64);
        {
            let mut state = admission.state();
            state.limit = 62;
        }
        for _ in 0..5 {
            admission.with_place(async {}).await;
        }
        assert_eq!(admission.state().existing, 62);
        assert_eq!(admission.places.available_permits(), 62);
    }
}
